import { app, type HttpHandler, type HttpMethod } from "@azure/functions";
import { type ApiDeps, apiDoor, apiRoutes } from "../shared/http/api/routes.ts";
import type { Door } from "../shared/http/door.ts";
import { doorOf } from "../shared/http/doors.ts";
import type { Route, Visit } from "../shared/http/route.ts";
import { type Entrance, serve } from "../shared/http/serve.ts";
import { unrouted } from "../shared/http/unrouted.ts";
import { onLeft } from "./clients.ts";
import { toHostResponse } from "./host-response.ts";
import { logOf } from "./log.ts";

/** The app checks credentials itself: keys of the platform know no tenants. */
const authLevel = "anonymous";

/** Registers a function for each route of each door, and one for whatever no route takes. */
export function registerRoutes(deps: ApiDeps & Entrance): void {
  register(apiDoor, apiRoutes, deps);
  registerUnrouted(apiRoutes);
}

function register<Deps extends Entrance>(door: Door, routes: readonly Route<Deps>[], deps: Deps): void {
  for (const route of routes) {
    const { name, method, path } = route;
    const handler: HttpHandler = async (request, context) => {
      const { invocationId } = context;
      const visit: Visit = {
        log: logOf(context),
        requestId: invocationId,
        onLeft: (run) => onLeft(invocationId, run),
      };
      return toHostResponse(await serve(door, route, deps, request, visit));
    };
    app.http(name, { methods: [method], route: path, authLevel, handler });
  }
}

/** All but TRACE and CONNECT: the fetch standard, and so the library, knows no request of these. */
const METHODS: HttpMethod[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** The host's own 404 and 405 have no body. `{*path}` comes after every other route, for every method it leaves over. */
function registerUnrouted(routes: readonly Route<never>[]): void {
  app.http("unrouted", {
    ...{ methods: METHODS, route: "{*path}", authLevel },
    handler: async (request, { invocationId }) =>
      toHostResponse(unrouted(routes, doorOf, request, invocationId)),
  });
}
