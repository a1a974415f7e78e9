import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { verifyChain } from "../../../shared/audit/chain.ts";
import type { AuditRecord } from "../../../shared/audit/record.ts";
import { acceptJob } from "../../../shared/job/intake/accept.ts";
import type { Job } from "../../../shared/job/job.ts";
import {
  type Draft,
  deleteContent,
  draftOf,
  end,
  failAttempt,
  IllegalTransition,
  loseAttempt,
  parkForQuota,
  renewLease,
  startAttempt,
  supersedeAttempt,
} from "../../../shared/job/life-cycle.ts";
import { hasEnded } from "../../../shared/status.ts";
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
const start = (draft: Draft, claimId = "claim") =>
  startAttempt(draft, {
    claimId,
    deployment: { name: "d1", provider: "openai", simulated: true },
    requestSha256: "q".repeat(64),
    leaseSeconds: 3,
    nowMs: NOW_MS,
    actor: "worker:1",
    reason: null,
  });

/** Every move there is; those the job's status does not have must throw and change nothing. */
const moves: Record<string, (draft: Draft) => Draft> = {
  start,
  renew: (draft) => ({ ...draft, job: renewLease(draft.job, NOW_MS) }),
  failAttempt: (draft) => failAttempt(draft, { ...call, outcome: "retry" }, requeue),
  rateLimited: (draft) =>
    failAttempt(draft, { ...call, usage: null, cost: null }, { ...requeue, spent: false }),
  lose: (draft) => loseAttempt(draft, requeue),
  park: (draft) =>
    parkForQuota(draft, {
      nowMs: NOW_MS,
      actor: "w",
      reason: "rate_limited",
      parked: { tokens: 1, deployments: ["d1"] },
      wakeAtMs: NOW_MS + 9,
    }),
  complete: (draft) => end(draft, { status: "completed", nowMs: NOW_MS, actor: "w", call }),
  cancel: (draft) => end(draft, { status: "cancelled", nowMs: NOW_MS, actor: "c" }),
  expire: (draft) =>
    end(draft, {
      status: "expired",
      nowMs: NOW_MS,
      actor: "w",
      error: { code: "deadline_exceeded", message: "late" },
    }),
  supersede: (draft) =>
    supersedeAttempt(draft, {
      attempt: 1,
      lease: {
        ...{ claim_id: "x", renewals: 0, seconds: 3, deployment: "d1", provider: "openai", simulated: true },
        ...{ started_at_ms: NOW_MS, request_sha256: "q".repeat(64) },
      },
      call,
      nowMs: NOW_MS,
      actor: "w",
      reason: "cancelled",
    }),
  deleteContent: (draft) => deleteContent(draft, { nowMs: NOW_MS, actor: "c" }),
};

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
    const sequence = fc.array(fc.constantFrom(...Object.keys(moves)), { maxLength: 30 });
    fc.assert(
      fc.property(sequence, (names) => {
        const accepted = acceptJob(submission, by);
        let job: Job = accepted.job;
        const trail: AuditRecord[] = [...accepted.records];
        for (const name of names) {
          const before = job;
          let draft: Draft;
          try {
            draft = (moves[name] as (d: Draft) => Draft)(draftOf(job));
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(IllegalTransition);
            continue;
          }
          job = draft.job;
          trail.push(...draft.records);
          if (hasEnded(before.status)) expect(job.status).toBe(before.status);
          expect(job.attempts).toBeGreaterThanOrEqual(before.attempts);
        }
        expect(verifyChain(trail, { seq: job.audit_seq, hash: job.audit_hash }).intact).toBe(true);
        expect(trail.filter((r) => terminal.has(r.event)).length).toBe(hasEnded(job.status) ? 1 : 0);
        expect(job.lease !== null).toBe(job.status === "in_progress");
        expect(job.wake_at_ms === undefined).toBe(hasEnded(job.status));
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
