import { Problem } from "../errors.ts";
import { cancelJob } from "../job/ending/cancel.ts";
import { deleteJobContent, type ErasingDeps } from "../job/ending/delete-content.ts";
import type { OutboxItem } from "../job/ending/outbox.ts";
import { isEnded, type Job } from "../job/job.ts";
import type { JobStore } from "../job/ports.ts";
import type { JobKey, Stored } from "../store.ts";
import { type CompareDeps, makeJobs, TURN_MS } from "./compare.ts";
import { type Comparison, costOf, countsOf, memberKey } from "./comparison.ts";

export interface ComparisonDeps extends CompareDeps {
  readonly ending: ErasingDeps;
  /** Whether an end is worth telling, and who tells it once it is stored. */
  readonly wants: (tenantId: string, event: OutboxItem["event"]) => boolean;
  readonly announce: (key: JobKey, outbox: readonly OutboxItem[]) => void;
}

/**
 * A comparison's own turn: what a crash has left undone is done, and once all its jobs have ended so has it. Nobody who
 * reads it is needed for that.
 * @throws StoreUnavailable
 */
export async function comparisonTurn(deps: ComparisonDeps, key: JobKey): Promise<void> {
  const { comparisons, ending } = deps;
  const found = await comparisons.read(key);
  if (found === undefined || found.value.wake_at_ms === undefined) return;
  const { value: comparison } = found;
  if (comparison.erased_by !== undefined) return erase(deps, found, comparison.erased_by);
  if (comparison.cancelled_by !== undefined) await cancelJobs(deps, comparison, comparison.cancelled_by);
  const jobs = await jobsOf(ending.store, comparison);
  if (jobs.some((job) => job === undefined) && comparison.cancelled_by === undefined) {
    const request = await comparisons.readRequest(key);
    if (request !== undefined) return makeJobs(deps, comparison, request);
  }
  if (jobs.some((job) => job !== undefined && !isEnded(job))) return;
  const nowMs = ending.clock.now();
  const { wake_at_ms: _, ...rest } = comparison;
  const counts = countsOf(jobs);
  // What was never made has failed: its comparison was cancelled, or its request is gone.
  const failed = comparison.models.length - counts.completed;
  const ended: Comparison = { ...rest, end: { ...counts, failed, at_ms: nowMs, cost: costOf(jobs) } };
  const event = { event: "comparison.ended", about: key.job_id, at_ms: nowMs } as const;
  const outbox = deps.wants(key.tenant_id, event.event) ? [event] : [];
  // Where it has changed meanwhile, whoever changed it has seen to its next turn.
  if ((await comparisons.write(ended, found.etag, outbox)).kind === "written") deps.announce(key, outbox);
}

/** Its jobs in the order of its models; undefined: not made. */
export function jobsOf(store: Pick<JobStore, "read">, comparison: Comparison): Promise<(Job | undefined)[]> {
  return Promise.all(
    comparison.models.map(async (model) => (await store.read(memberKey(comparison, model)))?.value),
  );
}

const MAX_TRIES = 8;

async function changed(
  { comparisons }: ComparisonDeps,
  key: JobKey,
  change: (comparison: Comparison) => Comparison | undefined,
): Promise<Stored<Comparison>> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const found = await comparisons.read(key);
    if (found === undefined) throw comparisonNotFound(key);
    const next = change(found.value);
    if (next === undefined) return found;
    const written = await comparisons.write(next, found.etag, []);
    if (written.kind === "written") return { value: next, etag: written.etag };
  }
  throw new Problem(
    "store_unavailable",
    `${key.job_id} changed ${MAX_TRIES} times while it was being written.`,
  );
}

export const comparisonNotFound = ({ job_id }: JobKey): Problem =>
  new Problem("comparison_not_found", `There is no comparison ${job_id}.`);

/**
 * Cancels all that has not ended; a second time is no error.
 * @throws Problem comparison_not_found, comparison_ended
 */
export async function cancelComparison(
  deps: ComparisonDeps,
  key: JobKey,
  actor: string,
): Promise<Stored<Comparison>> {
  const { clock } = deps.ending;
  const stored = await changed(deps, key, (comparison) => {
    if (comparison.cancelled_by !== undefined) return undefined;
    if (comparison.end !== undefined)
      throw new Problem("comparison_ended", `${key.job_id} has already ended.`);
    return { ...comparison, cancelled_by: actor, wake_at_ms: clock.now() + TURN_MS };
  });
  await cancelJobs(deps, stored.value, actor);
  return stored;
}

async function cancelJobs({ ending }: ComparisonDeps, comparison: Comparison, actor: string): Promise<void> {
  await Promise.all(
    comparison.models.map((model) =>
      cancelJob(ending, memberKey(comparison, model), actor).catch((thrown: unknown) => {
        // It has ended by itself, or was never made.
        if (!(thrown instanceof Problem) || thrown.code === "store_unavailable") throw thrown;
      }),
    ),
  );
}

/**
 * Erases its request, and the content of its jobs; their audit trails stay. A second time is no error.
 * @throws Problem comparison_not_found, comparison_not_ended
 */
export async function eraseComparison(deps: ComparisonDeps, key: JobKey, actor: string): Promise<void> {
  const found = await deps.comparisons.read(key);
  if (found === undefined) throw comparisonNotFound(key);
  // Its end is told before it is erased.
  if (found.value.end === undefined) await comparisonTurn(deps, key);
  const marked = await changed(deps, key, (comparison) => {
    if (comparison.end === undefined)
      throw new Problem("comparison_not_ended", `${key.job_id} has not ended: cancel it first.`);
    if (comparison.erased_by !== undefined) return undefined;
    const wake_at_ms = deps.ending.clock.now() + TURN_MS;
    return { ...comparison, metadata: {}, erased_by: actor, wake_at_ms };
  });
  if (marked.value.wake_at_ms !== undefined) await erase(deps, marked, actor);
}

/** Marked first, so that its own turn finishes what a crash interrupts. */
async function erase(deps: ComparisonDeps, marked: Stored<Comparison>, actor: string): Promise<void> {
  const { comparisons, ending } = deps;
  const { wake_at_ms: _, ...comparison } = marked.value;
  await comparisons.eraseRequest(comparison);
  for (const model of comparison.models)
    await deleteJobContent(ending, memberKey(comparison, model), actor).catch((thrown: unknown) => {
      if (!(thrown instanceof Problem) || thrown.code !== "job_not_found") throw thrown;
    });
  await comparisons.write(comparison, marked.etag, []);
}
