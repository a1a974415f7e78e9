/** What a link's address names. */
export type Address =
  | { readonly kind: "cbs" }
  | { readonly kind: "entity"; readonly entity: string }
  | { readonly kind: "management"; readonly entity: string };

const MANAGEMENT = "/$management";

/** Undefined for no address at all. A leading slash and a whole URL are taken too, as the service does. */
export function parseAddress(text: string | null | undefined): Address | undefined {
  const path = pathOf(text ?? "");
  if (path === "") return undefined;
  if (path.toLowerCase() === "$cbs") return { kind: "cbs" };
  if (path.toLowerCase().endsWith(MANAGEMENT)) {
    return { kind: "management", entity: path.slice(0, -MANAGEMENT.length) };
  }
  return { kind: "entity", entity: path };
}

/** The path of a URL, or of what is a path already; without slashes at its ends. */
export function pathOf(text: string): string {
  return text.replace(/^[a-z]+:\/\/[^/]*/i, "").replace(/^\/+|\/+$/g, "");
}
