import { expect, it } from "vitest";
import { quotaHeadersOf } from "../../../../../shared/model/protocol/openai/quota-headers.ts";

const headers = (of: Record<string, string>) => quotaHeadersOf({ get: (name) => of[name] ?? null });

it("reads what answers say of a quota", () => {
  const seconds = {
    "x-ratelimit-limit-requests": "600",
    "x-ratelimit-remaining-requests": "9",
    "x-ratelimit-reset-requests": "1",
  };
  expect(headers(seconds)).toEqual({
    requests: { per_minute: 600, left: 9, reset_ms: 1_000 },
    tokens: null,
  });
  const units = { "x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "6m0.5s" };
  expect(headers(units)?.tokens).toEqual({ per_minute: null, left: 149_984, reset_ms: 360_500 });
  expect(headers({ ...units, "x-ratelimit-reset-tokens": "20ms" })?.tokens?.reset_ms).toBe(20);
});

it("takes what it cannot read for nothing said", () => {
  expect(headers({})).toBeUndefined();
  expect(headers({ "x-ratelimit-remaining-tokens": "many" })).toBeUndefined();
  const odd = { "x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "soon" };
  expect(headers({ ...odd, "x-ratelimit-limit-tokens": "0" })?.tokens).toEqual({
    per_minute: null,
    left: 5,
    reset_ms: null,
  });
});
