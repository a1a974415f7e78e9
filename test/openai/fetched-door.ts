import { OpenAI } from "openai";
import type { Answer } from "../../shared/http/answer.ts";
import { apiRoutes } from "../../shared/http/api/routes.ts";
import type { Authenticator } from "../../shared/http/authenticate.ts";
import { doorOf } from "../../shared/http/doors.ts";
import { openaiRoutes } from "../../shared/http/openai/routes.ts";
import type { HttpRequest } from "../../shared/http/request.ts";
import type { Route } from "../../shared/http/route.ts";
import { type Entrance, serve } from "../../shared/http/serve.ts";
import { createThrottle } from "../../shared/http/throttle.ts";
import { unrouted } from "../../shared/http/unrouted.ts";
import type { Log } from "../../shared/log.ts";
import { silent, type World } from "../shared/world.ts";

/** What of a path a route's template takes. */
function paramsOf({ path }: { readonly path: string }, pathname: string): Record<string, string> | undefined {
  const pattern = path.replace(/\{\*(\w+)\}/g, "(?<$1>.+)").replace(/\{(\w+)\}/g, "(?<$1>[^/]+)");
  const found = new RegExp(`^/${pattern}$`).exec(pathname);
  return found === null ? undefined : { ...found.groups };
}

/** Both doors in the test's own process, as `fetch`: OpenAI's own SDK calls them, and no socket is opened. */
export function doorOver(world: World, name?: string): typeof fetch {
  const { service } = world.instance(name);
  const throttle = createThrottle({
    ...{ maxHeld: 10, maxInFlight: 50, maxBodyBytes: 2 ** 28, submitsPerSecond: 0, clock: world.clock },
  });
  const authenticator: Authenticator = {
    recognise: () => undefined,
    async authenticate(headers) {
      const tenant = world.tenants.get(headers.get("authorization")?.replace("Bearer ", "") ?? "");
      if (tenant === undefined) throw new Error("no such tenant");
      return { kind: "tenant", tenant, actor: `${tenant.id}/key:0` };
    },
  };
  const deps = { ...service, throttle, authenticator };
  // What the native door's routes need beyond this, its operators' routes need.
  return served([...openaiRoutes, ...apiRoutes] as readonly Route<typeof deps>[], deps);
}

/** Routes in the test's own process, as `fetch`. */
export function served<Deps extends Entrance>(
  routes: readonly Route<Deps>[],
  deps: Deps,
  log: Log = silent,
): typeof fetch {
  let requests = 0;
  return async (input, init) => {
    const request = new Request(input, { ...init, duplex: "half" } as RequestInit);
    const { pathname } = new URL(request.url);
    const match = routes
      .filter(({ method }) => method === request.method)
      .map((route) => ({ route, params: paramsOf(route, pathname) }))
      .find(({ params }) => params !== undefined);
    const visit = { log, requestId: `r${++requests}` };
    const door = doorOf(pathname);
    if (match === undefined) return responseOf(unrouted(routes, doorOf, request, visit.requestId));
    const { route, params = {} } = match;
    const asked = Object.assign(request, { params }) as unknown as HttpRequest;
    return responseOf(await serve(door, route, deps, asked, visit));
  };
}

function responseOf({ status, headers, body }: Answer): Response {
  const content = typeof body === "string" || body === undefined ? body : ReadableStream.from(body);
  return new Response((content ?? null) as string | null, { status, headers });
}

/** OpenAI's own SDK at that door. */
export function clientOver(fetch: typeof globalThis.fetch, apiKey = "team-a"): OpenAI {
  return new OpenAI({ baseURL: "http://door/openai/v1", apiKey, fetch, maxRetries: 0 });
}
