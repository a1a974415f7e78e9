import fc from "fast-check";
import { expect, it } from "vitest";
import { backOffMs } from "../../../shared/model/outcome.ts";

it("back-off doubles, within its bounds, and is never at once", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      (attempt, random) => {
        const ms = backOffMs(attempt, () => random);
        expect(ms).toBeGreaterThanOrEqual(Math.min(500 * 2 ** (attempt - 1), 60_000) / 2);
        expect(ms).toBeLessThanOrEqual(attempt <= 27 ? 60_000 : 900_000);
      },
    ),
  );
});
