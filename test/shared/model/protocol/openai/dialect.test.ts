import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dialectSchema } from "../../../../../shared/model/dialect.ts";
import { inDialect, unmappable } from "../../../../../shared/model/protocol/openai/dialect.ts";
import { withModel } from "../../../../../shared/model/protocol/openai/request-body.ts";

const dialect = (change: object = {}) => dialectSchema.parse(change);
const said = (change: object, text: string) => inDialect(text, "their-model", dialect(change));

describe("a dialect", () => {
  it.each<[string, object, string, string]>([
    [
      "renames",
      { rename: { max_tokens: "max_completion_tokens" } },
      '{ "model": "m" , "max_tokens" : 1e2, "n": 1.0 }',
      '{ "model": "their-model" , "max_completion_tokens":1e2, "n": 1.0 }',
    ],
    [
      "moves a parameter into an object",
      { rename: { reasoning_effort: "reasoning.effort" } },
      '{"reasoning_effort":"low","model":"m"}',
      '{"reasoning":{"effort":"low"},"model":"their-model"}',
    ],
    [
      "and out of one",
      { rename: { "reasoning.effort": "reasoning_effort" } },
      '{"model":"m","reasoning":{ "effort" : "low" }}',
      '{"model":"their-model","reasoning_effort":"low"}',
    ],
    [
      "renames inside an object",
      { rename: { "reasoning.effort": "reasoning.level" } },
      '{"model":"m","reasoning":{"summary":"auto","effort":"low"}}',
      '{"model":"their-model","reasoning":{"summary":"auto","level":"low"}}',
    ],
    [
      "says values differently",
      { values: { reasoning_effort: { minimal: "low", low: "low" } } },
      '{"reasoning_effort":"minimal","model":"m"}',
      '{"reasoning_effort":"low","model":"their-model"}',
    ],
    [
      "gives roles their name, in messages and nowhere else",
      { roles: { developer: "system" } },
      '{"model":"m","messages":[{"role":"developer","content":"a role: developer"},{"role":"user","content":[{"role":"developer"}]}],"metadata":{"role":"developer"}}',
      '{"model":"their-model","messages":[{"role":"system","content":"a role: developer"},{"role":"user","content":[{"role":"developer"}]}],"metadata":{"role":"developer"}}',
    ],
  ])("%s", (_what, change, text, sent) => {
    expect(unmappable(dialect(change), JSON.parse(text))).toBeUndefined();
    expect(said(change, text)).toBe(sent);
  });

  it.each<[string, object, object, string]>([
    ["what it refuses", { refuse: ["stop"] }, { stop: ["x"] }, "refuses stop"],
    [
      "it inside an object",
      { refuse: ["reasoning.summary"] },
      { reasoning: { summary: "auto" } },
      "refuses reasoning.summary",
    ],
    [
      "a value it has not",
      { values: { reasoning_effort: { low: "low" } } },
      { reasoning_effort: "high" },
      "has no such reasoning_effort",
    ],
    [
      "a value by a prototype's name",
      { values: { mode: { a: "b" } } },
      { mode: "toString" },
      "has no such mode",
    ],
    [
      "both names at once",
      { rename: { max_tokens: "max_completion_tokens" } },
      { max_tokens: 1, max_completion_tokens: 2 },
      "max_tokens and max_completion_tokens are both set",
    ],
    [
      "an object that is there already",
      { rename: { reasoning_effort: "reasoning.effort" } },
      { reasoning_effort: "low", reasoning: {} },
      "reasoning_effort and reasoning.effort are both set",
    ],
    [
      "what would lose its neighbours",
      { rename: { "reasoning.effort": "reasoning_effort" } },
      { reasoning: { effort: "low", summary: "auto" } },
      "reasoning holds more than reasoning.effort",
    ],
  ])("cannot say %s", (_what, change, body, why) => {
    expect(unmappable(dialect(change), { model: "m", ...body })?.why).toBe(why);
  });

  it("bears any JSON", () => {
    const all = dialect({
      rename: { a: "b", "c.d": "e", f: "g.h" },
      refuse: ["i"],
      values: { j: { k: "l" } },
      roles: { developer: "system" },
    });
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => unmappable(all, value)).not.toThrow();
      }),
    );
  });

  it("changes nothing but what it maps, byte for byte", () => {
    const map = {
      rename: { max_tokens: "max_completion_tokens", effort: "reasoning.effort" },
      roles: { developer: "system" },
    };
    const free = fc
      .string()
      .filter(
        (name) =>
          ![
            "model",
            "max_tokens",
            "effort",
            "reasoning",
            "max_completion_tokens",
            "messages",
            "input",
            "__proto__",
          ].includes(name),
      );
    fc.assert(
      fc.property(
        fc.dictionary(free, fc.jsonValue()),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 0, max: 3 }),
        (rest, tokens, at, indent) => {
          const entries: [string, unknown][] = Object.entries(rest);
          const put = (name: string, value: unknown) =>
            entries.splice(at % (entries.length + 1), 0, [name, value]);
          put("model", "m");
          put("max_tokens", tokens);
          put("effort", "low");
          const own = JSON.stringify(Object.fromEntries(entries), null, indent);
          const sent = said(map, own);
          const { max_tokens, effort, ...others } = JSON.parse(own);
          expect(JSON.parse(sent)).toEqual({
            ...others,
            model: "their-model",
            max_completion_tokens: max_tokens,
            reasoning: { effort },
          });
          // The other members' text is found again, in its order.
          let from = 0;
          for (const [name, value] of Object.entries(others)) {
            if (name === "model") continue;
            const text = JSON.stringify({ [name]: value }, null, indent)
              .slice(1, -1)
              .trim();
            const found = sent.indexOf(text, from);
            expect(found).toBeGreaterThanOrEqual(0);
            from = found + text.length;
          }
          expect(said({}, own)).toBe(withModel(own, "their-model"));
        },
      ),
    );
  });
});
