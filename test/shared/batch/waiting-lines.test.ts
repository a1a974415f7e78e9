import { afterAll, beforeAll, expect, it } from "vitest";
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
  await batches.create(lines("many", 60));
  await waiting(61);
  expect(await costs()).toEqual(before.map((cost) => expect.closeTo(cost, 1)));
});
