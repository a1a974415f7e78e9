import fc from "fast-check";
import { expect, it } from "vitest";
import { tokensAtMost } from "../../../../../shared/model/most-tokens.ts";
import { readAsk } from "../../../../../shared/model/protocol/openai/request-ask.ts";
import { estimateTokens } from "../../../../../shared/model/protocol/openai/token-estimate.ts";
import { admissionTokens, DEFAULT_OUTPUT_TOKENS } from "../../../../../shared/model/token-estimate.ts";

const CHAT = "/v1/chat/completions";
const body = (content: unknown, more: object = {}) => ({
  ...{ model: "m", messages: [{ role: "user", content }] },
  ...more,
});
const chat = (content: unknown, more: object = {}) => estimateTokens(CHAT, body(content, more));

it("counts four bytes a token, and what frames a message", () => {
  expect(chat("x".repeat(400))).toEqual({ promptTokens: 107, outputTokensAsked: null, answers: 1 });
  expect(chat([{ type: "text", text: "x".repeat(400) }]).promptTokens).toBe(107);
  expect(estimateTokens("/v1/responses", { input: "x".repeat(400) }).promptTokens).toBe(103);
  expect(estimateTokens("/v1/responses", { instructions: "abcd", input: [] }).promptTokens).toBe(4);
});

