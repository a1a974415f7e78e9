import fc from "fast-check";
import { expect, it } from "vitest";
import { lostNumber } from "../../shared/exact-number.ts";

it.each([
  ["1", undefined],
  ["-0", undefined],
  ["1.50", undefined],
  ["1e21", undefined],
  ["0.1", undefined],
  ["9007199254740992", undefined],
  ["9007199254740993", "9007199254740993e0"],
  ["-90071992547409930e-1", "-9007199254740993e0"],
  ["0.1000000000000000055511151231257827", "1000000000000000055511151231257827e-34"],
])("%s", (text, lost) => {
  expect(lostNumber(text)).toBe(lost);
});

it("loses nothing of what JavaScript writes itself", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(lostNumber(JSON.stringify(value))).toBeUndefined();
    }),
  );
});

it("tells any two whole numbers apart that are read as one", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 2n ** 60n, max: 2n ** 80n }),
      fc.bigInt({ min: 1n, max: 100n }),
      (n, more) => {
        const [one, other] = [String(n), String(n + more)];
        if (Number(one) === Number(other)) expect(lostNumber(one)).not.toBe(lostNumber(other));
      },
    ),
  );
});
