import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unitsOf } from "../../../shared/decimal.ts";
import { MAX_NESTING_LEVELS, MAX_RETRY_AFTER_SECONDS } from "../../../shared/limits.ts";
import { billOfCall, mostCostOf } from "../../../shared/model/bill.ts";
import type { Outcome } from "../../../shared/model/outcome.ts";
import { plausible } from "../../../shared/model/plausible.ts";
import { unmappable } from "../../../shared/model/protocol/openai/dialect.ts";
import { outcomeOf } from "../../../shared/model/protocol/openai/outcome.ts";
import { bodyFor } from "../../../shared/model/protocol/openai/request-body.ts";
import { readAsk } from "../../../shared/model/protocol/protocols.ts";

/** Whatever a deployment may say in numbers: none of it is believed beyond its bounds, and none of it breaks anything. */
const ENDPOINT = "/v1/chat/completions";
const price = { currency: "USD", input_per_million: 2, output_per_million: 8 };
const deployment = { price, context_tokens: 128_000, max_output_tokens: 32_768 };
const ask = readAsk(ENDPOINT, () => ({ messages: [{ role: "user", content: "Hi" }], max_tokens: 50 }));
const heard = (body: unknown, headers: Record<string, string> = {}, status = 200): Outcome => {
  const outcome = outcomeOf(
    {
      status,
      headers: { get: (name) => headers[name] ?? null },
      body: typeof body === "string" ? body : JSON.stringify(body),
    },
    { endpoint: ENDPOINT, nowMs: 1_800_000_000_000, jobId: "job_1", attempt: 1, deployment: "d" },
  );
  if (outcome.kind === "pending") throw new Error("pending");
  return outcome;
};
const completion = (usage: unknown) => ({
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Hello" } }],
  usage,
});

/** Numbers as no lab should tell them, and some as it should. */
const figure = fc.oneof(
  fc.constantFrom(0, -0, -1, 1e15, 2 ** 53, 2 ** 53 + 2, 1e300, -1e300, 5e-324, 0.5, 1e9, 1e7),
  fc.double(),
  fc.nat(200),
  fc.constantFrom("12", null, true, [], {}, "1e400"),
);

