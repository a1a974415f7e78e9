/** Where a person is in the console: a path below /console, and what it is narrowed to. */
export interface Place {
  readonly path: string;
  readonly query: URLSearchParams;
}

export const ROOT = "/console";

export function placeOf(pathname: string, search: string): Place {
  const path = pathname.slice(ROOT.length).replace(/^\/+|\/+$/g, "");
  return { path, query: new URLSearchParams(search) };
}

/**
 * The values of a pattern's parameters (`jobs/:id`) in a path; undefined where it does not match.
 * A value that is not well encoded matches nothing.
 */
export function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const [parts, sent] = [pattern.split("/"), path.split("/")];
  if (parts.length !== sent.length) return undefined;
  const values: Record<string, string> = {};
  for (const [at, part] of parts.entries()) {
    const text = sent[at] ?? "";
    if (!part.startsWith(":")) {
      if (part !== text) return undefined;
      continue;
    }
    try {
      values[part.slice(1)] = decodeURIComponent(text);
    } catch {
      return undefined;
    }
  }
  return values;
}

/** A link of the console. Names are encoded by whoever makes `path`. */
export function linkTo(path: string, query: Readonly<Record<string, string | undefined>> = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) search.set(name, value);
  const text = search.toString();
  return `${ROOT}/${path}${text === "" ? "" : `?${text}`}`;
}
