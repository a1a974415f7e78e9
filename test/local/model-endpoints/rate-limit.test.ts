import fc from "fast-check";
import { expect, it } from "vitest";
import { RateLimiter } from "../../../local/model-endpoints/rate-limit.ts";

it("counts requests over its short window and says when it is over", () => {
  const limiter = new RateLimiter({ requestsPerMinute: 12, tokensPerMinute: 1_000, windowSeconds: 10 });
  expect(limiter.admit(0, 1).admitted).toBe(true);
  expect(limiter.admit(4_000, 1)).toMatchObject({
    admitted: true,
    headers: {
      "x-ratelimit-limit-requests": "12",
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-requests": "6",
      "x-ratelimit-limit-tokens": "1000",
      "x-ratelimit-remaining-tokens": "998",
      "x-ratelimit-reset-tokens": "56",
    },
  });
  expect(limiter.admit(4_500, 1)).toMatchObject({ admitted: false, scope: "requests", retryAfterMs: 5_500 });
  expect(limiter.admit(10_000, 1).admitted).toBe(true);
});

it("counts tokens over a minute by the estimate, and takes a smaller call where a larger one does not fit", () => {
  const limiter = new RateLimiter({ requestsPerMinute: 60_000, tokensPerMinute: 100, windowSeconds: 1 });
  expect(limiter.admit(0, 70).admitted).toBe(true);
  expect(limiter.admit(1_000, 40)).toMatchObject({ admitted: false, scope: "tokens", retryAfterMs: 59_000 });
  expect(limiter.admit(1_000, 30).admitted).toBe(true);
  expect(limiter.admit(60_000, 100).admitted).toBe(true);
});

const bucket = { requestsPerMinute: 600, tokensPerMinute: 540_000, windowSeconds: 1, tokensWindowSeconds: 1 };

it("refills a bucket steadily, up to what it holds", () => {
  const limiter = new RateLimiter({ ...bucket, shape: "bucket" });
  expect(limiter.admit(0, 9_000)).toMatchObject({
    admitted: true,
    headers: { "x-ratelimit-remaining-tokens": "0", "x-ratelimit-remaining-requests": "9" },
  });
  expect(limiter.admit(100, 1_000)).toMatchObject({ admitted: false, scope: "tokens", retryAfterMs: 12 });
  expect(limiter.admit(112, 1_000).admitted).toBe(true);
  expect(limiter.admit(60_000, 9_000).admitted).toBe(true);
  expect(limiter.admit(60_000, 1).admitted).toBe(false);
});

it("takes a request for a refused call where told so, and gives a stranger its share", () => {
  const strict = new RateLimiter({ ...bucket, shape: "bucket", refusedCallsCount: true });
  for (let n = 0; n < 10; n++) expect(strict.admit(0, 9_001).admitted).toBe(false);
  expect(strict.admit(0, 1)).toMatchObject({ admitted: false, scope: "requests" });
  const shared = new RateLimiter({ ...bucket, shape: "bucket", strangerShare: 0.5 });
  expect(shared.admit(0, 9_000).admitted).toBe(true);
  expect(shared.admit(1_000, 4_501).admitted).toBe(false);
  expect(shared.admit(1_000, 4_500).admitted).toBe(true);
  const window = new RateLimiter({ ...bucket, strangerShare: 0.5, headers: false });
  expect(window.admit(0, 4_500)).toEqual({ admitted: true, headers: {} });
  expect(window.admit(500, 1)).toEqual({ admitted: false, scope: "tokens", retryAfterMs: 500, headers: {} });
});

it("never lets more through a bucket than it holds and what flows in", () => {
  const call = fc.record({ afterMs: fc.nat(900), tokens: fc.integer({ min: 1, max: 9_000 }) });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 200 }), fc.boolean(), (calls, refusedCallsCount) => {
      const limiter = new RateLimiter({ ...bucket, shape: "bucket", refusedCallsCount });
      let nowMs = 0;
      let tokens = 0;
      let requests = 0;
      for (const each of calls) {
        nowMs += each.afterMs;
        if (!limiter.admit(nowMs, each.tokens).admitted) continue;
        tokens += each.tokens;
        requests++;
        expect(tokens).toBeLessThanOrEqual(9_000 + 9 * nowMs + 1e-6);
        expect(requests).toBeLessThanOrEqual(10 + nowMs / 100 + 1e-6);
      }
    }),
    { numRuns: process.env.LONG === "1" ? 2_000 : 50 },
  );
});

it("lets everything through without limits", () => {
  const limiter = new RateLimiter(undefined);
  for (let i = 0; i < 1000; i++) expect(limiter.admit(0, 1e9).admitted).toBe(true);
});

it("never admits more than its window holds, and never keeps a call waiting longer than a window", () => {
  const call = fc.record({ afterMs: fc.nat(3_000), tokens: fc.integer({ min: 1, max: 400 }) });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 200 }), fc.constantFrom(1, 10), (calls, windowSeconds) => {
      const limiter = new RateLimiter({ requestsPerMinute: 120, tokensPerMinute: 1_000, windowSeconds });
      const perWindow = 2 * windowSeconds;
      let nowMs = 0;
      const admitted: { at: number; tokens: number }[] = [];
      for (const { afterMs, tokens } of calls) {
        nowMs += afterMs;
        const admission = limiter.admit(nowMs, tokens);
        if (admission.admitted) admitted.push({ at: nowMs, tokens });
        else {
          const windowMs = admission.scope === "requests" ? windowSeconds * 1000 : 60_000;
          expect(admission.retryAfterMs).toBeGreaterThan(0);
          expect(admission.retryAfterMs).toBeLessThanOrEqual(windowMs);
        }
      }
      // Two windows can meet within a stretch as long as one.
      const within = (ms: number) => (from: number) =>
        admitted.filter(({ at }) => at >= from && at < from + ms);
      for (const { at } of admitted) {
        expect(within(windowSeconds * 1000)(at).length).toBeLessThanOrEqual(2 * perWindow);
        const tokens = within(60_000)(at).reduce((sum, each) => sum + each.tokens, 0);
        expect(tokens).toBeLessThanOrEqual(2_000);
      }
    }),
    { numRuns: process.env.LONG === "1" ? 2_000 : 50 },
  );
});
