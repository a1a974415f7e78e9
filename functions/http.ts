import {
  app,
  type HttpMethod,
  type HttpRequest,
  type HttpResponse,
  type HttpResponseInit,
  type InvocationContext,
} from "@azure/functions";
import { Problem } from "../shared/errors.ts";
import type { Authenticator, Caller } from "../shared/http/authenticate.ts";
import { problemResponse } from "../shared/http/problem.ts";
import type { Door } from "../shared/http/throttle.ts";
import { type Log, reasonOf } from "../shared/log.ts";
import { StoreUnavailable } from "../shared/store.ts";
import type { Operator, Tenant } from "../shared/tenant/tenants.ts";
import { logOf } from "./log.ts";
import { TextResponse } from "./text-response.ts";

export interface RouteOptions {
  readonly name: string;
  readonly method: HttpMethod;
  /** Below the route prefix of host.json, `/api`. */
  readonly route: string;
}

/** What a tenant's request passes first: is there room, and who is it? */
export interface Entrance {
  readonly authenticator: Authenticator;
  readonly door: Door;
}

/** What a handler is given besides the request. */
export interface Visit {
  readonly log: Log;
  readonly requestId: string;
}

/** The caller of a route that is for tenants. */
export interface TenantCaller {
  readonly tenant: Tenant;
  readonly actor: string;
}

/** The caller of a route under /api/ops. */
export interface OperatorCaller {
  readonly operator: Operator;
  readonly actor: string;
}

/** After a store that cannot be reached: long enough for a failover, short enough for a person who waits. */
const STORE_RETRY_AFTER_SECONDS = 5;

/** A route anybody may call: health and the contract. */
export function openRoute(
  options: RouteOptions,
  handle: (request: HttpRequest, visit: Visit) => Promise<HttpResponseInit>,
): void {
  app.http(options.name, {
    methods: [options.method],
    route: options.route,
    // The app checks credentials itself: keys of the platform know no tenants.
    authLevel: "anonymous",
    handler: (request, context) => answered(request, context, (visit) => handle(request, visit)),
  });
}

/** A route for tenants: 429 when there are too many, 401 without a good credential, 403 for an operator's. */
export function tenantRoute(
  { authenticator, door }: Entrance,
  options: RouteOptions,
  handle: (request: HttpRequest, caller: TenantCaller, visit: Visit) => Promise<HttpResponseInit>,
): void {
  openRoute(options, async (request, visit) => {
    const leave = door.enter(visit.log);
    try {
      const caller: Caller = await authenticator.authenticate(request.headers);
      if (caller.kind !== "tenant")
        throw new Problem("forbidden", "Operators own no jobs: use a tenant's credential.");
      const leaveAs = door.enterAs(caller.tenant, visit.log);
      try {
        return await handle(request, { tenant: caller.tenant, actor: caller.actor }, visit);
      } finally {
        leaveAs();
      }
    } finally {
      leave();
    }
  });
}

/** A route for operators, under /api/ops: 401 without a good credential, 403 for a tenant's. */
export function operatorRoute(
  authenticator: Authenticator,
  options: RouteOptions & { readonly route: `ops/${string}` },
  handle: (request: HttpRequest, caller: OperatorCaller, visit: Visit) => Promise<HttpResponseInit>,
): void {
  openRoute(options, async (request, visit) => {
    const caller: Caller = await authenticator.authenticate(request.headers);
    if (caller.kind !== "operator")
      throw new Problem("forbidden", "This route is for operators: use an operator's credential.");
    return handle(request, { operator: caller.operator, actor: caller.actor }, visit);
  });
}

async function answered(
  request: HttpRequest,
  context: InvocationContext,
  handle: (visit: Visit) => Promise<HttpResponseInit>,
): Promise<HttpResponseInit | HttpResponse> {
  const log = logOf(context);
  const requestId = context.invocationId;
  try {
    const response = await handle({ log, requestId });
    return whole({ ...response, headers: { ...response.headers, "x-request-id": requestId } });
  } catch (thrown) {
    return whole(problemResponse(problemOf(thrown, request, log), requestId));
  }
}

function whole({ body, ...init }: HttpResponseInit): HttpResponseInit | HttpResponse {
  return typeof body === "string" ? new TextResponse({ ...init, body }) : { ...init, body };
}

/** Refusals are answered as they are; an outage as 503; anything else is a bug, logged with all that is known of it. */
function problemOf(thrown: unknown, request: HttpRequest, log: Log): Problem {
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