describe("usage", () => {
  const usage = fc.record(
    {
      ...{ prompt_tokens: figure, completion_tokens: figure, total_tokens: figure, input_tokens: figure },
      ...{ output_tokens: figure, cache_read_input_tokens: figure, cache_creation_input_tokens: figure },
      prompt_tokens_details: fc.record({ cached_tokens: figure, audio_tokens: figure }, { requiredKeys: [] }),
      completion_tokens_details: fc.record({ reasoning_tokens: figure }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  );
  it("costs no more than the request can have used of that deployment, or nobody knows what", () => {
    // With what a lab may put before a prompt, and reasoning beyond the limit that was asked for.
    const most = unitsOf(
      mostCostOf(
        readAsk(ENDPOINT, () => ({ messages: ["x".repeat(4_100)] })),
        deployment,
      ).amount,
    );
    fc.assert(
      fc.property(usage, (told) => {
        const { outcome, implausible } = plausible(heard(completion(told)), ask, deployment);
        const bill = billOfCall({ ...outcome, answeredMs: 0 }, price);
        if (bill === undefined) throw new Error("no bill");
        if ("cost" in bill) expect(unitsOf(bill.cost.amount) <= most).toBe(true);
        if (implausible !== null) expect(bill).toEqual({ unknown: "usage_incomplete" });
      }),
      { numRuns: 2_000 },
    );
  });
  it.each([
    ["a prompt", { prompt_tokens: 1e15, completion_tokens: 1 }],
    ["a prompt of the size of a context", { prompt_tokens: 100_000, completion_tokens: 1 }],
    ["an answer", { prompt_tokens: 8, completion_tokens: 5_000 }],
    ["a total", { prompt_tokens: 8, completion_tokens: 1, total_tokens: 1e15 }],
    [
      "reasoning",
      { prompt_tokens: 8, completion_tokens: 1e9, completion_tokens_details: { reasoning_tokens: 1e9 } },
    ],
  ])("of %s beyond what was asked is unknown, and the lab's own object stays", (_, told) => {
    const { outcome, implausible } = plausible(heard(completion(told)), ask, deployment);
    expect(implausible).not.toBeNull();
    expect(outcome).toMatchObject({ usage: { input_tokens: null, output_tokens: null, raw: told } });
  });
  it("within it is believed, with a lab's own words and reasoning beyond the limit", () => {
    for (const told of [
      { prompt_tokens: 700, completion_tokens: 50 },
      { prompt_tokens: 8, completion_tokens: 5_050, completion_tokens_details: { reasoning_tokens: 5_000 } },
    ])
      expect(plausible(heard(completion(told)), ask, deployment).implausible).toBeNull();
  });
});

describe("waits", () => {
  const text = fc.oneof(
    fc.double().map(String),
    fc.bigInt().map(String),
    fc.constantFrom("9".repeat(400), "1e400", "-1", "NaN", "Infinity", "1d1d1d", "99999999d", "0x10", ""),
    fc.string(),
    fc.date().map(String),
  );
  const headers = fc.dictionary(
    fc.constantFrom(
      ...["retry-after", "retry-after-ms", "x-ms-retry-after-ms", "x-ratelimit-reset", "ratelimit-reset"],
      ...["x-ratelimit-reset-requests", "x-ratelimit-remaining-requests", "x-ratelimit-limit-requests"],
    ),
    text,
  );
  it("are finite, and none is longer than can be asked for in one go", () => {
    fc.assert(
      fc.property(headers, text, fc.constantFrom(429, 503, 402), (told, words, status) => {
        const outcome = heard(
          { error: { message: `Please try again in ${words}s`, retryDelay: words } },
          told,
          status,
        );
        const waitMs = "retryAfterMs" in outcome ? (outcome.retryAfterMs ?? 0) : 0;
        expect(waitMs).toBeGreaterThanOrEqual(0);
        expect(waitMs).toBeLessThanOrEqual(MAX_RETRY_AFTER_SECONDS * 1000);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("answers that readers of JSON die of", () => {
  const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
  const deep = (levels: number) => JSON.stringify(completion({})).replace(/}$/, `,"x":${nested(levels)}}`);
  it.each([MAX_NESTING_LEVELS, 100_000])("are no answers: %i levels in an object", (levels) => {
    expect(heard(deep(levels))).toMatchObject({ kind: "retry", reason: "invalid_response" });
  });
  it("are kept as texts where they refuse", () => {
    const body = `{"error":{"message":"no","x":${nested(100_000)}}}`;
    expect(heard(body, {}, 400)).toMatchObject({ kind: "rejected", body: JSON.stringify(body) });
  });
  it("are answers up to the last level", () => {
    expect(heard(deep(MAX_NESTING_LEVELS - 1)).kind).toBe("completed");
  });
});

describe("values of a dialect", () => {
  const dialect = {
    ...{ rename: {}, refuse: [], roles: {} },
    values: { reasoning_effort: { low: "minimal", "[object Object]": "x", undefined: "y" } },
  };
  it("are scalars, whatever else a body holds", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.constantFrom({ toString: 1 }, ["low"], { valueOf: null })),
        (value) => {
          const body = { model: "m", reasoning_effort: value };
          const fault = unmappable(dialect, body)?.why;
          if (value === null || value === "low" || value === "undefined") expect(fault).toBeUndefined();
          else if (typeof value === "object") expect(fault).toContain("reasoning_effort");
          if (fault !== undefined) return;
          const sent = JSON.parse(
            bodyFor("/v1/chat/completions", JSON.stringify(body), { model: "n", dialect }, false),
          );
          expect(["minimal", "y", "x", null]).toContain(sent.reasoning_effort);
        },
      ),
    );
  });
});
