import { describe, expect, it } from "vitest";
import { documentOf } from "../../shared/azure/cosmos/job-document.ts";
import { end } from "../../shared/job/ending/end.ts";
import { acceptJob } from "../../shared/job/intake/accept.ts";
import type { Ended, Queued, StoredResponse } from "../../shared/job/job.ts";
import {
  type Draft,
  deleteContent,
  draftOf,
  loseAttempt,
  startAttempt,
  supersedeAttempt,
} from "../../shared/job/life-cycle.ts";
import { sha256Hex } from "../../shared/sha256.ts";
import { reopened, submission } from "../shared/job/samples.ts";
import { check } from "./checker.ts";
import type { CountedCall, Evidence, Promised, Sighting, StoredJob } from "./evidence.ts";
import { HOSTILE, HOSTILE_SETTINGS } from "./hostile-lab.ts";

const ID = `job_${"0".repeat(32)}`;
const body = '{"answer":42}';
const response: StoredResponse = {
  ...{ status_code: 200, request_id: null, body },
};
const facts = {
  outcome: "completed",
  usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
  cost: { amount: "0.01", currency: "USD" },
  latencyMs: 5,
  responseSha256: sha256Hex(body),
};
const start = (draft: Draft<Queued>, claimId: string) =>
  startAttempt(draft, {
    ...{
      claimId,
      leaseSeconds: 3,
      nowMs: 2_000,
      actor: "worker:1",
      reason: null,
      requestSha256: "a".repeat(64),
    },
    deployment: { name: "gpt", provider: "openai", simulated: true },
  });
const call: CountedCall = {
  ...{ seq: 1, job: ID, attempt: "1", status: 200, request_sha256: "a".repeat(64) },
  ...{ input_tokens: 10, output_tokens: 5, fault: null },
};

/** A job whose first worker was lost and thawed, and whose second attempt was answered. */
function wellRun(): { draft: Draft<Ended>; first: StoredJob } {
  const accepted = acceptJob(
    { ...submission, metadata: { label: "one" } },
    {
      tenantId: "team-a",
      jobId: ID,
      actor: "team-a/key:1",
      nowMs: 1_000,
      nudgeGraceMs: 10_000,
      retention: { contentDays: 30, auditDays: 0 },
    },
  );
  const started = start(accepted, "first");
  const { lease } = started.job;
  const lost = loseAttempt(started, {
    ...{ nowMs: 9_000, actor: "worker:2", reason: "lease_expired", failure: "lost", retryAtMs: null },
    ...{ wakeAtMs: 9_000, spent: true },
  });
  const done = { status: "completed", nowMs: 10_000, actor: "worker:2", call: facts, response } as const;
  const draft = supersedeAttempt(end(start(lost, "second"), done), {
    ...{ attempt: 1, lease, call: facts, nowMs: 11_000, actor: "worker:1", reason: "completed" },
  });
  return { draft, first: storedOf(draft) };
}

const storedOf = (draft: Draft): StoredJob => ({
  ...{
    job: documentOf(draft.job),
    hasRequest: true,
    response: draft.response,
    trail: draft.records,
    storedAt: [],
  },
});

const saw = (status: Sighting["status"], turn: number): Sighting => ({
  ...{ jobId: ID, status, asked: turn, answered: turn + 1 },
});

function evidence(change: Partial<Evidence> = {}): Evidence {
  return {
    submissions: [
      {
        label: "one",
        tenant: "team-a",
        key: "k",
        mustComplete: false,
        answers: [
          { status: null, jobId: null },
          { status: 202, jobId: ID },
        ],
      },
    ],
    sightings: [saw("queued", 1), saw("in_progress", 3), saw("completed", 5)],
    promises: [{ jobId: ID, action: "cancel", status: 409 }],
    held: [],
    batches: [],
    stored: [wellRun().first],
    calls: [call, { ...call, seq: 2, attempt: "2" }],
    queues: { "nudges.ready": 0 },
    hostsKilled: 1,
    stale: [],
    maxAttempts: 5,
    ...change,
  };
}

const broken = (change: Partial<Evidence>): Promised[] => [
  ...new Set(check(evidence(change)).map(({ promise }) => promise)),
];
const job = (change: Partial<StoredJob["job"]>, more: Partial<StoredJob> = {}): Partial<Evidence> => {
  const { first } = wellRun();
  return { stored: [{ ...first, ...more, job: { ...first.job, ...change } }] };
};

