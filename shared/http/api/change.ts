import { z } from "zod";
import type { Change } from "../../control/change-overrides.ts";
import { idempotencyKey } from "./parameters.ts";

/** What every change that an operator makes looks at. */
export const changeHeaders = z.object({
  "Idempotency-Key": idempotencyKey.optional().describe("The same key on the same route is one change."),
});

/** What setting something as a whole looks at besides. */
export const setHeaders = changeHeaders.extend({
  "If-None-Match": z
    .literal("*", "must be *")
    .optional()
    .describe("`*`: only if there is none of that name yet."),
});

/** Who changes what, and why. A key names the change within its route: the same key on another route is another change. */
export function changeOf(
  deps: { readonly newId: () => string },
  method: "PUT" | "POST" | "DELETE",
  input: { readonly headers: Partial<z.output<typeof setHeaders>>; readonly pathname: string },
  { actor }: { readonly actor: string },
  reason: string | null = null,
): Change {
  const { "Idempotency-Key": key, "If-None-Match": none } = input.headers;
  const changeId = key === undefined ? deps.newId() : `${method} ${input.pathname} ${key}`;
  return { changeId, actor, reason, isOnlyNew: none !== undefined };
}
