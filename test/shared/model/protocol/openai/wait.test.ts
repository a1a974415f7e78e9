import fc from "fast-check";
import { expect, it } from "vitest";
import { MAX_RETRY_AFTER_SECONDS } from "../../../../../shared/limits.ts";
import { refusalOf } from "../../../../../shared/model/protocol/openai/refusal.ts";
import { askedWaitMs } from "../../../../../shared/model/protocol/openai/wait.ts";

const NOW_MS = 1_800_000_000_000;
const wait = (headers: Record<string, string>, body: unknown = {}) =>
  askedWaitMs(
    new Headers(headers),
    refusalOf(typeof body === "string" ? body : JSON.stringify(body)),
    NOW_MS,
  );

it.each<[Record<string, string>, number | null]>([
  [{ "retry-after": "3" }, 3000],
  [{ "retry-after": "0.5" }, 500],
  [{ "retry-after": "7s" }, 7000],
  [{ "retry-after-ms": "250", "retry-after": "3" }, 250],
  [{ "x-ms-retry-after-ms": "250" }, 250],
  [{ "retry-after": new Date(NOW_MS + 7000).toUTCString() }, 7000],
  [{ "retry-after": new Date(NOW_MS + 7000).toISOString() }, 7000],
  [{ "retry-after": String(NOW_MS / 1000 + 7) }, 7000],
  [{ "retry-after": new Date(NOW_MS - 7000).toUTCString() }, 50],
  [{ "retry-after": "0" }, 50],
  [{ "retry-after": "86400" }, MAX_RETRY_AFTER_SECONDS * 1000],
  [{ "retry-after": "soon" }, null],
  [{ "retry-after": "30, 30" }, 30_000],
  [{ "retry-after": '"30"' }, 30_000],
  [{ "retry-after": "30 seconds" }, 30_000],
  [{ "retry-after": "1m30s" }, 90_000],
  [{ "retry-after-ms": "1500ms" }, 1500],
  [{ "retry-after": "-3" }, null],
  [{ "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s" }, 360_000],
  [{ "x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6m0s" }, null],
  [
    {
      ...{ "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1s" },
      ...{ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m1.5s" },
    },
    61_500,
  ],
  [{ "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(NOW_MS + 9000) }, 9000],
  [{ "x-ratelimit-reset": String(NOW_MS / 1000 + 9) }, 9000],
  [{ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms" }, 120],
  [{ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2M59.5S" }, 179_500],
  [{ "x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "500000us" }, 500],
  [{ "x-ratelimit-remaining-tokens-minute": "0", "x-ratelimit-reset-tokens-minute": "33.0" }, 33_000],
  [
    {
      ...{ "anthropic-ratelimit-input-tokens-remaining": "0" },
      "anthropic-ratelimit-input-tokens-reset": new Date(NOW_MS + 7000).toISOString(),
    },
    7000,
  ],
  [{ ratelimit: "limit=100, remaining=0, reset=50" }, 50_000],
  [{ ratelimit: '"default";r=0;t=50' }, 50_000],
  [{ ratelimit: '"default";r=7;t=50' }, null],
  [{ "ratelimitbysize-remaining": "0", "ratelimitbysize-reset": "39" }, 39_000],
  [{ "x-ratelimit-reset-after": "5.5" }, 5500],
  [{ "x-ratelimit-timeremaining": "30" }, 30_000],
  [{}, null],
])("headers %o", (headers, ms) => {
  expect(wait(headers)).toBe(ms);
});

it.each<[string, unknown, number | null]>([
  [
    "Google's detail",
    [
      {
        error: {
          code: 429,
          details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "34.5s" }],
        },
      },
    ],
    34_500,
  ],
  ["a field in seconds", { error: { message: "slow", retry_after: 12 } }, 12_000],
  ["OpenAI's words", { error: { message: "Rate limit reached. Please try again in 1m2s. Visit x" } }, 62_000],
  ["OpenAI's words, short", { error: { message: "Please try again in 198ms." } }, 198],
  ["Azure's words", { error: { message: "Please retry after 26 seconds. Contact Azure" } }, 26_000],
  ["words in minutes", { message: "try again in 2 minutes" }, 120_000],
  ["a field in ms", { error: { message: "slow", retry_after_ms: 1200 } }, 1200],
  ["a field of another habit", { error: { message: "slow", retryAfter: "12s" } }, 12_000],
  ["a relay's field", { error: { message: "slow", metadata: { retry_after_seconds: 12 } } }, 12_000],
  [
    "the lab's headers, in a relay's body",
    { error: { message: "slow", metadata: { headers: { "X-RateLimit-Reset": String(NOW_MS + 9000) } } } },
    9000,
  ],
  ["when it is back", { error: { type: "usage_limit_reached", resets_at: NOW_MS / 1000 + 40 } }, 40_000],
  ["a model that loads", { error: "Model x is currently loading", estimated_time: 20.0 }, 20_000],
  ["Google's words", { error: { message: "Please retry in 34.5s." } }, 34_500],
  ["words in two units", { message: "Try again in 1 minute and 30 seconds" }, 90_000],
  ["Django's words", { detail: "Request was throttled. Expected available in 12 seconds." }, 12_000],
  ["words in ms", { message: "Retry after: 500 milliseconds" }, 500],
  ["other words", { error: { message: "try again later" } }, null],
])("the body: %s", (_what, body, ms) => {
  expect(wait({}, body)).toBe(ms);
});

it("the most explicit counts", () => {
  const body = { error: { message: "try again in 5s" } };
  expect(wait({ "retry-after": "1", "x-ratelimit-remaining-tokens": "0" }, body)).toBe(1000);
});

it("whatever is said, a wait is within its bounds", () => {
  const text = fc.oneof(
    fc.string(),
    fc.double().map(String),
    fc.integer().map((n) => `${n}ms`),
    fc.date({ noInvalidDate: true }).map((d) => d.toISOString()),
  );
  fc.assert(
    fc.property(text, text, (after, reset) => {
      const headers = {
        get: (name: string) =>
          name === "retry-after"
            ? after
            : name.endsWith("reset-tokens")
              ? reset
              : name.endsWith("remaining-tokens")
                ? "0"
                : null,
      };
      const ms = askedWaitMs(headers, refusalOf(after), NOW_MS);
      if (ms !== null) expect(ms >= 50 && ms <= MAX_RETRY_AFTER_SECONDS * 1000).toBe(true);
    }),
  );
});
