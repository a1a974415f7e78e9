import type { LimitHeaders, QuotaHeaders } from "../../quota-headers.ts";

interface Headers {
  get(name: string): string | null;
}

/**
 * What an answer's `x-ratelimit-*` headers say. `limit` is by the minute; `reset` is in seconds, or in the form
 * `1m30s`, `200ms` that OpenAI uses. Undefined: they say nothing.
 */
export function quotaHeadersOf(headers: Headers): QuotaHeaders | undefined {
  const requests = limitOf(headers, "requests");
  const tokens = limitOf(headers, "tokens");
  return requests === null && tokens === null ? undefined : { requests, tokens };
}

function limitOf(headers: Headers, kind: "requests" | "tokens"): LimitHeaders | null {
  const left = numberOf(headers.get(`x-ratelimit-remaining-${kind}`));
  if (left === null) return null;
  const limit = numberOf(headers.get(`x-ratelimit-limit-${kind}`));
  return {
    per_minute: limit === null || limit <= 0 ? null : limit,
    left,
    reset_ms: durationMs(headers.get(`x-ratelimit-reset-${kind}`)),
  };
}

function numberOf(text: string | null): number | null {
  return text !== null && /^\s*-?\d+(\.\d+)?\s*$/.test(text) ? Number(text) : null;
}

const UNIT_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

function durationMs(text: string | null): number | null {
  if (text === null) return null;
  const seconds = numberOf(text);
  if (seconds !== null) return Math.max(0, seconds * 1000);
  if (!/^(\d+(\.\d+)?(ms|[dhms]))+$/.test(text)) return null;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[dhms])/g))
    sum += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  return sum;
}
