import fc from "fast-check";
import { expect, it } from "vitest";
import { ManualClock } from "../../../local/clock.ts";
import { type Outcome, Settlements } from "../../../local/host/settlement.ts";

/** Longer than completes wait for others. */
const PAST_GATHERING_MS = 1_000;
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/**
 * Settles in the given bursts, one a turn of the event loop, some time after each; returns what was settled in each turn.
 */
async function settled(
  bursts: readonly { readonly outcomes: readonly Outcome[]; readonly thenMs: number }[],
): Promise<{ turns: Outcome[][]; count: number }> {
  const clock = new ManualClock();
  const settlements = new Settlements(clock);
  const turns: Outcome[][] = [[]];
  let counting = true;
  const countTurns = () => {
    turns.push([]);
    if (counting) setImmediate(countTurns);
  };
  setImmediate(countTurns);
  let count = 0;
  const all: Promise<void>[] = [];
  for (const { outcomes, thenMs } of bursts) {
    for (const outcome of outcomes) {
      all.push(
        settlements.settle(outcome, async () => {
          turns.at(-1)?.push(outcome);
          count += 1;
        }),
      );
    }
    await nextTurn();
    clock.advance(thenMs);
  }
  clock.advance(PAST_GATHERING_MS);
  await Promise.all(all);
  counting = false;
  return { turns, count };
}

it("never settles two ways in one turn, and leaves none out", async () => {
  const burst = fc.record({
    outcomes: fc.array(fc.constantFrom<Outcome>("complete", "abandon"), { maxLength: 8 }),
    thenMs: fc.nat({ max: 30 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(burst, { maxLength: 8 }), async (bursts) => {
      const { turns, count } = await settled(bursts);
      expect(count).toBe(bursts.flatMap(({ outcomes }) => outcomes).length);
      for (const turn of turns) expect(new Set(turn).size).toBeLessThanOrEqual(1);
    }),
    { numRuns: process.env.LONG === undefined ? 100 : 2_000 },
  );
});

it("gathers completes of several turns into one", async () => {
  const outcomes = Array<Outcome>(25).fill("complete");
  const { turns } = await settled([
    { outcomes, thenMs: 1 },
    { outcomes, thenMs: 1 },
  ]);
  expect(turns.filter((turn) => turn.length > 0).map((turn) => turn.length)).toEqual([50]);
});

it("abandons without waiting, after the completes that wait", async () => {
  const settlements = new Settlements(new ManualClock());
  const order: string[] = [];
  const settle = (outcome: Outcome, as: string) =>
    settlements.settle(outcome, async () => {
      order.push(as);
    });
  await settle("abandon", "first");
  await Promise.all([settle("complete", "second"), settle("abandon", "third")]);
  expect(order).toEqual(["first", "second", "third"]);
});

it("hands on the failure of a settlement that had to wait", async () => {
  const settlements = new Settlements(new ManualClock());
  const first = settlements.settle("complete", async () => undefined);
  const second = settlements.settle("abandon", () => Promise.reject(new Error("lock lost")));
  await first;
  await expect(second).rejects.toThrow("lock lost");
});
