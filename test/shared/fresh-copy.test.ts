import { beforeEach, expect, it } from "vitest";
import { FRESH_MS, type FreshCopy, freshCopy } from "../../shared/fresh-copy.ts";
import { Invocations, LOOK_EVERY_MS } from "../../shared/invocations.ts";
import { TestClock } from "./world.ts";

let clock: TestClock;
let there: number;
let here: number;
/** Looks under way: each ends when the test says so, with what was there when it began. */
let looks: (() => void)[];
let copy: FreshCopy;

beforeEach(() => {
  clock = new TestClock();
  there = 1;
  here = 0;
  looks = [];
  const read = async () => {
    const found = there;
    await new Promise<void>((resolve) => looks.push(resolve));
    here = found;
  };
  copy = freshCopy({ read, clock, believedMs: Infinity });
});
const settled = () => new Promise((resolve) => setImmediate(resolve));

it("is looked at once for all who ask at the same time, and not again while it is fresh", async () => {
  const all = [copy.fresh(), copy.fresh(), copy.fresh()];
  expect(looks).toHaveLength(1);
  looks[0]?.();
  await Promise.all(all);
  clock.advance(FRESH_MS);
  await copy.fresh();
  expect(looks).toHaveLength(1);
});

it("is not taken for fresh after a look that was under way as the process was frozen", async () => {
  const before = copy.fresh();
  // Its answer is here already; it is read when the process goes on.
  clock.advance(3_600_000);
  there = 2;
  const after = copy.fresh();
  looks[0]?.();
  await before;
  await settled();
  expect([here, looks.length]).toEqual([1, 2]);
  looks[1]?.();
  await after;
  expect(here).toBe(2);
});

it("is read anew for whoever has just changed it, though a look is under way", async () => {
  const under = copy.fresh();
  there = 2;
  const changed = copy.look();
  looks[0]?.();
  await under;
  await settled();
  looks[1]?.();
  await changed;
  expect(here).toBe(2);
});

it("is looked at while invocations run, and not outside of them; the last one tells what is left to tell", async () => {
  const done: string[] = [];
  const invocations = new Invocations({
    clock,
    fresh: async () => void done.push("fresh"),
    look: async () => void done.push("look"),
    flush: async () => void done.push("flush"),
  });
  const ends: (() => void)[] = [];
  const work = () => new Promise<void>((resolve) => ends.push(resolve));
  const [one, two] = [invocations.run(work), invocations.run(work)];
  await settled();
  clock.advance(2 * LOOK_EVERY_MS);
  ends[0]?.();
  await one;
  expect(done).toEqual(["fresh", "fresh", "look", "look"]);
  ends[1]?.();
  await two;
  expect(done.at(-1)).toBe("flush");
  clock.advance(600_000);
  expect(done).toHaveLength(5);
  // Whatever becomes of it.
  await expect(invocations.run(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(done.slice(5)).toEqual(["fresh", "flush"]);
});
