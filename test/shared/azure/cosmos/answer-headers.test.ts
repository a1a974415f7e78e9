import { createHttpHeaders } from "@azure/core-rest-pipeline";
import fc from "fast-check";
import { expect, it } from "vitest";
import { AnswerHeaders } from "../../../../shared/azure/cosmos/answer-headers.ts";

const name = fc.stringMatching(/^[a-z][a-z-]{0,20}$/);
const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);

it("answers as the SDK's own headers do", () => {
  fc.assert(
    fc.property(fc.dictionary(name, value), name, value, (raw, other, text) => {
      const ours = new AnswerHeaders(raw);
      const theirs = createHttpHeaders(raw);
      const same = () => {
        expect(ours.toJSON()).toEqual(theirs.toJSON());
        expect([...ours].sort()).toEqual([...theirs].sort());
        for (const asked of [other, other.toUpperCase(), ...Object.keys(raw)]) {
          expect(ours.get(asked)).toBe(theirs.get(asked));
          expect(ours.has(asked)).toBe(theirs.has(asked));
        }
      };
      same();
      for (const headers of [ours, theirs]) headers.set(other.toUpperCase(), text);
      expect(ours.get(other)).toBe(theirs.get(other));
      for (const headers of [ours, theirs]) headers.delete(other.toUpperCase());
      same();
    }),
  );
});

it("joins a header that came more than once, and has none that an object has of itself", () => {
  const headers = new AnswerHeaders({ "set-cookie": ["a=1", "b=2"] });
  expect(headers.get("Set-Cookie")).toBe("a=1, b=2");
  expect(headers.has("constructor")).toBe(false);
});

it("hands out copies", () => {
  const raw = { etag: '"1"' };
  const headers = new AnswerHeaders(raw);
  headers.toJSON().etag = "changed";
  headers.set("etag", "set");
  expect(raw.etag).toBe('"1"');
  expect(headers.get("etag")).toBe("set");
});
