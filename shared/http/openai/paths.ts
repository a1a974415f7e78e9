import type { Route } from "../route.ts";

/**
 * A route at all the paths that clients know it by: below `openai/v1` and `v1`, and where Azure's older clients look.
 * @param each its path is the one below `v1`
 */
export function atPaths<Deps>(each: Route<Deps>, more: { readonly azure?: string } = {}): Route<Deps>[] {
  const { name, path } = each;
  return [
    { ...each, name: `openai-${name}`, path: `openai/v1/${path}` },
    { ...each, name: `openai-v1-${name}`, path: `v1/${path}` },
    ...(more.azure === undefined ? [] : [{ ...each, name: `openai-azure-${name}`, path: more.azure }]),
  ];
}
