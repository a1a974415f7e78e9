import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withModel } from "../../../../../shared/model/protocol/openai/request-body.ts";

describe("the body that is sent", () => {
  it("is the one received, but for the model", () => {
    const name = fc.string({ unit: "grapheme", minLength: 1 });
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((k) => k !== "model" && k !== "__proto__"),
          fc.jsonValue(),
        ),
        name,
        name,
        fc.nat(),
        (rest, old, model, at) => {
          const entries = Object.entries(rest);
          entries.splice(at % (entries.length + 1), 0, ["model", old]);
          const text = `{${entries.map(([k, v]) => `${JSON.stringify(k)} :\t${JSON.stringify(v)}`).join(" ,\n")} }`;
          const sent = withModel(text, model);
          expect(JSON.parse(sent)).toEqual({ ...JSON.parse(text), model });
          expect(withModel(sent, old)).toBe(text);
        },
      ),
    );
  });
});
