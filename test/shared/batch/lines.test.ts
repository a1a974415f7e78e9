import fc from "fast-check";
import { expect, it } from "vitest";
import { type Batch, counted, LineSet, NOTHING_READ, windowSeconds } from "../../../shared/batch/batch.ts";
import { type InputLine, linesOf } from "../../../shared/batch/lines.ts";

async function* inParts(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let from = 0, n = 0; from < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? 1;
    yield bytes.subarray(from, from + size);
    from += size;
  }
}
const all = async (lines: AsyncIterable<InputLine>) => {
  const found: InputLine[] = [];
  for await (const line of lines) found.push(line);
  return found;
};

it("lines are the file's, however it comes, and go on from any of them", async () => {
  const text = fc.stringMatching(/^[ a-cé😀]{0,9}$/u);
  const lines = fc.array(fc.tuple(text, fc.constantFrom("\n", "\r\n")), { maxLength: 12 });
  const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(
      lines,
      text,
      fc.boolean(),
      sizes,
      fc.nat(12),
      async (some, last, hasMark, parts, from) => {
        const bytes = Buffer.from(
          `${hasMark ? "\ufeff" : ""}${some.map((line) => line.join("")).join("")}${last}`,
        );
        const found = await all(linesOf(inParts(bytes, parts), NOTHING_READ.cursor, 100));
        const whole = [...some.map(([line]) => line), last].map((line, at) => ({ line, at: at + 1 }));
        const expected = whole.filter(({ line }) => line.trim() !== "");
        expect(
          found.map((each) => ({ line: Buffer.from(each.bytes ?? []).toString(), at: each.line })),
        ).toEqual(expected);
        expect(found.map(({ index }) => index)).toEqual(expected.map((_, n) => n));
        const start = found[from]?.next;
        if (start === undefined) return;
        const rest = await all(linesOf(inParts(bytes.subarray(start.offset), parts), start, 100));
        expect(rest).toEqual(found.slice(from + 1));
      },
    ),
  );
});

it("a line that is too long is one, and the next is read", async () => {
  const bytes = Buffer.from(`${"x".repeat(50)}\nab\n${"y".repeat(11)}`);
  const found = await all(linesOf(inParts(bytes, [3, 8]), NOTHING_READ.cursor, 10));
  expect(found.map((each) => each.bytes && Buffer.from(each.bytes).toString())).toEqual([
    undefined,
    "ab",
    undefined,
  ]);
});

it("a set of lines has what was put into it", () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.nat(300))), (puts) => {
      let set = new LineSet();
      for (const lines of puts) set = LineSet.of(String(set.with(lines)));
      const known = new Set(puts.flat());
      for (let line = 0; line < 310; line++) expect(set.has(line)).toBe(known.has(line));
    }),
  );
});

it("counts and costs are the sums of the lines', each currency by itself", () => {
  const none = {
    isExpired: false,
    usage: null,
    cost: null,
    hasUnknownCost: false,
    isCompleted: false,
    line: 0,
  };
  const start = { completed: 1, failed: 0, expired: 0, costs: [], unknown_costs: 0 } as unknown as Batch;
  const batch = counted(
    start,
    [
      { ...none, isCompleted: true, cost: { amount: "0.1", currency: "USD" } },
      { ...none, isExpired: true, hasUnknownCost: true },
      { ...none, cost: { amount: "0.2", currency: "USD" } },
      { ...none, cost: { amount: "1", currency: "EUR" } },
    ],
    5,
  );
  expect(batch).toMatchObject({ completed: 2, failed: 3, expired: 1, unknown_costs: 1, counts_as_of_ms: 5 });
  expect(batch.costs).toEqual([
    { amount: "0.3", currency: "USD" },
    { amount: "1", currency: "EUR" },
  ]);
});

it("a window is a number of minutes, hours or days", () => {
  const day = 86_400;
  expect(["24h", "90m", "2d"].map((text) => windowSeconds(text, 7 * day))).toEqual([day, 5_400, 2 * day]);
  for (const text of ["", "h", "0h", "1", "1.5h", "8d", "24H", "-1h"])
    expect(windowSeconds(text, 7 * day)).toBeUndefined();
});
