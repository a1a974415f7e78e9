import { z } from "zod";
import type { Change } from "../../control/change-overrides.ts";
import { idempotencyKey } from "./parameters.ts";

/** What every change that an operator makes looks at. */
export const changeHeaders = z.object({
  "Idempotency-Key": idempotencyKey.optional().describe("The same key on the same route is one change."),
});

/** Who changes what, and why. A key names the change within its route: the same key on another route is another change. */
export function changeOf(
  deps: { readonly newId: () => string },
  method: "PUT" | "POST" | "DELETE",
  input: { readonly headers: z.output<typeof changeHeaders>; readonly pathname: string },
  { actor }: { readonly actor: string },
  reason: string | null = null,
): Change {
  const key = input.headers["Idempotency-Key"];
  return { changeId: key === undefined ? deps.newId() : `${method} ${input.pathname} ${key}`, actor, reason };
}