it("counts pictures and sound by their own rules, not by their base64", () => {
  const picture = { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(100_000)}` } };
  expect(chat([picture]).promptTokens).toBe(3 + 4 + 765);
  const sound = { type: "input_audio", input_audio: { data: "A".repeat(21_000), format: "mp3" } };
  expect(chat([sound]).promptTokens).toBe(3 + 4 + 10);
});

it("counts tools and schemas with the prompt", () => {
  const tools = [{ type: "function", function: { name: "look_up", parameters: { type: "object" } } }];
  expect(chat("x", { tools }).promptTokens).toBeGreaterThan(chat("x").promptTokens + 5);
  const format = { type: "json_schema", json_schema: { name: "city", schema: { properties: { city: {} } } } };
  expect(chat("x", { response_format: format }).promptTokens).toBeGreaterThan(chat("x").promptTokens + 5);
});

it("counts embeddings by their input alone: texts, or tokens", () => {
  const embed = (input: unknown) => estimateTokens("/v1/embeddings", { input, max_tokens: 9 });
  expect(embed(["abcd", "abcd"])).toEqual({ promptTokens: 2, outputTokensAsked: null, answers: 0 });
  expect(embed([1, 2, 3]).promptTokens).toBe(3);
  expect(admissionTokens(embed("abcd"), 100)).toBe(1);
});

it.each(["max_tokens", "max_completion_tokens", "max_output_tokens"])("finds the limit in %s", (name) => {
  expect(chat("x", { [name]: 50 }).outputTokensAsked).toBe(50);
});

it("takes the largest of several limits: a server may heed any of them", () => {
  const limits = { max_completion_tokens: 1, max_tokens: 100_000, max_output_tokens: 7 };
  expect(chat("x", limits).outputTokensAsked).toBe(100_000);
});

it("takes a picture for one only as a content part of a message, and for no text beside it", () => {
  const url = `data:image/png;base64,${"A".repeat(40_000)}`;
  const picture = { type: "image_url", image_url: { url, detail: "high" } };
  expect(chat([picture]).promptTokens).toBe(3 + 4 + 765);
  const tools = [{ type: "function", function: { name: "f", parameters: { default: picture } } }];
  expect(chat("x", { tools }).promptTokens).toBeGreaterThan(10_000);
  for (const more of [{ text: "y".repeat(4_000) }, { image_url: ["y".repeat(4_000)] }])
    expect(chat([{ ...picture, ...more }]).promptTokens).toBeGreaterThan(1_000);
});

it("counts texts wherever they stand", () => {
  const text = "z".repeat(400);
  const places: object[] = [
    ...[{ prediction: { type: "content", content: text } }, { metadata: { note: text } }, { [text]: text }],
    ...[
      { messages: [{ role: text, content: "x" }] },
      { messages: [{ role: "user", content: [{ type: text }] }] },
    ],
    ...[{ messages: [{ role: "user", type: { deep: text }, content: "x" }] }, { messages: [[text]] }],
    ...[{ tools: [{ type: "function", function: { [text]: { type: text } } }] }],
    ...[{ messages: [{ role: "user", content: [{ type: "input_audio", input_audio: { note: text } }] }] }],
  ];
  for (const more of places)
    expect([more, chat("x", more).promptTokens]).toEqual([more, expect.toSatisfy((n) => n >= 100)]);
});

it("knows the most that any tokenizer makes of a prompt, but for what lies elsewhere", () => {
  const most = (more: object) =>
    tokensAtMost(
      readAsk(CHAT, () => body("x", more)),
      {},
    ).input;
  expect(most({})).toBeLessThan(100);
  expect(most({ messages: [{ role: "user", content: "日本語".repeat(1000) }] })).toBeGreaterThan(9_000);
  const elsewhere = [
    ...[{ previous_response_id: "resp_1" }, { web_search_options: {} }, { tools: [{ type: "web_search" }] }],
    ...[{ messages: [{ role: "user", content: [{ type: "file", file: { file_id: "file-1" } }] }] }],
  ];
  for (const more of elsewhere) expect(most(more)).toBeGreaterThan(1_000_000);
  const sizes = { context_tokens: 8_000 };
  expect(
    tokensAtMost(
      readAsk(CHAT, () => body("x".repeat(90_000))),
      sizes,
    ).input,
  ).toBe(8_000);
});

it("takes no request for more answers than any lab gives", () => {
  const asked = (n: unknown) => estimateTokens("/v1/chat/completions", { messages: [], n }).answers;
  expect([128, 129, 1e9, 1e300].map(asked)).toEqual([128, 128, 128, 128]);
  expect([0, -1, 1.5, "3", null].map(asked)).toEqual([1, 1, 1, 1, 1]);
});

it("admits by the longest answer, times the answers asked for", () => {
  const prompt = chat("x").promptTokens;
  expect(admissionTokens(chat("x", { max_tokens: 50, n: 3 }))).toBe(prompt + 150);
  expect(admissionTokens(chat("x", { max_tokens: 50, best_of: 2 }))).toBe(prompt + 100);
  expect(admissionTokens(chat("x"))).toBe(prompt + DEFAULT_OUTPUT_TOKENS);
  expect(admissionTokens(chat("x"), 32_000)).toBe(prompt + DEFAULT_OUTPUT_TOKENS);
  expect(admissionTokens(chat("x"), 200)).toBe(prompt + 200);
  const atMost = (more: object, sizes: object) =>
    tokensAtMost(
      readAsk(CHAT, () => body("x", more)),
      sizes,
    ).output;
  expect(atMost({}, { max_output_tokens: 32_000 })).toBe(32_000);
  expect(atMost({ max_tokens: 10, n: 3 }, { max_output_tokens: 32_000 })).toBe(30);
  expect(atMost({}, { context_tokens: 8_000 })).toBe(8_000);
  expect(atMost({}, {})).toBeGreaterThan(100_000);
});

it("gives whole numbers for any JSON, and more for more text", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), (value, text) => {
      for (const endpoint of [CHAT, "/v1/responses", "/v1/embeddings"] as const) {
        for (const body of [value, { messages: value, input: value, n: value, max_tokens: value }]) {
          const estimate = estimateTokens(endpoint, body);
          expect(Number.isSafeInteger(admissionTokens(estimate))).toBe(true);
          expect(estimate.promptTokens).toBeGreaterThanOrEqual(0);
        }
      }
      expect(chat(text + text).promptTokens).toBeGreaterThanOrEqual(chat(text).promptTokens);
    }),
  );
});
