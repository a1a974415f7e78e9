import { z } from "zod";
import { secondsOf, text, unixTime } from "./fields.ts";

/** Where a thing comes from, and who set it there. */
export const origin = {
  source: z.enum(["file", "store"]).describe("`store`: an operator set it, over the file or beside it."),
  since: unixTime("When it was set, Unix time, seconds; null: it is the file's.").nullable(),
  actor: text("Which operator's credential set it.").nullable(),
  reason: text("As the operator gave it.").nullable(),
};

/** @param made who set it, and when (Unix ms); undefined: it is the file's */
export function originOf(
  made: { readonly at_ms: number; readonly actor: string; readonly reason: string | null } | undefined,
) {
  if (made === undefined) return { source: "file", since: null, actor: null, reason: null } as const;
  const { at_ms, actor, reason } = made;
  return { source: "store", since: secondsOf(at_ms), actor, reason } as const;
}
