import { expect, it } from "vitest";
import { decimalSum } from "../../../console/rows/decimal-sum.ts";
import {
  MAX_SERIES,
  plotted,
  rowsOf,
  shares,
  sumOf,
  sumsBy,
  ticksInWords,
  type UsageRow,
} from "../../../console/rows/usage.ts";

const row = (more: Partial<UsageRow>): UsageRow => ({
  ...{ day: "2026-11-24", tenant_id: "team-a", model: "gpt", provider: "openai", simulated: false },
  ...{ calls: 1, unknown_cost_calls: 0, usage: { input_tokens: 10, output_tokens: 5 } },
  ...{ cost: { amount: "0.1", currency: "USD" }, ...more },
});

it("decimals are summed exactly, whatever their length and sign", () => {
  expect(decimalSum(["0.1", "0.2"])).toBe("0.3");
  expect(decimalSum(["9007199254740993", "0.000000000001"])).toBe("9007199254740993.000000000001");
  expect(decimalSum(["-0.05", "0.02"])).toBe("-0.03");
  expect(decimalSum(["-1.5", "1.5"])).toBe("0.0");
  expect(decimalSum([])).toBe("0");
});

it("costs of different currencies are never put together", () => {
  const sum = sumOf("all", [
    row({}),
    row({ cost: { amount: "0.2", currency: "USD" } }),
    row({ cost: { amount: "1", currency: "EUR" } }),
    row({ cost: null, unknown_cost_calls: 2, simulated: true }),
  ]);
  expect(sum).toEqual({
    ...{ name: "all", calls: 4, unknownCostCalls: 2, inputTokens: 40, outputTokens: 20, isSimulated: true },
    costs: [
      { amount: "0.3", currency: "USD" },
      { amount: "1", currency: "EUR" },
    ],
  });
});

it("days stand in their order, models by what they cost, those without cost by their tokens", () => {
  const rows = [
    row({ day: "2026-11-25", model: "dear", cost: { amount: "2", currency: "USD" } }),
    row({ model: "cheap" }),
    row({ model: "free", cost: null }),
    row({ model: "large", cost: null, usage: { input_tokens: 900, output_tokens: 0 } }),
  ];
  expect(sumsBy(rows, "day").map(({ name }) => name)).toEqual(["2026-11-24", "2026-11-25"]);
  expect(sumsBy(rows, "model").map(({ name }) => name)).toEqual(["dear", "cheap", "large", "free"]);
});

it("calls that no lab is known of can be chosen, too", () => {
  const rows = [row({ provider: null }), row({ model: "grok", provider: "xai" })];
  expect(rowsOf(rows, "", "none")).toEqual([rows[0]]);
  expect(rowsOf(rows, "grok", "xai")).toEqual([rows[1]]);
  expect(rowsOf(rows, "grok", "none")).toEqual([]);
});

it("a plot has every day of its span, and one series for what is over the limit", () => {
  const span = { from: "2026-11-23", to: "2026-11-25" };
  const rows = Array.from({ length: MAX_SERIES + 2 }, (_, at) => row({ model: `m${at}`, calls: 10 - at }));
  const { days, series } = plotted(span, rows, "model", "calls");
  expect(days.map((day) => new Date(day * 1000).toISOString().slice(0, 10))).toEqual([
    ...["2026-11-23", "2026-11-24", "2026-11-25"],
  ]);
  expect(series.map(({ name }) => name)).toEqual(["m0", "m1", "m2", "m3", "3 others"]);
  expect(series[0]?.values).toEqual([0, 10, 0]);
  expect(series[4]?.values).toEqual([0, 6 + 5 + 4, 0]);
  expect(plotted(span, rows, "day", "tokens").series).toEqual([{ name: "all", values: [0, 105, 0] }]);
});

it("a plot of costs has those of its currency alone", () => {
  const rows = [row({}), row({ cost: { amount: "7", currency: "EUR" } })];
  const span = { from: "2026-11-24", to: "2026-11-24" };
  expect(plotted(span, rows, "day", { currency: "USD" }).series[0]?.values).toEqual([0.1]);
});

it("figures beside a plot are told apart, however small", () => {
  expect(ticksInWords([0, 0.0005, 0.001, 0.0015])).toEqual(["0.0000", "0.0005", "0.0010", "0.0015"]);
  expect(ticksInWords([0, 2.5e-7, 5e-7])).toEqual(["0.00000000", "0.00000025", "0.00000050"]);
  expect(ticksInWords([0, 0.25, 0.5])).toEqual(["0.00", "0.25", "0.50"]);
  expect(ticksInWords([0, 20_000, 40_000])).toEqual(["0", "20,000", "40,000"]);
  expect([ticksInWords([0]), ticksInWords([])]).toEqual([["0"], []]);
});

it("a budget that is overspent is full, and not more", () => {
  const period = { period: "2026-11", remaining: "0", resets_at: 0 };
  expect(shares({ ...period, limit: "10", spent: "4", reserved: "1" })).toEqual({
    spent: 0.4,
    reserved: 0.1,
  });
  expect(shares({ ...period, limit: "10", spent: "12", reserved: "1" })).toEqual({ spent: 1, reserved: 0 });
  expect(shares({ ...period, limit: "0", spent: "0", reserved: "0" })).toEqual({ spent: 1, reserved: 0 });
});
