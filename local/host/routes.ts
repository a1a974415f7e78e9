import type { RegisteredFunction } from "./core-api.ts";

/** A route template cannot be served; the message names function and template. */
export class RouteNotSupported extends Error {
  override readonly name = "RouteNotSupported";
}

type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "parameter"; readonly name: string; readonly optional: boolean }
  | { readonly kind: "rest"; readonly name: string };

interface Route {
  readonly fn: RegisteredFunction;
  readonly methods: ReadonlySet<string>;
  readonly segments: readonly Segment[];
}

export type RouteMatch =
  | { readonly kind: "found"; readonly fn: RegisteredFunction; readonly params: Record<string, string> }
  /** The path is served, the method is not; `allow` lists those that are. */
  | { readonly kind: "method_not_allowed"; readonly allow: readonly string[] }
  | { readonly kind: "not_found" };

/**
 * The HTTP functions' routes: `jobs`, `jobs/{id}`, `{name?}`, `{*rest}`. Literals are compared without regard to case
 * and win over parameters, as in ASP.NET's routing; constraints (`{id:int}`) are refused.
 */
export class RouteTable {
  readonly #prefix: readonly string[];
  readonly #routes: Route[] = [];

  constructor(functions: Iterable<RegisteredFunction>, routePrefix: string) {
    this.#prefix = splitPath(routePrefix).map((text) => text.toLowerCase());
    for (const fn of functions) {
      if (fn.trigger.type.toLowerCase() !== "httptrigger") continue;
      const template = typeof fn.trigger.route === "string" ? fn.trigger.route : fn.name;
      const methods = Array.isArray(fn.trigger.methods) ? fn.trigger.methods.map(String) : ["GET", "POST"];
      this.#routes.push({
        fn,
        methods: new Set(methods.map((method) => method.toUpperCase())),
        segments: parseTemplate(fn.name, template),
      });
    }
    this.#routes.sort((a, b) => compareSegments(a.segments, b.segments));
  }

  /** `path` is the request's path, still percent-encoded, without the query. */
  match(method: string, path: string): RouteMatch {
    const parts = splitPath(path);
    const { length } = this.#prefix;
    for (let i = 0; i < length; i++) {
      if (parts[i]?.toLowerCase() !== this.#prefix[i]) return { kind: "not_found" };
    }
    const allow = new Set<string>();
    for (const route of this.#routes) {
      const params = matchSegments(route.segments, parts, length);
      if (params === undefined) continue;
      if (route.methods.has(method)) return { kind: "found", fn: route.fn, params };
      for (const allowed of route.methods) allow.add(allowed);
    }
    return allow.size === 0
      ? { kind: "not_found" }
      : { kind: "method_not_allowed", allow: [...allow].sort() };
  }
}

function splitPath(path: string): string[] {
  const trimmed = path.replace(/^\/|\/$/g, "");
  return trimmed === "" ? [] : trimmed.split("/");
}

function parseTemplate(functionName: string, template: string): Segment[] {
  const parts = splitPath(template);
  return parts.map((part, index) => {
    if (!/[{}]/.test(part)) return { kind: "literal", text: part.toLowerCase() };
    const parameter = /^\{(\*?)([A-Za-z_]\w*)(\??)\}$/.exec(part);
    const last = index === parts.length - 1;
    if (parameter?.[2] === undefined || ((parameter[1] || parameter[3]) && !last)) {
      throw new RouteNotSupported(
        `Function "${functionName}": the route "${template}" is not supported by the local host.`,
      );
    }
    if (parameter[1]) return { kind: "rest", name: parameter[2] };
    return { kind: "parameter", name: parameter[2], optional: parameter[3] === "?" };
  });
}

const PRECEDENCE: Record<Segment["kind"], number> = { literal: 0, parameter: 1, rest: 2 };

function compareSegments(a: readonly Segment[], b: readonly Segment[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i], b[i]];
    const difference = x && y ? PRECEDENCE[x.kind] - PRECEDENCE[y.kind] : 0;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function matchSegments(
  segments: readonly Segment[],
  parts: readonly string[],
  from: number,
): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  let at = from;
  for (const segment of segments) {
    if (segment.kind === "rest") {
      const rest = parts.slice(at).map(decodeSegment).join("/");
      if (rest !== "") params[segment.name] = rest;
      return params;
    }
    const part = parts[at];
    if (part === undefined && segment.kind === "parameter" && segment.optional) continue;
    if (part === undefined || !takes(segment, part)) return undefined;
    if (segment.kind === "parameter") params[segment.name] = decodeSegment(part);
    at += 1;
  }
  return at === parts.length ? params : undefined;
}

/** An empty segment ("/jobs//cancel") is no value for a parameter. */
function takes(segment: Exclude<Segment, { kind: "rest" }>, part: string): boolean {
  return segment.kind === "literal" ? part.toLowerCase() === segment.text : part !== "";
}

/** As ASP.NET: "%2F" stays encoded, so that a value can never look like two segments; a broken escape stays as it is. */
function decodeSegment(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text.replace(/%2f/gi, "%25$&").replace(/%25%2f/gi, "%252F"));
  } catch {
    return text;
  }
}
