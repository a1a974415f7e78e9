import type { Patch } from "./app-copy.ts";
import type { Wish } from "./client.ts";
import type { Promised } from "./evidence.ts";

/** A bug put into a copy of the built app, and the jobs by which it shows. The app itself has no switch for it. */
export interface Mutant {
  readonly promise: Promised;
  readonly bug: string;
  readonly patches: readonly Patch[];
  readonly wish: Partial<Wish> & { readonly prompt?: string };
}
