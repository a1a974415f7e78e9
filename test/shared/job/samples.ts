import { acceptJob, type Submission } from "../../../shared/job/intake/accept.ts";
import type { Ended, InProgress, Job, Queued } from "../../../shared/job/job.ts";
import type { CallFacts } from "../../../shared/job/life-cycle.ts";

export const NOW_MS = 1_800_000_000_000;

export const submission: Submission = {
  endpoint: "/v1/chat/completions",
  model: "gpt-sim",
  bodyText: '{"model":"gpt-sim","messages":[{"role":"user","content":"Hello"}]}',
  priority: "standard",
  metadata: {},
  notBeforeMs: null,
  deadlineMs: NOW_MS + 3_600_000,
  envelopeSha256: "e".repeat(64),
};

export const by = {
  tenantId: "team-a",
  jobId: `job_${"0".repeat(32)}`,
  actor: "team-a/key:0",
  nowMs: NOW_MS,
  nudgeGraceMs: 10_000,
  retention: { contentDays: 30, auditDays: 0 },
};

export function newJob(change: Partial<Submission> = {}): Queued {
  return acceptJob({ ...submission, ...change }, by).job;
}

export const call: CallFacts = {
  outcome: "completed",
  usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
  cost: { amount: "0.0001", currency: "USD" },
  latencyMs: 12.4,
  responseSha256: "r".repeat(64),
};

/** What is stored, as the version before stores it: each record in an item of its own. */
export function asItems<D extends { readonly job: Job }>(draft: D): D {
  const { first_records: _, ...job } = draft.job;
  return { ...draft, job };
}

/** A queued job as another state's, with all that both have. */
export function reopened(job: Job): Queued {
  return { ...newJob(), ...job, status: "queued", waiting: null, nudges_resent: 0, wake_at_ms: NOW_MS };
}

/** The job, which must be in that state. */
export function inState<S extends Job["status"]>(job: Job | undefined, ...states: readonly S[]) {
  if (job === undefined || !states.includes(job.status as S)) throw new Error(`the job is ${job?.status}`);
  return job as S extends "queued" ? Queued : S extends "in_progress" ? InProgress : Ended;
}
