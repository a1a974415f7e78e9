import { Problem } from "../errors.ts";
import { MAX_STATUS_JOBS } from "../limits.ts";
import { isIllness } from "../model/wait-cause.ts";
import type { Grant } from "../quota/grant.ts";
import type { JobKey } from "../store.ts";
import type { LiveJob, LiveJobs } from "./backlog.ts";
import { nudgeFor } from "./nudge.ts";
import type { Nudges } from "./ports.ts";

export interface ProbeDeps {
  readonly liveJobs: Pick<LiveJobs, "soonest">;
  /** That ahead of new jobs: a probe is urgent. */
  readonly releases: Pick<Nudges, "send">;
  readonly clock: { now(): number };
}

/** The probe is let go for so long; if nobody takes it by then, the job waits on. */
const PROBE_MS = 30_000;

/**
 * Lets the job that waits longest for a deployment that is ill go there now, past its breaker and its line.
 * @param unlike whose call failed there last: another tenant's job goes first
 * @throws Problem none_waits
 */
export async function probe(deps: ProbeDeps, deployment: string, unlike?: string): Promise<JobKey> {
  const { liveJobs, releases, clock } = deps;
  const nowMs = clock.now();
  const jobs = await liveJobs.soonest(MAX_STATUS_JOBS);
  const waiting = jobs.filter((job) => isForProbe(job, deployment, nowMs));
  waiting.sort((a, b) => a.created_at_ms - b.created_at_ms);
  const first = waiting.find(({ tenant_id }) => tenant_id !== unlike) ?? waiting[0];
  if (first === undefined) throw new Problem("none_waits", `No job waits for ${deployment} to be well.`);
  const taken = { tokens: 0, at_ms: nowMs, spent_requests: 0, spent_tokens: 0 };
  const grant: Grant = {
    ...{ deployment, lapses_ms: nowMs + PROBE_MS },
    taken: { ...taken, burst_requests: 1, burst_tokens: 0 },
  };
  await releases.send(nudgeFor(first, { grant }));
  return { tenant_id: first.tenant_id, job_id: first.job_id };
}

function isForProbe({ status, waiting, not_before_ms }: LiveJob, deployment: string, nowMs: number): boolean {
  if (status !== "queued" || (not_before_ms ?? 0) > nowMs) return false;
  if (waiting?.for === "deployment") return waiting.deployment === deployment;
  return (
    waiting?.for === "quota" && isIllness(waiting.cause ?? "") && waiting.deployments.includes(deployment)
  );
}
