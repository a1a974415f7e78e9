import { afterAll, beforeAll, expect, it } from "vitest";
import { taleOf } from "../../../shared/telemetry/tale.ts";
import { BatchWorld } from "./batch-world.ts";

let batches: BatchWorld;
beforeAll(async () => {
  batches = await BatchWorld.open();
});
afterAll(() => batches.world.close());

/** What a question takes of the store's throughput. */
async function charged(ask: () => Promise<unknown>): Promise<number> {
  const units = () => batches.world.cosmos.counters().request_units ?? 0;
  const before = units();
  await ask();
  return units() - before;
}

it("what the sweep asks costs the same however many lines wait", async () => {
  const { waitingJobs, liveJobs, jobsInLine } = batches.world.ports;
  const questions = [
    () => waitingJobs.ofOtherBudgets(["another"], 100),
    () => waitingJobs.chosenBefore(0, 100),
    () => liveJobs.isAny(),
  ];
  const costs = async () => {
    const all: number[] = [];
    for (const each of questions) all.push(await charged(each));
    return all;
  };
  batches.holdsLine = true;
  const lines = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, n) => ({ custom_id: `${prefix}-${n}` }));
  const waiting = (count: number) =>
    batches.world.turnUntil(async () => {
      batches.deliver();
      return (await jobsInLine.inLine({ after: "" }, 1_000)).length === count;
    });
  await batches.create(lines("few", 1));
  await waiting(1);
  const before = await costs();
  await batches.create(lines("many", 30));
  await waiting(31);
  expect(await costs()).toEqual(before.map((cost) => expect.closeTo(cost, 1)));
});

it("a line that waits from the start is one record of its trail, which says for what", async () => {
  const { ports } = batches.world;
  const [first] = await ports.jobsInLine.inLine({ after: "" }, 1);
  if (first === undefined) throw new Error("no line waits");
  const job = await batches.world.job(first);
  expect(job).toMatchObject({ waiting: { for: "quota", cause: "line" }, audit_seq: 1 });
  const trail = await ports.store.audit(first);
  expect(trail.map(({ event, reason }) => [event, reason])).toEqual([["accepted", "waiting: line"]]);
  const tale = taleOf({ job, records: trail, decidedMs: 0, storedMs: 0 }, () => {
    throw new Error("nothing was called");
  });
  expect(tale.measures.map(({ name, attributes }) => [name, attributes.reason])).toEqual([
    ["switchyard.waits", "line"],
    ["switchyard.jobs.accepted", undefined],
  ]);
});
