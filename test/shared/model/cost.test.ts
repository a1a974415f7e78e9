import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { billOfCall } from "../../../shared/model/bill.ts";
import { addCosts, billOf, costAtMost, costNow } from "../../../shared/model/cost.ts";
import type { Outcome } from "../../../shared/model/outcome.ts";
import { type Price, priceSchema } from "../../../shared/model/price.ts";
import { plainUsage, type Usage } from "../../../shared/model/usage.ts";

const price = (more: object = {}): Price =>
  priceSchema.parse({ currency: "USD", input_per_million: 1, output_per_million: 10, ...more });
const AT = Date.UTC(2026, 10, 25, 12); // a Wednesday
const amount = (usage: Usage, by: Price = price(), atMs = AT) => {
  const bill = billOf(usage, by, atMs);
  return "cost" in bill ? bill.cost.amount : bill.unknown;
};
const used = (input: number, output: number, parts: Partial<Usage> = {}) => ({
  ...plainUsage(input, output),
  ...parts,
});

describe("a bill", () => {
  it("is exact, as a decimal", () => {
    const by = (input: number, output: number) =>
      price({ input_per_million: input, output_per_million: output });
    expect(amount(used(1, 0), by(0.1, 0))).toBe("0.0000001");
    expect(amount(used(3, 7), by(0.1, 0.2))).toBe("0.0000017");
    expect(amount(used(1_000_000, 1_000_000), by(3, 15))).toBe("18");
    expect(amount(used(0, 0), by(3, 15))).toBe("0");
    expect(amount(used(1, 0), by(1e-7, 0))).toBe("0.0000000000001");
  });

  it("of a sum is the sum of bills", () => {
    const tokens = fc.nat({ max: 10_000_000 });
    const cents = fc.nat({ max: 100_000 }).map((n) => n / 100);
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, cents, cents, (a, b, c, d, input, output) => {
        const by = price({ input_per_million: input, output_per_million: output });
        const together = billOf(used(a + c, b + d), by, AT);
        const [first, second] = [billOf(used(a, b), by, AT), billOf(used(c, d), by, AT)];
        if (!("cost" in together && "cost" in first && "cost" in second)) throw new Error("unknown");
        expect(addCosts(first.cost, second.cost)).toEqual(together.cost);
      }),
    );
  });

  it.each<[string, Usage, object, string]>([
    [
      "cached input at its own price",
      used(2006, 300, { cached_input_tokens: 1920 }),
      { cached_input_per_million: 0.1 },
      "0.003278",
    ],
    [
      "cached input as other input where there is none",
      used(2006, 300, { cached_input_tokens: 1920 }),
      {},
      "0.005006",
    ],
    [
      "what is written to the cache",
      used(188107, 393, { cache_write_tokens: 188086 }),
      { cache_write_per_million: 1.25 },
      "0.2390585",
    ],
    [
      "sound",
      used(120, 300, { audio_input_tokens: 100, audio_output_tokens: 250 }),
      { audio_input_per_million: 40, audio_output_per_million: 80 },
      "0.02452",
    ],
    ["pictures", used(1000, 0, { image_input_tokens: 900 }), { image_input_per_million: 5 }, "0.0046"],
    ["sound without a price", used(120, 300, { audio_input_tokens: 100 }), {}, "price_missing: audio input"],
    [
      "an answer in sound without a price",
      used(120, 300, { audio_output_tokens: 1 }),
      { audio_input_per_million: 1 },
      "price_missing: audio output",
    ],
    ["reasoning as output", used(10, 100, { reasoning_tokens: 90 }), {}, "0.00101"],
    ["no known output", { ...used(10, 0), output_tokens: null }, {}, "usage_incomplete"],
    ["no known input", { ...used(0, 10), input_tokens: null }, {}, "usage_incomplete"],
    ["parts that are more than the whole", used(10, 1, { cached_input_tokens: 11 }), {}, "usage_incomplete"],
    [
      "another tier of service",
      used(1000, 1000, { service_tier: "flex" }),
      { service_tiers: { flex: { input_per_million: 0.5, output_per_million: 5 } } },
      "0.0055",
    ],
    [
      "a tier without a price",
      used(1, 1, { service_tier: "priority" }),
      {},
      "price_missing: service tier priority",
    ],
    [
      "what is not above a tier's length",
      used(1000, 1),
      { tiers: [{ above_input_tokens: 1000, input_per_million: 2 }] },
      "0.00101",
    ],
    [
      "the highest tier that the input is above",
      used(3001, 0),
      {
        tiers: [
          { above_input_tokens: 3000, input_per_million: 4 },
          { above_input_tokens: 1000, input_per_million: 2 },
        ],
      },
      "0.012004",
    ],
  ])("knows %s", (_what, usage, more, expected) => {
    expect(amount(usage, price(more))).toBe(expected);
  });

  it.each<[string, string | undefined, number, boolean]>([
    ["before it begins", undefined, Date.UTC(2026, 10, 25, 16, 29), false],
    ["when it begins", undefined, Date.UTC(2026, 10, 25, 16, 30), true],
    ["after midnight", undefined, Date.UTC(2026, 10, 26, 0, 29), true],
    ["when it ends", undefined, Date.UTC(2026, 10, 26, 0, 30), false],
    ["on its day", "wed", Date.UTC(2026, 10, 25, 17), true],
    ["after midnight of its day", "wed", Date.UTC(2026, 10, 26, 0, 10), true],
    ["on another day", "wed", Date.UTC(2026, 10, 26, 17), false],
    ["after midnight of the day before", "wed", Date.UTC(2026, 10, 25, 0, 10), false],
  ])("has its window's price: %s", (_when, day, atMs, inside) => {
    const window = { from: "16:30", to: "00:30", input_per_million: 0.5, ...(day ? { days: [day] } : {}) };
    expect(amount(used(1_000_000, 0), price({ windows: [window] }), atMs)).toBe(inside ? "0.5" : "1");
  });

  it("is never more than was reckoned with at most", () => {
    const rate = fc.nat({ max: 1000 }).map((n) => n / 10);
    const change = fc.record({ input_per_million: rate, output_per_million: rate }, { requiredKeys: [] });
    const tokens = fc.nat({ max: 100_000 });
    const prices = fc.record(
      {
        currency: fc.constant("USD"),
        ...{ input_per_million: rate, output_per_million: rate },
        ...{
          cached_input_per_million: fc.constant(0),
          cache_write_per_million: rate,
          image_input_per_million: rate,
        },
        tiers: fc.array(
          change.map((c) => ({ above_input_tokens: 50_000, ...c })),
          { maxLength: 2 },
        ),
        windows: fc.array(
          change.map((c) => ({ from: "08:00", to: "20:00", ...c })),
          { maxLength: 2 },
        ),
        service_tiers: change.map((flex) => ({ flex })),
      },
      { requiredKeys: ["currency", "input_per_million", "output_per_million"] },
    );
    fc.assert(
      fc.property(
        prices,
        tokens,
        tokens,
        fc.nat({ max: 86_400_000 }),
        fc.boolean(),
        fc.nat({ max: 4 }),
        (by, input, output, atMs, flex, fifth) => {
          const serviceTier = flex ? "flex" : undefined;
          const part = Math.floor((input * fifth) / 8);
          const usage = used(input, output, {
            ...{ cached_input_tokens: part, cache_write_tokens: part, image_input_tokens: 0 },
            ...(flex ? { service_tier: "flex" } : {}),
          });
          const expected = { input, output, serviceTier };
          const bill = amount(usage, by as Price, atMs);
          if (bill.startsWith("price_missing")) return;
          expect(Number(bill)).toBeLessThanOrEqual(
            Number(costAtMost(expected, by as Price, false).amount) + 1e-9,
          );
          expect(Number(costNow(expected, by as Price, atMs).amount)).toBeLessThanOrEqual(
            Number(costAtMost(expected, by as Price, false).amount) + 1e-9,
          );
        },
      ),
    );
  });
});

