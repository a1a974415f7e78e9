import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { CosmosFaultRule } from "../../../../local/cosmos/fault-plan.ts";
import { awaitEnd, showsEnd } from "../../../../shared/job/ending/await-end.ts";
import { deleteJobContent } from "../../../../shared/job/ending/delete-content.ts";
import { UsualDurations } from "../../../../shared/job/ending/look-times.ts";
import type { Job } from "../../../../shared/job/job.ts";
import type { Nudge } from "../../../../shared/job/ports.ts";
import { createRunningJobs } from "../../../../shared/job/running-jobs.ts";
import { MAX_RESPONSE_LOOKS } from "../../../../shared/limits.ts";
import { StoreUnavailable } from "../../../../shared/store.ts";
import { answer, completion } from "../../labs.ts";
import { World } from "../../world.ts";

/** A client asks for a job that ended elsewhere, and the store answers from replicas that lag. */
const world = await World.open();
afterAll(() => world.close());
const { clock, labs } = world;
const { store } = world.ports;
const worker = world.instance();
const pauses: number[] = [];
/** Its pauses are over at once, and written down. */
const impatient = {
  now: () => clock.now(),
  monotonic: () => clock.monotonic(),
  after(delayMs: number, run: () => void) {
    pauses.push(delayMs);
    queueMicrotask(run);
    return () => undefined;
  },
};
const durations = new UsualDurations();
const asked = (key: Nudge) =>
  awaitEnd({ store, running: createRunningJobs(), durations, clock: impatient }, key, 0);
const faults = (...rules: CosmosFaultRule[]) => world.cosmos.setFaults({ rules });
const stale = (
  operation: "read" | "query" | "changes",
  more: { skip?: number; count?: number; writes?: number } = {},
): CosmosFaultRule => {
  const { writes = 1, ...rule } = more;
  return { operation, ...rule, effect: { kind: "stale", writes } };
};
const queries = () => world.cosmos.counters().query ?? 0;

async function completed(): Promise<Nudge> {
  // Stale reads go back to the first plan that has some.
  faults(stale("changes"));
  const nudge = await world.accepted();
  await worker.run(nudge);
  return nudge;
}

const bodyOf = (found: Awaited<ReturnType<typeof asked>>) =>
  found?.response === undefined ? undefined : JSON.parse(found.response.body);

beforeEach(() => {
  pauses.length = 0;
  faults();
  labs.reply("openai-one", answer(200, completion("Hello")));
});

describe("the response of a job that is known to have ended", () => {
  it("is found though the replica that was asked for it lags", async () => {
    const nudge = await completed();
    faults(stale("read", { skip: 1 }));
    const found = await asked(nudge);
    expect(found?.job.value.status).toBe("completed");
    expect(bodyOf(found)).toEqual(completion("Hello"));
    expect(pauses).toEqual([]);
  });

  it("is looked for again where the next replica lags too", async () => {
    const nudge = await completed();
    // Two looks: before each query the SDK asks for its plan.
    faults(stale("read", { skip: 1 }), stale("query", { count: 4 }));
    expect(bodyOf(await asked(nudge))).toEqual(completion("Hello"));
    expect(pauses).toEqual([50, 100]);
  });

  it("is never taken for none: while all replicas lag, the store is unavailable", async () => {
    const nudge = await completed();
    faults(stale("read", { skip: 1 }), stale("query"));
    await expect(asked(nudge)).rejects.toThrow(StoreUnavailable);
    expect(pauses).toHaveLength(MAX_RESPONSE_LOOKS - 1);
    // Where not even the job is there yet.
    faults(stale("read", { skip: 1 }), stale("query", { writes: 100 }));
    await expect(asked(nudge)).rejects.toThrow(StoreUnavailable);
  });

  it("is none once it was erased, though a replica that lags still told of it", async () => {
    const nudge = await completed();
    await deleteJobContent(worker.service, nudge, "team-a/key:1");
    faults(stale("read", { count: 1 }));
    const found = await asked(nudge);
    expect(found?.job.value).toMatchObject({ status: "completed", content_deleted: true });
    expect(found?.response).toBeUndefined();
    expect(pauses).toEqual([]);
  });

  it("is none once it has lapsed, and that takes one look", async () => {
    const nudge = await completed();
    clock.advance(32 * 86_400_000);
    const before = queries();
    const found = await asked(nudge);
    expect(found?.job.value).toMatchObject({ has_response: true, content_deleted: false });
    expect(found?.response).toBeUndefined();
    expect(queries() - before).toBe(1);
  });

  it("is read without a query where nothing lags", async () => {
    const nudge = await completed();
    const before = queries();
    expect(bodyOf(await asked(nudge))).toEqual(completion("Hello"));
    expect(queries() - before).toBe(0);
  });
});

it("a moment shows the end of a job by its status alone", () => {
  const at = (status: Job["status"]) =>
    showsEnd({ job: { value: { status } as Job, etag: "e" }, response: undefined });
  expect(["queued", "in_progress"].map((status) => at(status as Job["status"]))).toEqual([false, false]);
  expect(["completed", "failed", "cancelled", "expired"].map((s) => at(s as Job["status"]))).toEqual(
    Array(4).fill(true),
  );
});
