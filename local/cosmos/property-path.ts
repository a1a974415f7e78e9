/** A part of a path: letters, digits and underscores, or anything in quotes. */
const PART = String.raw`(?:[\p{L}\p{N}_]+|"(?:[^"\\]|\\.)+"|'(?:[^'\\]|\\.)+')`;
const PATH = new RegExp(`^(?:/${PART})+$`, "u");
const PARTS = new RegExp(`/(${PART})`, "gu");

/** Whether a path is one of properties as keys have them, `/a/b` or `/"a b"`: without wildcards, or a slash at its end. */
export const isPropertyPath = (path: unknown): boolean => typeof path === "string" && PATH.test(path);

/** The names of the properties on a path. Containers made before paths were checked have others too. */
export function propertyNames(path: string): string[] {
  if (!isPropertyPath(path)) return path.slice(1).split("/");
  return [...path.matchAll(PARTS)].map(([, part = ""]) =>
    /^["']/.test(part) ? part.slice(1, -1).replace(/\\(.)/g, "$1") : part,
  );
}
