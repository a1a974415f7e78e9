/** A route template cannot be served; the message names function and template. */
export class RouteNotSupported extends Error {
  override readonly name = "RouteNotSupported";
}

export type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "parameter"; readonly name: string; readonly optional: boolean }
  | { readonly kind: "rest"; readonly name: string };

/** The parts of a path between slashes, still percent-encoded; one slash at either end is none. */
export function splitPath(path: string): string[] {
  const trimmed = path.replace(/^\/|\/$/g, "");
  return trimmed === "" ? [] : trimmed.split("/");
}

/**
 * A template's segments: `jobs`, `jobs/{id}`, `{name?}`, `{*rest}`. Literals are compared without regard to case;
 * constraints (`{id:int}`) are refused, as are the host's own routes.
 */
export function parseTemplate(functionName: string, template: string): Segment[] {
  if (/^\/*(admin|runtime)/i.test(template)) {
    throw new RouteNotSupported(
      `Function "${functionName}": the route "${template}" conflicts with one of the host's own.`,
    );
  }
  const parts = splitPath(template);
  return parts.map((part, index) => {
    if (!/[{}]/.test(part)) return { kind: "literal", text: part.toLowerCase() };
    const parameter = /^\{(\*{0,2})([A-Za-z_]\w*)(\??)\}$/.exec(part);
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

/** The values of the template's parameters in `parts` from `from` on; undefined where it does not match. */
export function matchSegments(
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

/** Whether every path that `other` matches is matched by `segments` too. */
export function covers(segments: readonly Segment[], other: readonly Segment[]): boolean {
  for (const [n, segment] of segments.entries()) {
    if (segment.kind === "rest") return true;
    const theirs = other[n];
    if (theirs === undefined) return segment.kind === "parameter" && segment.optional;
    if (theirs.kind === "rest" || (theirs.kind === "parameter" && theirs.optional)) return false;
    if (segment.kind === "literal" && (theirs.kind !== "literal" || theirs.text !== segment.text))
      return false;
  }
  return segments.length === other.length;
}

/** An empty segment ("/jobs//cancel") is not a value for a parameter. */
function takes(segment: Exclude<Segment, { kind: "rest" }>, part: string): boolean {
  return segment.kind === "literal" ? part.toLowerCase() === segment.text : part !== "";
}

/** ASP.NET's way: "%2F" stays encoded, so that a value never looks like two segments. A broken escape stays too. */
function decodeSegment(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text.replace(/%2f/gi, "%25$&").replace(/%25%2f/gi, "%252F"));
  } catch {
    return text;
  }
}
