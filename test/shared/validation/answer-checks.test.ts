import { afterAll, expect, it } from "vitest";
import { ManualClock } from "../../../local/clock.ts";
import { ThreadChecks } from "../../../shared/validation/answer-checks.ts";
import { schemaFault, schemaOf, textsOf } from "../../../shared/validation/schema.ts";

const clock = new ManualClock();
const checks = new ThreadChecks(clock);
afterAll(() => checks.close());

const ask = (schema: unknown, ...texts: string[]) => checks.check({ schema: JSON.stringify(schema), texts });
const POINT = {
  ...{ $schema: "https://json-schema.org/draft/2020-12/schema", type: "object", required: ["x"] },
  ...{ properties: { x: { $ref: "#/$defs/n" } }, $defs: { n: { type: "number" } } },
  additionalProperties: false,
};
/** Matched in 2^40 steps. */
const ENDLESS = { type: "string", pattern: "^(a+)+$" };

it("tells whether every text holds the schema", async () => {
  expect(await ask(POINT, '{"x": 1}')).toEqual({ kind: "valid" });
  expect(await ask(POINT, '{"x": 1}', '{"x": "1"}')).toEqual({ kind: "invalid", why: "/x must be number" });
  expect(await ask(POINT, "no JSON")).toEqual({ kind: "invalid", why: "it is not JSON" });
  expect(await ask(POINT)).toEqual({ kind: "valid" });
  for (const none of [{ type: "strin" }, { $ref: "#/nowhere" }])
    expect(await ask(none, "1")).toEqual({ kind: "unavailable" });
});

it("gives up what takes over a second of CPU, and goes on with the rest meanwhile", async () => {
  await ask(POINT, "{}");
  const endless = ask(ENDLESS, JSON.stringify(`${"a".repeat(40)}b`));
  expect(await ask(POINT, '{"x": 1}')).toEqual({ kind: "valid" });
  clock.advance(999);
  const now = new Promise<string>((resolve) => setImmediate(resolve, "not yet"));
  expect(await Promise.race([endless, now])).toBe("not yet");
  // On a busy machine its thread may not have had its second by now.
  const given = endless.then((verdict) => verdict.kind);
  await expect
    .poll(() => {
      clock.advance(100);
      return Promise.race([given, new Promise((resolve) => setImmediate(resolve, "not yet"))]);
    })
    .toBe("unavailable");
  expect(await ask(POINT, '{"x": 2}')).toEqual({ kind: "valid" });
});

it("knows the schema that a body asks for, and which it does not check against", () => {
  const chat = { response_format: { type: "json_schema", json_schema: { name: "p", schema: POINT } } };
  const response = { text: { format: { type: "json_schema", name: "p", schema: POINT } } };
  expect(schemaOf("/v1/chat/completions", chat)).toBe(POINT);
  expect(schemaOf("/v1/responses", response)).toBe(POINT);
  expect(schemaOf("/v1/embeddings", chat)).toBeUndefined();
  expect(schemaFault(POINT)).toBeUndefined();
  expect(schemaFault(undefined)).toMatch(/asks for no JSON schema/);
  expect(schemaFault({ enum: ["x".repeat(65_536)] })).toMatch(/over 65536 bytes/);
  for (const remote of [{ items: [{ $ref: "https://a.example/s" }] }, { not: { $dynamicRef: "file:///x" } }])
    expect(schemaFault(remote)).toMatch(/leads out of it/);
});

it("knows the texts of an answer", () => {
  const message = (fields: object) => ({ choices: [{ message: fields }] });
  const chat = (fields: object) => textsOf("/v1/chat/completions", message(fields));
  expect(chat({ content: "{}" })).toEqual(["{}"]);
  expect(
    chat({
      content: [
        { type: "text", text: "{" },
        { type: "text", text: "}" },
      ],
    }),
  ).toEqual(["{}"]);
  expect(chat({ content: null, tool_calls: [{ id: "c" }] })).toEqual([]);
  expect(chat({ content: null, refusal: "I will not." })).toEqual([""]);
  const output = [
    { type: "reasoning", summary: [] },
    { type: "message", content: [{ type: "output_text", text: "{}" }] },
  ];
  expect(textsOf("/v1/responses", { output })).toEqual(["{}"]);
});
