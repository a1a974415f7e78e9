import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { cancelJob } from "../../../shared/job/ending/cancel.ts";
import { deleteJobContent } from "../../../shared/job/ending/delete-content.ts";
import type { Draft } from "../../../shared/job/life-cycle.ts";
import type { JobStore } from "../../../shared/job/ports.ts";
import { save } from "../../../shared/job/saving.ts";
import { StoreUnavailable } from "../../../shared/store.ts";
import { answer, completion } from "../labs.ts";
import { World } from "../world.ts";

/** Writes whose answer is lost, and what happens before anybody can look: what a cloud does on a bad day. */
const world = await World.open();
afterAll(() => world.close());
const { clock, labs } = world;
const { store: whole } = world.ports;
const ends = world.instance("client").service;

beforeEach(() => {
  labs.reply("openai-one", answer(200, completion("paid for")));
});

/** A worker on the store, but for these methods of it. */
function workerOn(change: Partial<JobStore>) {
  return world.instance("one", { store: storeWith(change) });
}

function storeWith(change: Partial<JobStore>): typeof whole {
  return new Proxy(whole, { get: (target, name) => Reflect.get(name in change ? change : target, name) });
}

const away = () => new StoreUnavailable("the answer was lost");
const ending = (draft: Draft) => draft.records.some(({ event }) => event === "completed");
const late = (draft: Draft) => draft.records.some(({ event }) => event === "attempt_superseded");

const ONCE = { amount: "0.00002", currency: "USD" };

describe("a write that was applied, its answer lost", () => {
  it("is known again after others have written: the cost counts once", async () => {
    const key = await world.accepted();
    const worker = workerOn({
      async write(draft, etag, nowMs) {
        const result = await whole.write(draft, etag, nowMs);
        if (!ending(draft)) return result;
        await deleteJobContent(ends, key, "team-a/key:1");
        throw away();
      },
    });
    await worker.run(key);
    const { job, events } = await world.seen(key);
    expect(events).toEqual(["accepted", "attempt_started", "completed", "content_deleted"]);
    expect(job).toMatchObject({ status: "completed", content_deleted: true, cost: ONCE });
  });

  it("is not made again where it is applied only after a read that did not show it", async () => {
    const key = await world.accepted();
    let delayed: (() => Promise<unknown>) | undefined;
    let reads = 0;
    const worker = workerOn({
      async write(draft, etag, nowMs) {
        if (ending(draft)) await cancelJob(ends, key, "team-a/key:1");
        if (!late(draft) || delayed !== undefined) return whole.write(draft, etag, nowMs);
        delayed = () => whole.write(draft, etag, nowMs);
        throw away();
      },
      async read(read) {
        const found = await whole.read(read);
        if (delayed !== undefined && reads++ === 0) await delayed();
        return found;
      },
    });
    await world.turning(worker.run(key));
    expect(delayed).toBeDefined();
    const { job, events } = await world.seen(key);
    expect(events).toEqual(["accepted", "attempt_started", "cancelled", "attempt_superseded"]);
    expect(job).toMatchObject({ status: "cancelled", cost: ONCE });
  });
});

describe("what a call has cost", () => {
  it("is kept in hand while the store is away, for the job's end and for a late record", {
    tags: ["long"],
  }, async () => {
    for (const cancelled of [false, true]) {
      const key = await world.accepted();
      let refusals = 0;
      const worker = workerOn({
        async write(draft, etag, nowMs) {
          if (cancelled && ending(draft)) await cancelJob(ends, key, "team-a/key:1");
          // Ten minutes of it, at the longest wait between two tries.
          if ((cancelled ? late(draft) : ending(draft)) && refusals++ < 120) throw away();
          return whole.write(draft, etag, nowMs);
        },
      });
      await world.turning(worker.run(key), 1_000);
      expect(refusals).toBe(121);
      expect((await world.seen(key)).job).toMatchObject({
        status: cancelled ? "cancelled" : "completed",
        attempts: 1,
        cost: ONCE,
      });
    }
  });
});

describe("a read that lags", () => {
  it("does not take a job from the worker that holds it", async () => {
    const key = await world.accepted();
    const before = await whole.read(key);
    if (before === undefined) throw new Error("the job is gone");
    let lagging = 3;
    const worker = workerOn({
      async write(draft, etag, nowMs) {
        const result = await whole.write(draft, etag, nowMs);
        if (ending(draft) && lagging > 0) throw away();
        return result;
      },
      read: async (read) => (lagging-- > 0 ? before : whole.read(read)),
    });
    await world.turning(worker.run(key));
    const { job, events } = await world.seen(key);
    expect(events).toEqual(["accepted", "attempt_started", "completed"]);
    expect(job.cost).toEqual(ONCE);
  });

  it("older than what a draft was made from says nothing", async () => {
    const key = await world.accepted();
    const before = await whole.read(key);
    await world.instance().run(key);
    const now = await whole.read(key);
    if (before === undefined || now === undefined) throw new Error("the job is gone");
    const store = storeWith({ read: () => Promise.resolve(before) });
    const draft = { job: now.value, records: [] };
    await expect(save(store, draft, "an old etag", clock.now())).rejects.toThrow(StoreUnavailable);
  });
});

describe("a job whose request is gone", () => {
  it("is told from a job that is not there", async () => {
    const key = await world.accepted();
    const request = world.jobs.item("request", [key.tenant_id, key.job_id]);
    await request.delete();
    expect(await whole.readWithRequest(key)).toMatchObject({ request: undefined });
    expect(await whole.readWithRequest({ ...key, job_id: "job_none" })).toBeUndefined();
    await world.instance().run(key);
    expect((await world.seen(key)).job).toMatchObject({ status: "failed", error: { code: "request_lost" } });
  });
});
