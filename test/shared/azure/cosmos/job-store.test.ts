import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { end } from "../../../../shared/job/ending/end.ts";
import { acceptJob } from "../../../../shared/job/intake/accept.ts";
import { submitJob } from "../../../../shared/job/intake/submit.ts";
import { type Ended, isEnded, type Job, type Live, type Queued } from "../../../../shared/job/job.ts";
import { deleteContent, draftOf, renewLease, startAttempt } from "../../../../shared/job/life-cycle.ts";
import { change, save } from "../../../../shared/job/saving.ts";
import { StoreUnavailable } from "../../../../shared/store.ts";
import { by, inState, submission } from "../../job/samples.ts";
import { silent, World } from "../../world.ts";

const world = await World.open();
afterAll(() => world.close());
const { clock, cosmos } = world;
const { store } = world.ports;
let count = 0;
beforeEach(() => cosmos.setFaults({ rules: [] }));

async function created(): Promise<{ job: Queued; etag: string }> {
  const jobId = `job_${String(++count).padStart(32, "0")}`;
  const accepted = acceptJob(
    { ...submission, deadlineMs: clock.now() + 1e6 },
    { ...by, jobId, nowMs: clock.now() },
  );
  const result = await store.create(accepted, clock.now());
  if (result.kind !== "written") throw new Error(result.kind);
  return { job: accepted.job, etag: result.etag };
}

const started = (job: Queued) =>
  startAttempt(draftOf(job), {
    claimId: "mine",
    deployment: { name: "d", provider: "openai", simulated: true },
    requestSha256: "0".repeat(64),
    leaseSeconds: 30,
    nowMs: clock.now(),
    actor: "worker:1",
    reason: null,
  });
const cancelled = (job: Live) => end(draftOf(job), { status: "cancelled", nowMs: clock.now(), actor: "c" });

describe("the store", () => {
  it("reads what was created, and says when it is there already", async () => {
    const { job, etag } = await created();
    expect(await store.read(job)).toEqual({ value: { ...job, audit_until_ms: null }, etag });
    const both = await store.readWithRequest(job);
    expect(both?.request).toEqual({ body: submission.bodyText });
    const again = acceptJob(submission, { ...by, jobId: job.job_id });
    expect(await store.create(again, clock.now())).toEqual({ kind: "exists" });
    expect(await store.read({ tenant_id: "team-b", job_id: job.job_id })).toBeUndefined();
  });

  it("refuses a write that names an older version, and writes nothing of it", async () => {
    const { job, etag } = await created();
    const first = await store.write(started(job), etag, clock.now());
    expect(first.kind).toBe("written");
    expect(await store.write(cancelled(job), etag, clock.now())).toEqual({ kind: "superseded" });
    expect((await store.audit(job)).map((r) => r.event)).toEqual(["accepted", "attempt_started"]);
  });

  it.each([429, 449, 503, 408, 500])(
    "says that it is unavailable when Cosmos DB goes on answering %i",
    async (status) => {
      const { job } = await created();
      cosmos.setFaults({
        rules: [{ operation: "any", effect: { kind: "refuse", status, retry_after_ms: 1 } }],
      });
      await expect(store.read(job)).rejects.toThrow(StoreUnavailable);
    },
  );

  it("knows a claim that was applied though its answer was lost", async () => {
    const { job, etag } = await created();
    cosmos.setFaults({
      rules: [{ operation: "batch", count: 1, effect: { kind: "drop", when: "after" } }],
    });
    const saved = await save(store, started(job), etag, clock.now());
    expect(saved.kind).toBe("written");
    const stored = await store.read(job);
    const claimed = inState(stored?.value, "in_progress");
    expect(claimed.lease.claim_id).toBe("mine");
    const renewed = draftOf(renewLease(claimed, clock.now()));
    expect((await save(store, renewed, stored?.etag ?? "", clock.now())).kind).toBe("written");
  });

  it("cancels once, whatever is lost on the way", async () => {
    const { job } = await created();
    cosmos.setFaults({
      rules: [{ operation: "batch", count: 1, effect: { kind: "drop", when: "after" } }],
    });
    const result = await change(store, job, clock, (current) =>
      isEnded(current) ? undefined : cancelled(current),
    );
    expect(result?.job.status).toBe("cancelled");
    expect((await store.audit(job)).map((r) => r.event)).toEqual(["accepted", "cancelled"]);
  });
});

