import canonicalize from "canonicalize";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { labCostOf } from "../../../../../shared/model/protocol/openai/lab-cost.ts";
import { usageOf } from "../../../../../shared/model/protocol/openai/usage.ts";
import { anyText } from "../../../any-text.ts";

const seen = (usage: unknown, more: object = {}) => {
  const told = usageOf({ usage, ...more }, { prompt: true, text: true });
  if (told === null) return null;
  const { raw: _, ...counts } = told;
  return counts;
};
const sums = (input: number | null, output: number | null, total: number | null) => ({
  input_tokens: input,
  output_tokens: output,
  total_tokens: total,
});

describe("usage", () => {
  it.each<[string, unknown, object | null]>([
    ["chat", { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }, sums(3, 4, 7)],
    ["responses", { input_tokens: 3, output_tokens: 4, total_tokens: 7 }, sums(3, 4, 7)],
    [
      "reasoning inside the output",
      {
        ...{ prompt_tokens: 3, completion_tokens: 10, total_tokens: 13 },
        completion_tokens_details: { reasoning_tokens: 6 },
      },
      { ...sums(3, 10, 13), reasoning_tokens: 6 },
    ],
    [
      "reasoning beside the output",
      {
        ...{ prompt_tokens: 3, completion_tokens: 4, total_tokens: 13 },
        completion_tokens_details: { reasoning_tokens: 6 },
      },
      { ...sums(3, 10, 13), reasoning_tokens: 6 },
    ],
    [
      "reasoning beside the output, without a total",
      { prompt_tokens: 3, completion_tokens: 4, completion_tokens_details: { reasoning_tokens: 6 } },
      { ...sums(3, 10, 13), reasoning_tokens: 6 },
    ],
    [
      "thoughts in the total alone",
      { prompt_tokens: 20, completion_tokens: 198, total_tokens: 623 },
      sums(20, 603, 623),
    ],
    ["no output, but a total", { prompt_tokens: 12, total_tokens: 49 }, sums(12, 37, 49)],
    ["no output", { prompt_tokens: 12 }, sums(12, null, null)],
    ["numbers as text", { prompt_tokens: "12", completion_tokens: "5", total_tokens: "17" }, sums(12, 5, 17)],
    ["output that is no number", { prompt_tokens: 12, completion_tokens: "five" }, sums(12, null, null)],
    ["names of another habit", { promptTokens: 12, completionTokens: 5, totalTokens: 17 }, sums(12, 5, 17)],
    [
      "nothing in particular",
      { prompt_tokens: 12, completion_tokens: 5, prompt_tokens_details: null },
      sums(12, 5, 17),
    ],
    [
      "a sum that is not told",
      { prompt_tokens: 12, completion_tokens: null, total_tokens: 17 },
      sums(12, 5, 17),
    ],
    [
      "parts under another name",
      { inputTokens: 9, outputTokens: 1, input_token_details: { cached_tokens: 4 } },
      { ...sums(9, 1, 10), cached_input_tokens: 4 },
    ],
    ["a total alone", { total_tokens: 49 }, sums(null, null, 49)],
    [
      "a total that is too small",
      { prompt_tokens: 12, completion_tokens: 5, total_tokens: 3 },
      sums(12, 5, 17),
    ],
    [
      "a relay's estimate",
      { prompt_tokens: 12, completion_tokens: 37.25, total_tokens: 49.25 },
      sums(12, 37, 49),
    ],
    ["zeros for a text", { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }, sums(null, null, null)],
    ["less than nothing", { prompt_tokens: -1, completion_tokens: 5 }, sums(null, 5, null)],
    ["more than there can be", { prompt_tokens: 1e300, completion_tokens: 5 }, sums(null, 5, null)],
    [
      "OpenAI's cache",
      {
        ...{ prompt_tokens: 2006, completion_tokens: 300, total_tokens: 2306 },
        prompt_tokens_details: { cached_tokens: 1920 },
      },
      { ...sums(2006, 300, 2306), cached_input_tokens: 1920 },
    ],
    [
      "OpenAI's cache in a response",
      {
        ...{ input_tokens: 9, output_tokens: 1, total_tokens: 10 },
        input_tokens_details: { cached_tokens: 4, cache_write_tokens: 3 },
      },
      { ...sums(9, 1, 10), cached_input_tokens: 4, cache_write_tokens: 3 },
    ],
    [
      "DeepSeek's cache",
      {
        ...{ prompt_tokens: 36100, completion_tokens: 1200, total_tokens: 37300 },
        ...{ prompt_cache_hit_tokens: 21600, prompt_cache_miss_tokens: 14500 },
        prompt_tokens_details: { cached_tokens: 0 },
      },
      { ...sums(36100, 1200, 37300), cached_input_tokens: 21600 },
    ],
    [
      "Anthropic's cache, beside the input",
      {
        ...{ input_tokens: 21, output_tokens: 393 },
        ...{ cache_creation_input_tokens: 188086, cache_read_input_tokens: 7 },
      },
      { ...sums(188114, 393, 188507), cached_input_tokens: 7, cache_write_tokens: 188086 },
    ],
    [
      "the same with a total, under other names",
      {
        ...{ prompt_tokens: 21, completion_tokens: 393, total_tokens: 188500 },
        ...{ cache_creation_input_tokens: 188086, cache_read_input_tokens: 0 },
      },
      { ...sums(188107, 393, 188500), cached_input_tokens: 0, cache_write_tokens: 188086 },
    ],
    [
      "a relay that counts Anthropic's cache inside",
      {
        ...{ prompt_tokens: 100, completion_tokens: 5, total_tokens: 105 },
        cache_read_input_tokens: 80,
      },
      { ...sums(100, 5, 105), cached_input_tokens: 80 },
    ],
    [
      "sound and pictures",
      {
        ...{ prompt_tokens: 120, completion_tokens: 300, total_tokens: 420 },
        prompt_tokens_details: { audio_tokens: 100, image_tokens: 5 },
        completion_tokens_details: { audio_tokens: 250 },
      },
      { ...sums(120, 300, 420), audio_input_tokens: 100, image_input_tokens: 5, audio_output_tokens: 250 },
    ],
    ["none", undefined, null],
    ["null", null, null],
    ["text", "12", null],
  ])("of %s", (_what, reported, expected) => {
    expect(seen(reported)).toEqual(expected);
  });

  it("is found where Groq's streams tell it", () => {
    const x_groq = { usage: { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 } };
    expect(seen(null, { x_groq })).toEqual(sums(12, 5, 17));
  });

  it("of embeddings has no output, which is known", () => {
    const usage = usageOf({ usage: { prompt_tokens: 3, total_tokens: 3 } }, { prompt: true, text: false });
    expect(usage).toMatchObject(sums(3, 0, 3));
  });

  it("names the tier that served it, unless it is the ordinary one", () => {
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    const tier = (service_tier: unknown) =>
      usageOf({ usage, service_tier }, { prompt: true, text: true })?.service_tier;
    expect(["flex", "priority", "default", "auto", "on_demand", null, 5].map(tier)).toEqual([
      "flex",
      "priority",
      ...[undefined, undefined, undefined, undefined, undefined],
    ]);
    expect(seen({ ...usage, service_tier: "batch" })).toMatchObject({ service_tier: "batch" });
  });

  it("keeps the lab's own object, if it is small", () => {
    const told = {
      prompt_tokens: 1,
      completion_tokens: 1,
      num_sources_used: 0,
      nested: { search: [1, "x"] },
    };
    expect(usageOf({ usage: told }, { prompt: true, text: true })?.raw).toEqual(told);
    const large = { ...told, list: Array.from({ length: 1000 }, (_, n) => n) };
    expect(usageOf({ usage: large }, { prompt: true, text: true })?.raw).toBeUndefined();
  });

  it("of anything at all has whole numbers or nothing, and can be stored and hashed", () => {
    const number = fc.oneof(fc.double(), fc.integer(), fc.constant(null), fc.string());
    const usage = fc.record(
      {
        ...{ prompt_tokens: number, completion_tokens: number, total_tokens: number, input_tokens: number },
        ...{ cache_read_input_tokens: number, prompt_tokens_details: fc.record({ cached_tokens: number }) },
        extra: fc.jsonValue(),
        odd: anyText,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(usage, fc.jsonValue()), (told) => {
        const found = usageOf({ usage: told }, { prompt: true, text: true });
        if (found === null) return;
        const { raw: _, service_tier: _tier, ...counts } = found;
        for (const count of Object.values(counts))
          if (count !== null) expect(Number.isSafeInteger(count) && count >= 0).toBe(true);
        expect(canonicalize(found)).toBeTypeOf("string");
      }),
    );
  });
});

describe("the lab's own figure", () => {
  it.each<[string, object, string | undefined]>([
    ["xAI's ticks", { cost_in_usd_ticks: 235021000 }, "0.0235021"],
    ["no ticks", { cost_in_usd_ticks: 0 }, "0"],
    ["OpenRouter's", { cost: 0.00012 }, "0.00012"],
    ["Perplexity's", { cost: { input_tokens_cost: 0.1, total_cost: 0.3 } }, "0.3"],
    ["what is no figure", { cost_in_usd_ticks: -1, cost: "much" }, undefined],
    ["what no call costs", { cost: 1e12 }, undefined],
    ["none", {}, undefined],
  ])("is read: %s", (_what, usage, amount) => {
    expect(labCostOf({ usage })?.amount).toBe(amount);
  });
});
