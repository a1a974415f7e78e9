import fc from "fast-check";
import { expect, it } from "vitest";
import { differing } from "../../../console/rows/difference.ts";

const marked = (other: string, text: string) =>
  differing(other, text)
    ?.map((each) => (each.isOther ? `[${each.text}]` : each.text))
    .join("");

it("marks the words that the other text does not have there", () => {
  expect(marked("The sky is blue.", "The sky is blue.")).toBe("The sky is blue.");
  expect(marked("The sky is blue.", "The evening sky is red.")).toBe("The [evening ]sky is [red.]");
  expect(marked("one two three", "three two")).toBe("three [two]");
  expect(marked("", "All new")).toBe("[All new]");
  expect(marked("All gone", "")).toBe("");
  // Only white space differs.
  expect(marked("a  b\nc", "a b c")).toBe("a b c");
});

it("loses nothing of a text, marks nothing of what is the same, and leaves long ones alone", () => {
  const text = fc.array(fc.constantFrom("a", "b", "c", " ", "\n", "  ")).map((words) => words.join(""));
  fc.assert(
    fc.property(text, text, (other, own) => {
      const stretches = differing(other, own) ?? [];
      expect(stretches.map((each) => each.text).join("")).toBe(own);
      const same = stretches.filter(({ isOther }) => !isOther).flatMap((each) => each.text.split(/\s+/));
      const words = other.split(/\s+/);
      let at = 0;
      for (const word of same.filter((each) => each !== "")) {
        at = words.indexOf(word, at) + 1;
        expect(at).toBeGreaterThan(0);
      }
      expect((differing(own, own) ?? []).every(({ isOther }) => !isOther)).toBe(true);
    }),
  );
  expect(differing("a ".repeat(1_501), "a")).toBeUndefined();
});