describe("the checker", () => {
  it("is content with a run in which every promise was kept", () => {
    expect(check(evidence())).toEqual([]);
  });

  it("misses a job that was accepted and is gone, has not ended, or is not found", () => {
    expect(broken({ stored: [], calls: [] })).toEqual(["a_202_ends"]);
    const running = start(draftOf({ ...reopened(wellRun().draft.job), cost: null }), "x");
    expect(broken({ stored: [storedOf(running)], sightings: [] })).toContain("a_202_ends");
    expect(broken({ sightings: [saw("absent", 1)] })).toEqual(["a_202_ends"]);
  });

  it("misses the end of a job that nobody was told of", () => {
    const { draft } = wellRun();
    const alive = { ...storedOf(draft), job: documentOf(reopened(draft.job)) };
    const unheard = [
      {
        label: "one",
        tenant: "team-a",
        key: null,
        mustComplete: false,
        answers: [{ status: 503, jobId: null }],
      },
    ];
    expect(broken({ stored: [alive], submissions: unheard, sightings: [] })).toContain("a_202_ends");
  });

  it("finds one submit stored as two jobs, and one key with two", () => {
    const { first } = wellRun();
    const twin = { ...first, job: { ...first.job, job_id: "job_other" }, trail: [] };
    expect(broken({ stored: [first, twin] })).toContain("no_twin");
    const answers = [ID, "job_other"].map((jobId) => ({ status: 202, jobId }));
    const submissions = [{ label: "one", tenant: "team-a", key: "k", mustComplete: false, answers }];
    expect(broken({ submissions })).toContain("same_key_same_job");
  });

  it("finds two ends, an end that the trail does not name, another's answer", () => {
    const { draft, first } = wellRun();
    const twice = end(start({ ...draft, job: reopened(draft.job) }, "third"), {
      status: "completed",
      nowMs: 1,
      actor: "w",
      call: facts,
      response,
    });
    expect(broken({ stored: [storedOf(twice)] })).toContain("one_result");
    expect(broken(job({ status: "failed" }))).toContain("one_result");
    expect(broken(job({}, { response: { ...response, body: "{}" } }))).toEqual(["one_result"]);
    expect(broken({ stored: [{ ...first, response: undefined }] })).toEqual(["one_result"]);
    expect(broken(job({ deployment: "another" }))).toEqual(["one_result"]);
  });

  it("finds a call without a record, with another request, twice in one attempt, or of no job at all", () => {
    const second = { ...call, seq: 2, attempt: "2" };
    const extra = (more: Partial<CountedCall>) => ({ calls: [call, second, { ...call, seq: 3, ...more }] });
    expect(broken(extra({ attempt: "3" }))).toEqual(["calls_are_recorded"]);
    expect(broken(extra({ attempt: "2" }))).toEqual(["calls_are_recorded"]);
    expect(broken(extra({ job: "job_unknown" }))).toEqual(["calls_are_recorded"]);
    expect(broken({ calls: [{ ...call, request_sha256: "b".repeat(64) }, second] })).toEqual([
      "calls_are_recorded",
    ]);
    expect(broken({ calls: [{ ...call, output_tokens: 6 }, second] })).toEqual(["calls_are_recorded"]);
    expect(broken({ calls: [second] })).toEqual(["calls_are_recorded"]);
  });

  it("allows a call whose end nobody knows only where a host was killed", () => {
    const lost = start(draftOf({ ...reopened(wellRun().draft.job), cost: null }), "x");
    expect(lost.job.attempts).toBe(3);
    const accepted = acceptJob(
      { ...submission, metadata: { label: "one" } },
      {
        tenantId: "team-a",
        jobId: ID,
        actor: "team-a/key:1",
        nowMs: 1_000,
        nudgeGraceMs: 10_000,
        retention: { contentDays: 30, auditDays: 0 },
      },
    );
    const cancelled = end(start(accepted, "x"), {
      ...{ status: "cancelled", nowMs: 3_000, actor: "team-a/key:1" },
    });
    const told = { stored: [storedOf(cancelled)], calls: [call], sightings: [], promises: [] };
    expect(broken(told)).toEqual([]);
    expect(broken({ ...told, hostsKilled: 0 })).toEqual(["calls_are_recorded"]);
  });

  it("adds up costs, and finds an attempt that is told twice", () => {
    expect(broken(job({ cost: { amount: "0.01", currency: "USD" } }))).toEqual(["costs_add_up"]);
    const { draft } = wellRun();
    const { lease } = start(draftOf(reopened(draft.job)), "x").job;
    const again = supersedeAttempt(draft, {
      ...{ attempt: 1, lease, call: facts, nowMs: 12_000, actor: "worker:1", reason: "completed" },
    });
    expect(broken({ stored: [storedOf(again)] })).toEqual(["costs_add_up"]);
  });

  it("finds a chain that is edited, short, or does not end where the job says", () => {
    const { first } = wellRun();
    const edited = first.trail.map((record) => (record.seq === 2 ? { ...record, actor: "nobody" } : record));
    expect(broken({ stored: [{ ...first, trail: edited }] })).toEqual(["chains_hold"]);
    expect(broken({ stored: [{ ...first, trail: first.trail.slice(0, -1) }] })).toContain("chains_hold");
  });

  it("finds messages left behind", () => {
    expect(broken({ queues: { "nudges.ready": 0, "nudges.scheduled": 1 } })).toEqual(["queues_are_empty"]);
  });

  it("finds an end that changed, but not an older answer that was only late", () => {
    expect(broken({ sightings: [saw("completed", 1), saw("failed", 3)] })).toEqual(["an_end_is_final"]);
    expect(broken({ sightings: [saw("completed", 1), saw("queued", 3)] })).toEqual(["an_end_is_final"]);
    expect(
      broken({ sightings: [saw("completed", 1), saw("queued", 3)], stale: [{ from: 2, to: 9 }] }),
    ).toEqual([]);
    const late = { ...saw("queued", 0), answered: 9 };
    expect(broken({ sightings: [saw("completed", 1), late] })).toEqual([]);
    expect(broken({ sightings: [saw("cancelled", 1)] })).toEqual(["an_end_is_final"]);
  });

  it("finds a completed job that was shown without its response, though a replica lagged", () => {
    const empty = { ...saw("completed", 5), hasResponse: false };
    const stale = [{ from: 0, to: 9 }];
    expect(broken({ sightings: [empty], stale })).toEqual(["told_is_true"]);
    expect(broken({ sightings: [{ ...empty, hasResponse: true }] })).toEqual([]);
    const { first, draft } = wellRun();
    const erased = deleteContent(draftOf(draft.job), { nowMs: 12_000, actor: "team-a/key:1" });
    const gone = { ...storedOf(erased), trail: [...first.trail, ...erased.records] };
    const stored = [{ ...gone, hasRequest: false, response: undefined }];
    expect(broken({ sightings: [empty], stored })).toEqual([]);
  });

  it("holds the service to its answers to cancel and delete", () => {
    expect(broken({ promises: [{ jobId: ID, action: "cancel", status: 200 }] })).toEqual(["told_is_true"]);
    expect(broken({ promises: [{ jobId: ID, action: "delete", status: 204 }] })).toEqual(["told_is_true"]);
  });

  it("finds what others have done to those who asked for what they may", () => {
    const [own] = evidence().submissions;
    if (own === undefined) throw new Error("there is one");
    const answers = [{ status: 429, jobId: null }, ...own.answers];
    expect(broken({ submissions: [{ ...own, answers }] })).toEqual(["harm_is_ones_own"]);
    const failed = { ...job({ status: "failed" }), sightings: [] };
    const must = { submissions: [{ ...own, mustComplete: true }] };
    expect(broken({ ...failed, ...must })).toContain("harm_is_ones_own");
    expect(broken(failed)).not.toContain("harm_is_ones_own");
    expect(broken(must)).toEqual([]);
  });

  it("finds another tenant's answer, the operator's key, and a price that a lab has made up", () => {
    const { first } = wellRun();
    const answered = (body: string) => ({
      stored: [{ ...first, response: { ...response, body } }],
    });
    expect(broken(answered("canary two of team-b"))).toContain("answers_are_own");
    expect(broken(answered("canary one of team-a"))).not.toContain("answers_are_own");
    expect(broken(answered(Object.values(HOSTILE_SETTINGS).join()))).toContain("answers_are_own");
    const trail = first.trail.map((record) => ({
      ...record,
      ...{ provider: HOSTILE.provider, cost: { amount: "1000000000", currency: "USD" } },
    }));
    expect(broken({ stored: [{ ...first, trail }] })).toContain("harm_is_ones_own");
  });

  it("counts attempts", () => {
    expect(broken({ maxAttempts: 1 })).toEqual(["attempts_are_bounded"]);
    expect(broken(job({ attempts: 3 }))).toEqual(["attempts_are_bounded"]);
  });
});
