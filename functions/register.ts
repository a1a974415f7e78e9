import {
  app,
  type HttpHandler,
  type HttpMethod,
  type HttpRequest,
  type HttpResponse,
} from "@azure/functions";
import { Problem } from "../shared/errors.ts";
import type { Answer } from "../shared/http/answer.ts";
import { type ApiDeps, apiDoor, apiRoutes } from "../shared/http/api/routes.ts";
import { type ConsoleDeps, consoleDoor, consoleRoutes } from "../shared/http/console/routes.ts";
import type { Door } from "../shared/http/door.ts";
import { doorOf } from "../shared/http/doors.ts";
import { type OpenaiDeps, openaiDoor, openaiRoutes } from "../shared/http/openai/routes.ts";
import type { Route, Visit } from "../shared/http/route.ts";
import { type Entrance, problemOf, serve } from "../shared/http/serve.ts";
import { unrouted } from "../shared/http/unrouted.ts";
import { onLeft } from "./clients.ts";
import { toHostResponse } from "./host-response.ts";
import { logOf } from "./log.ts";

/** The app checks credentials itself: keys of the platform know no tenants. */
const authLevel = "anonymous";

/** Registers a function for each route of each door, and one for whatever no route takes. */
export function registerRoutes(deps: ApiDeps & OpenaiDeps & ConsoleDeps & Entrance): void {
  registerDoor(apiDoor, apiRoutes, deps);
  registerDoor(openaiDoor, openaiRoutes, deps);
  registerDoor(consoleDoor, consoleRoutes, deps);
  registerUnrouted([...apiRoutes, ...openaiRoutes, ...consoleRoutes]);
}

export function registerDoor<Deps extends Entrance>(
  door: Door,
  routes: readonly Route<Deps>[],
  deps: Deps,
): void {
  for (const route of routes) {
    const { name, method, path } = route;
    register(name, [method], path, (request, visit) => serve(door, route, deps, request, visit));
  }
}

/** All but TRACE and CONNECT: the fetch standard, and so the library, knows no request of these. */
const METHODS: HttpMethod[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** The host's own 404 and 405 have no body. `{*path}` comes after every other route, for every method it leaves over. */
function registerUnrouted(routes: readonly Route<never>[]): void {
  register("unrouted", METHODS, "{*path}", async (request, { requestId }) =>
    isRoot(request) ? TO_CONSOLE : unrouted(routes, doorOf, request, requestId),
  );
}

/** A function cannot have the empty route: the host gives it its name instead. */
const isRoot = ({ method, url }: HttpRequest) =>
  ["GET", "HEAD"].includes(method) && new URL(url).pathname === "/";
const TO_CONSOLE: Answer = { status: 302, headers: { location: "/console" } };

/** Of a function that throws the host tells its client nothing: whatever goes wrong is answered here. */
function register(
  name: string,
  methods: HttpMethod[],
  route: string,
  answer: (request: HttpRequest, visit: Visit) => Promise<Answer>,
): void {
  const handler: HttpHandler = async (request, context) => {
    const { invocationId } = context;
    const visit: Visit = {
      log: logOf(context),
      requestId: invocationId,
      onLeft: (run) => onLeft(invocationId, run),
    };
    try {
      return toHostResponse(await answer(request, visit));
    } catch (thrown) {
      const { pathname } = new URL(request.url);
      return toHostResponse(doorOf(pathname).refusal(problemOf(thrown, request, visit.log), visit.requestId));
    }
  };
  app.http(name, { methods, route, authLevel, handler });
}

/** @param url the request's target, as it was sent */
export function malformedRequest(url: string, requestId: string): HttpResponse {
  const [pathname = "/"] = url.split("?");
  const problem = new Problem("invalid_request", "The host could not read the request: check its headers.");
  return toHostResponse(doorOf(pathname).refusal(problem, requestId));
}
