import type { Link } from "./trail.ts";

/** A promise about every trail that changed in a stretch of time. */
export interface Seal extends Link {
  readonly n: number;
  readonly from_ts: number;
  readonly to_ts: number;
  readonly sealed_at: number;
  readonly leaves: number;
  readonly root: string;
}

const DAY_SECONDS = 86_400;
/** A day is sealed by a timer of every hour, some minutes after its end. */
const LATE_SECONDS = 2 * 3_600;

/** The day that a seal is about, UTC; the first may be about all days up to it. */
export function sealDay({ to_ts }: Pick<Seal, "to_ts">): string {
  return new Date((to_ts - 1) * 1000).toISOString().slice(0, 10);
}

/** Since when the next seal should be there, Unix seconds; undefined: it need not be yet. */
export function overdueSince(last: Pick<Seal, "to_ts"> | undefined, nowSeconds: number): number | undefined {
  if (last === undefined) return undefined;
  const due = (Math.floor(last.to_ts / DAY_SECONDS) + 1) * DAY_SECONDS + LATE_SECONDS;
  return nowSeconds > due ? due : undefined;
}
