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
