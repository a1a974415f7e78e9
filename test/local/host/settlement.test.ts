import fc from "fast-check";
import { expect, it } from "vitest";
import { type Outcome, Settlements } from "../../../local/host/settlement.ts";

/** Settles in the given bursts, one a turn of the event loop; returns what was settled in each turn. */
async function settled(
  bursts: readonly (readonly Outcome[])[],
): Promise<{ turns: Outcome[][]; count: number }> {
  const settlements = new Settlements();
  const turns: Outcome[][] = [[]];
  let counting = true;
  const countTurns = () => {
    turns.push([]);
    if (counting) setImmediate(countTurns);
  };
  setImmediate(countTurns);
  let count = 0;
  const all: Promise<void>[] = [];
  for (const burst of bursts) {
    for (const outcome of burst) {
      all.push(
        settlements.settle(outcome, async () => {
          turns.at(-1)?.push(outcome);
          count += 1;
        }),
      );
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(all);
  counting = false;
  return { turns, count };
}

it("never settles two ways in one turn, and leaves none out", async () => {
  const burst = fc.array(fc.constantFrom<Outcome>("complete", "abandon"), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(fc.array(burst, { maxLength: 8 }), async (bursts) => {
      const { turns, count } = await settled(bursts);
      expect(count).toBe(bursts.flat().length);
      for (const turn of turns) expect(new Set(turn).size).toBeLessThanOrEqual(1);
    }),
    { numRuns: process.env.LONG === undefined ? 100 : 2_000 },
  );
});

it("lets completes share a turn: throughput depends on it", async () => {
  const { turns } = await settled([Array<Outcome>(50).fill("complete")]);
  expect(turns[0]).toHaveLength(50);
});

it("hands on the failure of a settlement that had to wait", async () => {
  const settlements = new Settlements();
  const first = settlements.settle("complete", async () => undefined);
  const second = settlements.settle("abandon", () => Promise.reject(new Error("lock lost")));
  await first;
  await expect(second).rejects.toThrow("lock lost");
});
