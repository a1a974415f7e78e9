import fc from "fast-check";
import { expect, it } from "vitest";
import { Ranking } from "../../../../shared/quota/turns/ranking.ts";

it("keeps equals in the order they came", () => {
  const ranking = new Ranking<string>();
  for (const name of ["a", "b", "c"]) ranking.set(name, 1);
  ranking.set("a", 1);
  expect(ranking.first()).toBe("a");
  ranking.delete("a");
  expect(ranking.first()).toBe("b");
  ranking.set("b", 2);
  expect(ranking.first()).toBe("c");
  expect(ranking.below(2)).toEqual(["c"]);
});

it("holds what a sorted list holds, whatever is added, moved and taken out", () => {
  const event = fc.record({ item: fc.nat(40), key: fc.nat(9), goes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 400 }), (events) => {
      const ranking = new Ranking<number>();
      const plain = new Map<number, number>();
      for (const { item, key, goes } of events) {
        if (goes) ranking.delete(item);
        else ranking.set(item, key);
        if (goes) plain.delete(item);
        else plain.set(item, key);
        const least = Math.min(...plain.values());
        expect(ranking.size).toBe(plain.size);
        expect(ranking.firstKey()).toBe(least);
        const first = ranking.first();
        expect(first === undefined ? Infinity : plain.get(first)).toBe(least);
        const below = [...plain].filter(([, each]) => each < 5).map(([each]) => each);
        expect(ranking.below(5).toSorted()).toEqual(below.toSorted());
      }
    }),
    { numRuns: process.env.LONG === "1" ? 500 : 40 },
  );
});
