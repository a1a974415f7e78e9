import { Problem } from "../errors.ts";
import { type Log, reasonOf } from "../log.ts";
import { StoreUnavailable } from "../store.ts";
import { type Answer, OWN_HEADERS } from "./answer.ts";
import type { Authenticator, Caller } from "./authenticate.ts";
import { conditional } from "./conditional.ts";
import type { Door } from "./door.ts";
import { inputOf } from "./input.ts";
import { bytesAtMost, type HttpRequest } from "./request.ts";
import type { Route, Visit, Who } from "./route.ts";
import type { Throttle } from "./throttle.ts";

/** What a request passes before its handler: is there room, and who is it? */
export interface Entrance {
  readonly authenticator: Authenticator;
  readonly throttle: Throttle;
}

/** After a store that cannot be reached: long enough for a failover, short enough for a person who waits. */
const STORE_RETRY_AFTER_SECONDS = 5;

const FORBIDDEN: Readonly<Record<Who, string>> = {
  anyone: "",
  tenant: "Operators own no jobs: use a tenant's credential.",
  operator: "This route is for operators: use an operator's credential.",
};

/** Answers a request to a route. Never rejects: a refusal is answered in the form of the route's door. */
export async function serve<Deps extends Entrance>(
  door: Door,
  route: Route<Deps>,
  deps: Deps,
  request: HttpRequest,
  visit: Visit,
): Promise<Answer> {
  let answer: Answer;
  try {
    answer = await admitted(route, deps, request, visit);
    if (door.hasEtags) answer = conditional(answer, request);
  } catch (thrown) {
    answer = door.refusal(problemOf(thrown, request, visit.log), visit.requestId);
  }
  return { ...answer, headers: { ...OWN_HEADERS, ...answer.headers, "x-request-id": visit.requestId } };
}

/** Operators, and routes for anyone, are never refused for lack of room. */
async function admitted<Deps extends Entrance>(
  route: Route<Deps>,
  deps: Deps,
  request: HttpRequest,
  visit: Visit,
): Promise<Answer> {
  const { authenticator, throttle } = deps;
  const { who } = route;
  if (who === "anyone") return route.handle(deps, await inputOf(route, deps, request), undefined, visit);
  const known = authenticator.recognise(request.headers);
  const leaveUnknown = known === undefined ? throttle.enterUnknown(visit.log) : undefined;
  let leave = known?.kind === "tenant" ? throttle.enter(known.tenant, visit.log) : undefined;
  try {
    const caller = await authenticator.authenticate(request.headers).finally(leaveUnknown);
    if (caller.kind !== who) throw new Problem("forbidden", FORBIDDEN[who]);
    if (caller.kind === "tenant") {
      leave ??= throttle.enter(caller.tenant, visit.log);
      if (route.isSubmit === true) throttle.submit(caller.tenant, visit.log);
    }
    return await (await begun(route, deps, request, caller, visit)).answer;
  } finally {
    leave?.();
  }
}

/**
 * Reads the request and begins to answer it. A handler uses what a body was parsed into before it first waits, and not
 * after; its text is kept until it is stored, by a store that may take its time.
 */
async function begun<Deps extends Entrance>(
  route: Route<Deps>,
  deps: Deps,
  request: HttpRequest,
  caller: Caller,
  visit: Visit,
): Promise<{ readonly answer: Promise<Answer> }> {
  const room =
    caller.kind === "tenant" && route.body !== undefined
      ? deps.throttle.takeBody(caller.tenant, bytesAtMost(request, route.body.maxBytes), visit.log)
      : undefined;
  try {
    const input = await inputOf(route, deps, request);
    const answer = route.handle(deps, input, caller, visit);
    room?.parsed(Buffer.byteLength(input.sent.text));
    if (room !== undefined) visit.onLeft?.(room.leave);
    return { answer: answer.finally(room?.leave) };
  } catch (thrown) {
    room?.leave();
    throw thrown;
  }
}

/** Refusals are answered as they are, an outage as 503. Anything else is a bug, logged with all that is known. */
export function problemOf(thrown: unknown, request: HttpRequest, log: Log): Problem {
  if (thrown instanceof Problem) return thrown;
  const at = { method: request.method, path: new URL(request.url).pathname, reason: reasonOf(thrown) };
  if (thrown instanceof StoreUnavailable) {
    log.error("store_unavailable", at);
    return new Problem("store_unavailable", "The store cannot be reached; try again.", {
      retryAfterSeconds: STORE_RETRY_AFTER_SECONDS,
      cause: thrown,
    });
  }
  log.error("internal_error", { ...at, stack: thrown instanceof Error ? (thrown.stack ?? null) : null });
  return new Problem("internal_error", "The service failed in a way it did not foresee.", { cause: thrown });
}
