import { z } from "zod";
import { MAX_CLOCKS_APART_MS } from "../limits.ts";

/**
 * Calls that an instance may begin without asking again, where a deployment bears only so many at a time. What runs
 * already is not among them: each running call's job holds a lease, so the store knows of it.
 */
export const slotsSchema = z.object({
  calls: z.number(),
  /** By then they have been begun and stored, or never will be; Unix ms. */
  until_ms: z.number(),
});
export type Slots = Readonly<z.infer<typeof slotsSchema>>;

export type SlotsByInstance = Readonly<Record<string, Slots>>;

/** Further ahead is of a clock that was wrong. */
function isLive({ until_ms }: Slots, nowMs: number): boolean {
  return until_ms > nowMs && until_ms < nowMs + MAX_CLOCKS_APART_MS;
}

/** What other instances may begin. */
export function slotsOfOthers(all: SlotsByInstance | undefined, nowMs: number, instance?: string): number {
  let calls = 0;
  for (const [name, slots] of Object.entries(all ?? {}))
    if (name !== instance && isLive(slots, nowMs)) calls += slots.calls;
  return calls;
}

/** Those that have lapsed are left out. */
export function withSlots(
  all: SlotsByInstance | undefined,
  instance: string,
  slots: Slots,
  nowMs: number,
): SlotsByInstance {
  const live = Object.entries(all ?? {}).filter(([, each]) => isLive(each, nowMs));
  return { ...Object.fromEntries(live), [instance]: slots };
}