it("reckons with sound at its own price, where there is sound", () => {
  const by = price({ audio_input_per_million: 40, audio_output_per_million: 80 });
  const most = (audio: boolean) =>
    costAtMost({ input: 1000, output: 1000, serviceTier: undefined }, by, audio);
  expect([most(false).amount, most(true).amount]).toEqual(["0.011", "0.12"]);
});

describe("a price", () => {
  it.each<[string, object]>([
    ["no time of day", { windows: [{ from: "24:30", to: "01:00" }] }],
    ["a day in words of its own", { windows: [{ days: ["monday"], from: "01:00", to: "02:00" }] }],
    ["a tier without a length", { tiers: [{ input_per_million: 1 }] }],
    ["less than nothing", { cached_input_per_million: -1 }],
    ["a kind that nobody knows", { video_input_per_million: 1 }],
  ])("is refused with %s", (_what, more) => {
    expect(priceSchema.safeParse({ ...price(), ...more }).success).toBe(false);
  });
});

describe("sums of costs", () => {
  it("leave out what is not known, and refuse two currencies", () => {
    const usd = (value: string) => ({ amount: value, currency: "USD" });
    expect(addCosts(usd("0.1"), usd("0.2"))).toEqual(usd("0.3"));
    expect(addCosts(null, usd("1"))).toEqual(usd("1"));
    expect(() => addCosts(usd("1"), { amount: "1", currency: "EUR" })).toThrow(RangeError);
  });
});

describe("a call's bill", () => {
  const failed = { statusCode: 500, message: "no", retryAfterMs: null, usage: null } as const;
  const completed = { kind: "completed", statusCode: 200, requestId: null, body: "{}" } as const;
  it.each<[string, Outcome, object | undefined]>([
    [
      "what its usage costs",
      { ...completed, usage: plainUsage(10, 5) },
      { cost: { amount: "0.00006", currency: "USD" } },
    ],
    [
      "unknown without usage",
      { ...completed, usage: null, answeredMs: AT },
      { unknown: "usage_not_reported" },
    ],
    [
      "nothing for a broken server",
      { kind: "retry", reason: "http_500", billed: "no", ...failed },
      undefined,
    ],
    [
      "unknown for an answer that never came",
      { kind: "retry", reason: "call_timeout", billed: "maybe", ...failed },
      { unknown: "no_answer" },
    ],
    [
      "unknown for an aborted call",
      { kind: "aborted", reason: "deadline", billed: "maybe" },
      { unknown: "no_answer" },
    ],
    [
      "nothing for a call aborted before it was sent",
      { kind: "aborted", reason: "x", billed: "no" },
      undefined,
    ],
    ["unknown for one that is too large", { kind: "too_large", bytes: 1 }, { unknown: "no_answer" }],
    ["nothing for a 429", { kind: "rate_limited", cause: "rate", ...failed }, undefined],
    [
      "what a broken answer says it used",
      { kind: "retry", reason: "no_answer", billed: "maybe", ...failed, usage: plainUsage(1, 0) },
      { cost: { amount: "0.000001", currency: "USD" } },
    ],
  ])("is %s", (_what, outcome, expected) => {
    expect(billOfCall(outcome, price())).toEqual(expected);
  });
});
