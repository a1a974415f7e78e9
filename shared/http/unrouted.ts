import { Problem } from "../errors.ts";
import { type Answer, OWN_HEADERS } from "./answer.ts";
import type { Door } from "./door.ts";
import type { RouteContract } from "./route.ts";

/**
 * The answer to a request that no route takes: 405 with `Allow` where the path is another method's, else 404.
 * @param doorOf the door whose form the answer has
 */
export function unrouted(
  routes: readonly Pick<RouteContract, "method" | "path">[],
  doorOf: (pathname: string) => Door,
  request: { readonly method: string; readonly url: string },
  requestId: string,
): Answer {
  const { pathname } = new URL(request.url);
  const allowed = routes.filter(({ path }) => matches(path, pathname)).map(({ method }) => method);
  const problem =
    allowed.length === 0
      ? new Problem("route_not_found", "Nothing is served at this path.")
      : new Problem("method_not_allowed", `${request.method} is not served here.`);
  const { status, headers, body } = doorOf(pathname).refusal(problem, requestId);
  const allow = allowed.length === 0 ? {} : { allow: allowed.sort().join(", ") };
  return {
    status,
    headers: { ...OWN_HEADERS, ...headers, ...allow, "x-request-id": requestId },
    ...(body && { body }),
  };
}

/** As the host routes: literals without regard to case, a parameter takes one segment that is not empty. */
function matches(template: string, pathname: string): boolean {
  const parts = segments(pathname);
  const pattern = segments(template);
  const rest = pattern.at(-1)?.startsWith("{*") === true;
  if (rest ? parts.length < pattern.length : parts.length !== pattern.length) return false;
  return pattern.every((part, at) => {
    const sent = parts[at] ?? "";
    return part.startsWith("{") ? sent !== "" : part.toLowerCase() === sent.toLowerCase();
  });
}

const segments = (path: string): string[] => path.replace(/^\/|\/$/g, "").split("/");
