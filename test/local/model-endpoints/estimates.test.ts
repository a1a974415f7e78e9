import fc from "fast-check";
import { expect, it } from "vitest";
import { latencyMs } from "../../../local/model-endpoints/latency.ts";
import { seeded, uuid } from "../../../local/model-endpoints/seeded.ts";
import { modelEndpointSettings } from "../../../local/model-endpoints/settings.ts";
import { cutToTokens, tokensOf } from "../../../local/model-endpoints/tokens.ts";

it("counts about four characters a token", () => {
  expect(tokensOf("")).toBe(0);
  expect(tokensOf("word")).toBe(1);
  expect(tokensOf("words")).toBe(2);
});

it("cuts a text to its tokens without cutting a character", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), fc.nat(20), (text, tokens) => {
      const cut = cutToTokens(text, tokens);
      expect(text.startsWith(cut)).toBe(true);
      expect(tokensOf(cut)).toBeLessThanOrEqual(tokens);
      expect(cut.isWellFormed()).toBe(true);
      if (tokensOf(text) <= tokens) expect(cut).toBe(text);
    }),
    { numRuns: 200 },
  );
});

it("takes longer for longer answers, and always the same time for the same call", () => {
  const speed = { firstTokenMs: 400, promptTokensPerSecond: 8_000, outputTokensPerSecond: 100 };
  const at = (seed: string, output: number) => latencyMs(speed, 100, output, seeded(seed));
  for (let i = 0; i < 50; i++) {
    expect(at(`${i}`, 10)).toBe(at(`${i}`, 10));
    expect(at(`${i}`, 10)).toBeGreaterThan(300);
    expect(at(`${i}`, 1_000)).toBeGreaterThan(at(`${i}`, 10) + 7_000);
  }
});

it("draws ids that look like UUIDs", () => {
  expect(uuid(seeded("a"))).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(uuid(seeded("a"))).not.toBe(uuid(seeded("b")));
});

it("reads its settings, and names one that it cannot read", () => {
  expect(modelEndpointSettings({})).toEqual({ latencyScale: 1, seed: "switchyard", limits: [] });
  expect(modelEndpointSettings({ MODEL_LATENCY_SCALE: "", MODEL_SEED: "" }).latencyScale).toBe(1);
  expect(modelEndpointSettings({ MODEL_LATENCY_SCALE: "0.5", MODEL_SEED: "7" })).toEqual({
    latencyScale: 0.5,
    seed: "7",
    limits: [],
  });
  for (const text of ["fast", "-1", "1e9", "101"]) {
    expect(() => modelEndpointSettings({ MODEL_LATENCY_SCALE: text })).toThrow("MODEL_LATENCY_SCALE");
  }
  const limits = '{"model":"gpt-sim","requests_per_minute":60,"tokens_per_minute":600,"window_seconds":1}';
  expect(modelEndpointSettings({ MODEL_LIMITS: limits }).limits).toMatchObject([
    { model: "gpt-sim", limits: { requestsPerMinute: 60, shape: "window" } },
  ]);
  for (const text of ["{", "7", '{"requests_per_minute":0}', limits.replace("model", "modle")]) {
    expect(() => modelEndpointSettings({ MODEL_LIMITS: text })).toThrow("MODEL_LIMITS");
  }
});
