import type { Batch } from "../resources.ts";

const ENDS = new Set(["completed", "failed", "expired", "cancelled"]);

export function hasBatchEnded({ status }: Pick<Batch, "status">): boolean {
  return ENDS.has(status);
}

export interface Progress {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly waiting: number;
  /** Seconds until its end at the pace it had so far; undefined: nobody can tell. */
  readonly secondsLeft: number | undefined;
}

export function progressOf(
  batch: Pick<Batch, "status" | "request_counts" | "in_progress_at">,
  nowSeconds: number,
): Progress {
  const { total, completed, failed } = batch.request_counts;
  const done = completed + failed;
  const waiting = Math.max(0, total - done);
  const since = batch.in_progress_at === null ? 0 : nowSeconds - batch.in_progress_at;
  const isKnown = !hasBatchEnded(batch) && done > 0 && waiting > 0 && since > 0;
  return { total, completed, failed, waiting, secondsLeft: isKnown ? (waiting * since) / done : undefined };
}

/** The endpoint that a file's first line names; undefined: it is not such a line. */
export function endpointOf(beginning: string): string | undefined {
  try {
    const { url } = JSON.parse(beginning.split("\n", 1)[0] ?? "") as { url?: unknown };
    return typeof url === "string" ? url : undefined;
  } catch {
    return undefined;
  }
}
