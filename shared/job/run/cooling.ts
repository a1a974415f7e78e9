import type { Clock } from "../../clock.ts";
import { MAX_RETRY_AFTER_SECONDS } from "../../limits.ts";

/** Deployments that asked, with a 429, not to be called for a while; as this process has heard it. */
export interface Cooling {
  untilMs(deployment: string): number | undefined;
  /** A 429 came; `retryAfterMs` null: it did not say for how long. */
  coolDown(deployment: string, retryAfterMs: number | null): void;
}

/** Where a 429 names no time: long enough for a window of one second to pass, as Azure's smallest is. */
const UNKNOWN_WAIT_MS = 1000;

export function createCooling(clock: Pick<Clock, "now">): Cooling {
  const until = new Map<string, number>();
  return {
    untilMs(deployment) {
      const at = until.get(deployment);
      return at !== undefined && at > clock.now() ? at : undefined;
    },
    coolDown(deployment, retryAfterMs) {
      const waitMs = Math.min(retryAfterMs ?? UNKNOWN_WAIT_MS, MAX_RETRY_AFTER_SECONDS * 1000);
      until.set(deployment, Math.max(until.get(deployment) ?? 0, clock.now() + waitMs));
    },
  };
}
