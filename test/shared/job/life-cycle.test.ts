import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { verifyChain } from "../../../shared/audit/chain.ts";
import type { AuditRecord } from "../../../shared/audit/record.ts";
import { documentOf, jobOf } from "../../../shared/azure/cosmos/job-document.ts";
import { end } from "../../../shared/job/ending/end.ts";
import { acceptJob } from "../../../shared/job/intake/accept.ts";
import {
  type Ended,
  type InProgress,
  isEnded,
  type Job,
  type Live,
  type Queued,
} from "../../../shared/job/job.ts";
import {
  type Draft,
  deleteContent,
  draftOf,
  failAttempt,
  loseAttempt,
  redriveEnded,
  renewLease,
  startAttempt,
  supersedeAttempt,
  wait,
} from "../../../shared/job/life-cycle.ts";
import type { Waiting } from "../../../shared/job/waiting.ts";
import { by, call, NOW_MS, newJob, submission } from "./samples.ts";

const requeue = {
  nowMs: NOW_MS,
  actor: "worker:1",
  reason: "server_error",
  failure: "503",
  retryAtMs: null,
  wakeAtMs: NOW_MS + 1000,
  spent: true,
};
const start = (draft: Draft<Queued>, claimId = "claim") =>
  startAttempt(draft, {
    claimId,
    deployment: { name: "d1", provider: "openai", simulated: true },
    requestSha256: "q".repeat(64),
    leaseSeconds: 3,
    nowMs: NOW_MS,
    actor: "worker:1",
    reason: null,
  });
const waiting = (waiting: Waiting) => (draft: Draft<Queued>) =>
  wait(draft, { nowMs: NOW_MS, actor: "w", reason: waiting.for, waiting, wakeAtMs: NOW_MS + 9 });
const late = { code: "deadline_exceeded", message: "late" } as const;

/** Every move there is, by the states that have it: to all others it cannot even be asked of. */
const QUEUED: Record<string, (draft: Draft<Queued>) => Draft> = {
  start,
  waitForQuota: waiting({ for: "quota", since_ms: NOW_MS, tokens: 1, deployments: ["d1"], revision: 0 }),
  waitForSwitch: waiting({ for: "switch", revision: 0 }),
  waitForBudget: waiting({ for: "budget", revision: 0, budget: "b", until_ms: null }),
};
const IN_PROGRESS: Record<string, (draft: Draft<InProgress>) => Draft> = {
  renew: (draft) => ({ ...draft, job: renewLease(draft.job, NOW_MS) }),
  failAttempt: (draft) => failAttempt(draft, { ...call, outcome: "retry" }, requeue),
  backOff: (draft) => failAttempt(draft, call, { ...requeue, retryAtMs: NOW_MS + 5 }),
  rateLimited: (draft) =>
    failAttempt(draft, { ...call, usage: null, cost: null }, { ...requeue, spent: false }),
  lose: (draft) => loseAttempt(draft, requeue),
};
const LIVE: Record<string, (draft: Draft<Live>) => Draft> = {
  complete: (draft) => end(draft, { status: "completed", nowMs: NOW_MS, actor: "w", call }),
  cancel: (draft) => end(draft, { status: "cancelled", nowMs: NOW_MS, actor: "c" }),
  expire: (draft) => end(draft, { status: "expired", nowMs: NOW_MS, actor: "w", error: late }),
};
const ENDED: Record<string, (draft: Draft<Ended>) => Draft> = {
  deleteContent: (draft) => deleteContent(draft, { nowMs: NOW_MS, actor: "c" }),
  redrive: (draft) => redriveEnded(draft, { nowMs: NOW_MS, actor: "o", newJobId: "job_new" }),
};
const ANY: Record<string, (draft: Draft) => Draft> = {
  supersede: (draft) =>
    supersedeAttempt(draft, {
      attempt: 1,
      lease: {
        ...{ claim_id: "x", renewals: 0, seconds: 3, deployment: "d1", provider: "openai", simulated: true },
        ...{ started_at_ms: NOW_MS, request_sha256: "q".repeat(64) },
      },
      ...{ call, nowMs: NOW_MS, actor: "w", reason: "cancelled" },
    }),
};

