import canonicalize from "canonicalize";
import { sha256Hex } from "../../shared/sha256.ts";
import type { Evidence, HeldCall, Promised, StoredJob } from "./evidence.ts";

/** A retry that comes later may find its job cancelled. */
const JOINED_WITHIN_MS = 30_000;

/** The jobs of a held call: each has words of its own, and its job the hash of its body. */
export function jobsOf({ body }: HeldCall, stored: readonly StoredJob[]): readonly StoredJob[] {
  const sha256 = sha256Hex(canonicalize(body) ?? "");
  return stored.filter(({ job }) => job.envelope_sha256 === sha256);
}

const clockOf = (ms: number) => new Date(ms).toISOString().slice(11, 23);
const triesOf = ({ tries }: HeldCall) =>
  `${tries.length} tries (${tries.map(({ atMs, jobId }) => `${clockOf(atMs)} ${jobId ?? "no answer"}`).join("; ")})`;
const madeOf = ({ job, storedAt }: StoredJob) =>
  `${job.job_id} (made ${clockOf(job.created_at_ms)}, stored in the second ${clockOf((storedAt[0] ?? 0) * 1000)})`;

/** An automatic retry joins the job that it repeats: of all that a call and its retries made, one job has been paid for. */
export function checkHeld(
  { held, stored, stale, calls }: Evidence,
  say: (promise: Promised, jobId: string | null, why: string) => void,
): void {
  const called = new Set(calls.map(({ job }) => job));
  for (const call of held) {
    const { tries } = call;
    const isLate = tries.some(({ atMs }, n) => atMs - (tries[n - 1]?.atMs ?? atMs) > JOINED_WITHIN_MS);
    // A replica that lags may not know of the job yet.
    const isStale = tries.some(({ asked, answered }) =>
      stale.some(({ from, to }) => asked <= to && answered >= from),
    );
    if (isLate || isStale) continue;
    const paid = jobsOf(call, stored).filter(({ job }) => called.has(job.job_id));
    if (paid.length > 1)
      say(
        "a_retry_joins",
        paid[0]?.job.job_id ?? null,
        `${triesOf(call)} of one call made ${paid.map(madeOf).join(", ")}, all of them called`,
      );
  }
}
