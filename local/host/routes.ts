import type { RegisteredFunction } from "./core-api.ts";
import { covers, matchSegments, parseTemplate, type Segment, splitPath } from "./route-template.ts";

interface Route {
  readonly fn: RegisteredFunction;
  readonly methods: ReadonlySet<string>;
  readonly segments: readonly Segment[];
}

export interface RouteMatch {
  readonly fn: RegisteredFunction;
  readonly params: Record<string, string>;
}

const DOTS = /\/(\.|%2e)/i;
const DEFAULT_METHODS = ["GET", "POST"];

/**
 * The HTTP functions' routes. As in the cloud's host, functions are tried in the order of their *names*, without regard
 * to case, and the first whose route and method match has the request: a literal wins over a parameter, or either over
 * a `{*rest}`, only where its function's name comes first.
 */
export class RouteTable {
  readonly #prefix: readonly string[];
  readonly #routes: readonly Route[];
  readonly #byMethod = new Map<string, Route[]>();

  /** Throws RouteNotSupported. */
  constructor(functions: Iterable<RegisteredFunction>, routePrefix: string) {
    this.#prefix = splitPath(routePrefix).map((text) => text.toLowerCase());
    this.#routes = [...functions]
      .filter(({ trigger }) => trigger.type.toLowerCase() === "httptrigger")
      .sort((a, b) => (ordinal(a.name) < ordinal(b.name) ? -1 : 1))
      .map((fn) => {
        const { route, methods = DEFAULT_METHODS } = fn.trigger;
        return {
          fn,
          methods: new Set(
            (Array.isArray(methods) ? methods : []).map((method) => String(method).toUpperCase()),
          ),
          segments: parseTemplate(fn.name, typeof route === "string" && route !== "" ? route : fn.name),
        };
      });
    for (const route of this.#routes)
      for (const method of route.methods)
        this.#byMethod.set(method, [...(this.#byMethod.get(method) ?? []), route]);
  }

  /** `path` is the request's path, still percent-encoded, without the query. */
  match(method: string, path: string): RouteMatch | undefined {
    const parts = splitPath(DOTS.test(path) ? withoutDots(path) : path);
    const { length } = this.#prefix;
    for (let i = 0; i < length; i++) {
      if (parts[i]?.toLowerCase() !== this.#prefix[i]) return undefined;
    }
    for (const { fn, segments } of this.#byMethod.get(method) ?? []) {
      const params = matchSegments(segments, parts, length);
      if (params !== undefined) return { fn, params };
    }
    return undefined;
  }

  /** Each function and method that no request ever reaches, with the function whose name comes first. */
  unreachable(): { readonly fn: string; readonly method: string; readonly taker: string }[] {
    return this.#routes.flatMap(({ fn, methods, segments }, n) =>
      [...methods].flatMap((method) => {
        const taker = this.#routes
          .slice(0, n)
          .find((earlier) => earlier.methods.has(method) && covers(earlier.segments, segments));
        return taker === undefined ? [] : [{ fn: fn.name, method, taker: taker.fn.name }];
      }),
    );
  }
}

/** Names compared as .NET does, without regard to case. */
const ordinal = (name: string) => name.toUpperCase();

/** "/a/./b/../c" is "/a/c" to the cloud's server before anything else sees it, escaped dots too. */
function withoutDots(path: string): string {
  const kept: string[] = [];
  for (const part of path.split("/")) {
    const plain = part.replace(/%2e/gi, ".");
    if (plain === "..") {
      if (kept.length > 1) kept.pop();
    } else if (plain !== ".") kept.push(part);
  }
  return kept.join("/");
}