describe("an end", () => {
  const outboxOf = async ({ tenant_id, job_id }: Job) => {
    const query = "SELECT c.id, c.kind, c.v, c.event, c.about, c.at_ms FROM c WHERE c.kind = 'outbox'";
    const partitionKey = [tenant_id, job_id];
    return (await world.jobs.items.query(query, { partitionKey }).fetchAll()).resources;
  };
  const ended = (job: Live) => end(draftOf(job), { status: "cancelled", nowMs: clock.now(), actor: "c" });

  it("is stored with what is to be told of it, in one batch", async () => {
    const { job, etag } = await created();
    const before = cosmos.counters().batch ?? 0;
    expect((await store.write(ended(job), etag, clock.now())).kind).toBe("written");
    expect((cosmos.counters().batch ?? 0) - before).toBe(1);
    const told = { event: "job.cancelled", about: job.job_id, at_ms: clock.now() };
    expect(await outboxOf(job)).toEqual([{ id: "outbox-job.cancelled", kind: "outbox", v: 1, ...told }]);
  });

  it("that is not stored tells nobody anything", async () => {
    const { job, etag } = await created();
    await store.write(started(job), etag, clock.now());
    expect(await store.write(ended(job), etag, clock.now())).toEqual({ kind: "superseded" });
    expect(await outboxOf(job)).toEqual([]);
  });
});

describe("an erasure", () => {
  const response = { status_code: 200, request_id: "req-1", body: '{"answer": 42}' };
  const content = async ({ tenant_id, job_id }: Job) => {
    const query = "SELECT VALUE c.kind FROM c WHERE c.kind = 'request' OR c.kind = 'response'";
    const partitionKey = [tenant_id, job_id];
    return (await world.jobs.items.query<string>(query, { partitionKey }).fetchAll()).resources;
  };

  async function ended(withResponse: boolean): Promise<{ job: Ended; etag: string }> {
    const { job, etag } = await created();
    const draft = end(draftOf(job), {
      status: "failed",
      nowMs: clock.now(),
      actor: "worker:1",
      ...(withResponse ? { response } : {}),
    });
    const written = await store.write(draft, etag, clock.now());
    if (written.kind !== "written") throw new Error(written.kind);
    return { job: draft.job, etag: written.etag };
  }
  const erase = ({ job, etag }: { job: Ended; etag: string }) =>
    store.write(deleteContent(draftOf(job), { nowMs: clock.now(), actor: "c" }), etag, clock.now());

  it("takes request and response, although a replica that lags has not seen them", async () => {
    cosmos.setFaults({ rules: [{ operation: "query", effect: { kind: "stale" } }] });
    const job = await ended(true);
    expect(await content(job.job)).toEqual([]);
    expect((await erase(job)).kind).toBe("written");
    cosmos.setFaults({ rules: [] });
    expect(await content(job.job)).toEqual([]);
  });

  it("takes the request of a job without a response", async () => {
    const job = await ended(false);
    expect(await content(job.job)).toEqual(["request"]);
    expect((await erase(job)).kind).toBe("written");
    expect(await content(job.job)).toEqual([]);
  });

  it.each([[["request"]], [["response"]], [["request", "response"]]])(
    "is done although %j lapsed before it",
    async (lapsed) => {
      const job = await ended(true);
      const { tenant_id, job_id } = job.job;
      for (const id of lapsed) await world.jobs.item(id, [tenant_id, job_id]).delete();
      expect((await erase(job)).kind).toBe("written");
      expect(await content(job.job)).toEqual([]);
      expect((await store.audit(job.job)).map((r) => r.event)).toEqual([
        "accepted",
        "failed",
        "content_deleted",
      ]);
    },
  );

  it("is refused where the job has moved on, and takes nothing", async () => {
    const job = await ended(true);
    expect(await erase({ ...job, etag: '"another"' })).toEqual({ kind: "superseded" });
    expect((await content(job.job)).sort()).toEqual(["request", "response"]);
  });
});

describe("a submit", () => {
  const submit = (key: string | null, change: Partial<typeof submission> = {}) => {
    const deps = { ...world.instance().service.intake, log: silent };
    const whole = { ...submission, deadlineMs: clock.now() + 1e6, ...change };
    return submitJob(deps, whole, { tenantId: "team-a", actor: "team-a/key:1", idempotencyKey: key });
  };

  it("is accepted once though the answer of its create was lost", async () => {
    cosmos.setFaults({
      rules: [{ operation: "batch", count: 1, effect: { kind: "drop", when: "after" } }],
    });
    const { job, repeated } = await submit("lost-answer");
    expect(repeated).toBe(false);
    expect((await store.audit(job.value)).map((r) => r.event)).toEqual(["accepted"]);
    expect((await submit("lost-answer")).repeated).toBe(true);
  });

  it("refuses a key that comes with another envelope", async () => {
    await submit("reused");
    await expect(submit("reused", { envelopeSha256: "f".repeat(64) })).rejects.toMatchObject({
      code: "idempotency_key_reused",
    });
  });
});
