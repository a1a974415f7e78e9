/** How much may pass on average, and at once after a pause. */
export interface BucketLimits {
  readonly perSecond: number;
  /** The most that may pass at once, at least 1. */
  readonly burst: number;
}

/** A bucket as it was left: `tokens` at `atMs`, by a clock that never goes back. */
export interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

export type Taken =
  | { readonly taken: true; readonly bucket: Bucket }
  /** `waitMs`: until there will be one. */
  | { readonly taken: false; readonly bucket: Bucket; readonly waitMs: number };

/** Takes one token, if there is one. @param bucket undefined: never used, so full */
export function takeToken(bucket: Bucket | undefined, limits: BucketLimits, nowMs: number): Taken {
  const { perSecond, burst } = limits;
  const sinceMs = Math.max(0, nowMs - (bucket?.atMs ?? nowMs));
  // A bucket filled under a larger burst holds no more than the present one allows.
  const tokens = Math.min(burst, (bucket?.tokens ?? burst) + (sinceMs * perSecond) / 1000);
  if (tokens >= 1) return { taken: true, bucket: { tokens: tokens - 1, atMs: nowMs } };
  return { taken: false, bucket: { tokens, atMs: nowMs }, waitMs: ((1 - tokens) / perSecond) * 1000 };
}
