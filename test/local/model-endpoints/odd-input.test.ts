import fc from "fast-check";
import { expect, it } from "vitest";
import { valueForSchema } from "../../../local/model-endpoints/json-answer.ts";
import { passageOf } from "../../../local/model-endpoints/passage.ts";
import { seeded } from "../../../local/model-endpoints/seeded.ts";
import { endpoints, ISHMAEL } from "./endpoints.ts";

const NAMES = [
  "messages, role, content, type, text, input, tools, function, name, parameters, tool_choice, response_format",
  "json_schema, schema, properties, items, enum, minItems, format, stop, n, temperature, max_tokens, reasoning, effort",
  "stream, constructor, __proto__, image_url, dimensions, encoding_format, $ref, anyOf, allOf",
].flatMap((line) => line.split(", "));
const WORDS =
  "user, system, function, required, object, array, string, text, json_object, json_schema, #, base64";

/** JSON in which the protocol's own words come up in the wrong places. */
const odd = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, 0, 1, -1, 1e9, 0.5, ...WORDS.split(", "), "x [[sim:", '"""', "\n\n"),
    fc.string(),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.dictionary(fc.constantFrom(...NAMES), tie("value"), { maxKeys: 6 }),
}));

it("answers any JSON with JSON, and never with a fault of its own", async () => {
  const failures: string[] = [];
  const { post } = await endpoints({ log: ({ reason }) => failures.push(reason) });
  const TARGETS = [
    ["/openai/v1/chat/completions", "gpt-sim", { messages: [{ role: "user", content: ISHMAEL }] }],
    ["/xai/v1/responses", "grok-sim", { input: ISHMAEL }],
    ["/openai/v1/embeddings", "embed-sim", { input: "a" }],
    ["/deepseek/v1/chat/completions", "deepseek-sim", {}],
  ] as const;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...TARGETS), odd.object, async ([path, model, base], body) => {
      const response = await post(path, { ...base, ...(body as object), model });
      expect([200, 400, 404]).toContain(response.status);
      expect(await response.json()).toBeTypeOf("object");
    }),
    { numRuns: process.env.LONG === "1" ? 20_000 : 300 },
  );
  expect(failures).toEqual([]);
});

it("makes of any schema a value that can be written as JSON, of bounded size", () => {
  fc.assert(
    fc.property(odd.object, (schema) => {
      const value = valueForSchema(schema as Record<string, unknown>, passageOf("", ISHMAEL), seeded("a"));
      expect((JSON.stringify(value) ?? "").length).toBeLessThan(3_000_000);
    }),
    { numRuns: process.env.LONG === "1" ? 20_000 : 300 },
  );
  const greedy = {
    type: "array",
    minItems: 1e9,
    items: { type: "array", minItems: 1e9, items: { $ref: "#" } },
  };
  const value = valueForSchema(greedy, passageOf("", ISHMAEL), seeded("a"));
  expect(JSON.stringify(value).length).toBeLessThan(100_000);
});

it("reads a prompt full of half-written directives in no time", async () => {
  const { post } = await endpoints();
  const content = "[[sim:".repeat(50_000);
  const response = await post("/openai/v1/chat/completions", {
    model: "gpt-sim",
    messages: [{ role: "user", content }],
  });
  expect(response.status).toBe(200);
});
