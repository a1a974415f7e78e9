import { clamped } from "../../../bounds.ts";
import type { LimitHeaders, QuotaHeaders } from "../../quota-headers.ts";
import { numberOf, untilMs } from "./durations.ts";

interface Headers {
  get(name: string): string | null;
}

/** Beyond any quota there is: what a header says is kept within it. */
const MAX_LIMIT = 1e12;
const MAX_RESET_MS = 86_400_000;

/**
 * What an answer's `x-ratelimit-*` headers say. `limit` is by the minute; `reset` is in seconds, or in the form
 * `1m30s`, `200ms` that OpenAI uses, or a time. Undefined: they say nothing.
 * @param nowMs where a reset may be given as a time
 */
export function quotaHeadersOf(headers: Headers, nowMs = 0): QuotaHeaders | undefined {
  const requests = limitOf(headers, "requests", nowMs);
  const tokens = limitOf(headers, "tokens", nowMs);
  return requests === null && tokens === null ? undefined : { requests, tokens };
}

function limitOf(headers: Headers, kind: "requests" | "tokens", nowMs: number): LimitHeaders | null {
  const left = numberOf(headers.get(`x-ratelimit-remaining-${kind}`));
  if (left === null) return null;
  const limit = numberOf(headers.get(`x-ratelimit-limit-${kind}`));
  const resetMs = untilMs(headers.get(`x-ratelimit-reset-${kind}`), nowMs);
  return {
    per_minute: limit === null || limit <= 0 ? null : Math.min(limit, MAX_LIMIT),
    left: clamped(left, -MAX_LIMIT, MAX_LIMIT),
    reset_ms: resetMs === null ? null : Math.min(resetMs, MAX_RESET_MS),
  };
}
