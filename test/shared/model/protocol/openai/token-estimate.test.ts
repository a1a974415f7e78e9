import fc from "fast-check";
import { expect, it } from "vitest";
import { estimateTokens } from "../../../../../shared/model/protocol/openai/token-estimate.ts";
import {
  admissionTokens,
  DEFAULT_OUTPUT_TOKENS,
  outputTokensAtMost,
} from "../../../../../shared/model/token-estimate.ts";

const CHAT = "/v1/chat/completions";
const chat = (content: unknown, more: object = {}) =>
  estimateTokens(CHAT, { model: "m", messages: [{ role: "user", content }], ...more });

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
  expect(outputTokensAtMost(chat("x"), 32_000)).toBe(32_000);
  expect(outputTokensAtMost(chat("x", { max_tokens: 10 }), 32_000)).toBe(10);
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
