import { z } from "zod";
import type { Route } from "../route.ts";

/** On every call of a client of Azure's. */
const VERSION = { "api-version": z.string().optional().describe("Taken, and not looked at.") };

/**
 * A route at all the paths that clients know it by: below `openai/v1` and `v1`, and where Azure's older clients look.
 * @param of its path is the one below `v1`
 */
export function atPaths<Deps>(of: Route<Deps>, more: { readonly azure?: string } = {}): Route<Deps>[] {
  const { name, path, query } = of;
  const each = query === undefined ? of : { ...of, query: query.extend(VERSION) };
  return [
    { ...each, name: `openai-${name}`, path: `openai/v1/${path}` },
    { ...each, name: `openai-v1-${name}`, path: `v1/${path}` },
    ...(more.azure === undefined ? [] : [{ ...each, name: `openai-azure-${name}`, path: more.azure }]),
  ];
}
