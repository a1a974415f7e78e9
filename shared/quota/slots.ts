import { z } from "zod";

/**
 * Of a deployment that bears only so many calls at a time: those that an instance may begin without asking again. What
 * runs already is not counted here, for the store knows of it: each running call's job holds a lease.
 */
export const slotsSchema = z.object({
  calls: z.number(),
  /** By then they have been begun and stored, or never will be; Unix ms. */
  until_ms: z.number(),
});
export type Slots = Readonly<z.infer<typeof slotsSchema>>;

/** By instance. */
export type HeldSlots = Readonly<Record<string, Slots>>;

/** What other instances may begin. */
export function slotsOfOthers(held: HeldSlots | undefined, nowMs: number, instance?: string): number {
  let calls = 0;
  for (const [name, slots] of Object.entries(held ?? {}))
    if (name !== instance && slots.until_ms > nowMs) calls += slots.calls;
  return calls;
}

/** Those that have lapsed are left out. */
export function withSlots(
  held: HeldSlots | undefined,
  instance: string,
  slots: Slots,
  nowMs: number,
): HeldSlots {
  const live = Object.entries(held ?? {}).filter(([, { until_ms }]) => until_ms > nowMs);
  return { ...Object.fromEntries(live), [instance]: slots };
}