/** Undefined: the job's state does not have that move. */
function moved(job: Job, name: string): Draft | undefined {
  if (job.status === "queued")
    return (QUEUED[name] ?? LIVE[name])?.(draftOf(job)) ?? ANY[name]?.(draftOf(job));
  if (job.status === "in_progress")
    return (IN_PROGRESS[name] ?? LIVE[name])?.(draftOf(job)) ?? ANY[name]?.(draftOf(job));
  return ENDED[name]?.(draftOf(job)) ?? ANY[name]?.(draftOf(job));
}

const terminal = new Set(["completed", "failed", "cancelled", "expired"]);

describe("life cycle", () => {
  it("starts with one record that holds the envelope's hash", () => {
    const { job, records } = acceptJob(submission, by);
    expect(job).toMatchObject({ status: "queued", attempts: 0, audit_seq: 1, wake_at_ms: NOW_MS + 10_000 });
    expect(records[0]).toMatchObject({ event: "accepted", request_sha256: submission.envelopeSha256 });
    expect(verifyChain(records, { seq: job.audit_seq, hash: job.audit_hash }).intact).toBe(true);
  });

  it("wakes at the deadline when that is nearer than the nudge's grace", () => {
    expect(newJob({ deadlineMs: NOW_MS + 1000 }).wake_at_ms).toBe(NOW_MS + 1000);
    expect(newJob({ notBeforeMs: NOW_MS + 60_000 }).wake_at_ms).toBe(NOW_MS + 70_000);
  });

  it("holds its invariants through any sequence of moves", () => {
    const moves = [QUEUED, IN_PROGRESS, LIVE, ENDED, ANY].flatMap((each) => Object.keys(each));
    const sequence = fc.array(fc.constantFrom(...moves), { maxLength: 30 });
    fc.assert(
      fc.property(sequence, (names) => {
        const accepted = acceptJob(submission, by);
        let job: Job = accepted.job;
        const trail: AuditRecord[] = [...accepted.records];
        for (const name of names) {
          const before = job;
          const draft = moved(job, name);
          if (draft === undefined) continue;
          job = draft.job;
          trail.push(...draft.records);
          if (isEnded(before)) expect(job.status).toBe(before.status);
          expect(job.attempts).toBeGreaterThanOrEqual(before.attempts);
        }
        expect(verifyChain(trail, { seq: job.audit_seq, hash: job.audit_hash }).intact).toBe(true);
        expect(trail.filter((r) => terminal.has(r.event)).length).toBe(isEnded(job) ? 1 : 0);
        // As it is stored, and read again.
        const document = documentOf(job);
        expect(document.lease !== null).toBe(job.status === "in_progress");
        expect(document.wake_at_ms === undefined).toBe(isEnded(job));
        expect(jobOf(JSON.parse(JSON.stringify(document)))).toEqual(job);
        expect(trail.filter((r) => r.event === "attempt_started").length).toBe(job.attempts);
        expect(job.attempts_spent).toBeLessThanOrEqual(job.attempts);
      }),
      { numRuns: 500 },
    );
  });

  it("spends no attempt on a 429", () => {
    const started = start(draftOf(newJob()));
    const limited = failAttempt(
      draftOf(started.job),
      { ...call, usage: null, cost: null },
      { ...requeue, spent: false },
    );
    expect(limited.job).toMatchObject({ status: "queued", attempts: 1, attempts_spent: 0 });
  });

  it("adds the cost of every known attempt, and keeps the usage of the last", () => {
    const failed = failAttempt(start(draftOf(newJob())), call, requeue);
    const done = end(start(failed), { status: "completed", nowMs: NOW_MS, actor: "w", call });
    expect(done.job).toMatchObject({ cost: { amount: "0.0002", currency: "USD" }, usage: call.usage });
    expect(done.records.map((r) => r.event)).toEqual([
      "attempt_started",
      "attempt_failed",
      "attempt_started",
      "completed",
    ]);
  });
});
