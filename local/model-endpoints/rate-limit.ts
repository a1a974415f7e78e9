import type { DeploymentLimits } from "./profiles.ts";

export type Admission =
  | { readonly admitted: true; readonly headers: Readonly<Record<string, string>> }
  | {
      readonly admitted: false;
      readonly scope: "requests" | "tokens";
      readonly retryAfterMs: number;
      readonly headers: Readonly<Record<string, string>>;
    };

const MINUTE_MS = 60_000;
/** What the headers say of a deployment without limits: more than anybody sends. */
const UNLIMITED_SHOWN = 1_000_000_000;
const UNLIMITED_HEADERS = headersOf(UNLIMITED_SHOWN, UNLIMITED_SHOWN, 0, UNLIMITED_SHOWN, UNLIMITED_SHOWN, 0);

/**
 * A deployment's quota as Azure enforces it: requests over a short window, tokens over a minute. A call is let in by
 * what it may use at most (prompt estimate and max_tokens), and counts whether it then succeeds or not. Windows
 * begin with the first call after the last one ended.
 */
export class RateLimiter {
  readonly #limits: DeploymentLimits | undefined;
  readonly #windowMs: number;
  readonly #requestsPerWindow: number;
  #requestsSince = Number.NEGATIVE_INFINITY;
  #requests = 0;
  #tokensSince = Number.NEGATIVE_INFINITY;
  #tokens = 0;

  constructor(limits: DeploymentLimits | undefined) {
    this.#limits = limits;
    this.#windowMs = (limits?.windowSeconds ?? 0) * 1000;
    this.#requestsPerWindow = Math.max(
      1,
      Math.floor(((limits?.requestsPerMinute ?? 0) * this.#windowMs) / MINUTE_MS),
    );
  }

  /** @param tokens the most the call may use */
  admit(nowMs: number, tokens: number): Admission {
    const limits = this.#limits;
    if (limits === undefined) return { admitted: true, headers: UNLIMITED_HEADERS };
    if (nowMs >= this.#requestsSince + this.#windowMs) {
      this.#requestsSince = nowMs;
      this.#requests = 0;
    }
    if (nowMs >= this.#tokensSince + MINUTE_MS) {
      this.#tokensSince = nowMs;
      this.#tokens = 0;
    }
    const requestsResetMs = this.#requestsSince + this.#windowMs - nowMs;
    const tokensResetMs = this.#tokensSince + MINUTE_MS - nowMs;
    const overRequests = this.#requests >= this.#requestsPerWindow;
    const overTokens = this.#tokens + tokens > limits.tokensPerMinute;
    if (!overRequests && !overTokens) {
      this.#requests++;
      this.#tokens += tokens;
    }
    const headers = headersOf(
      limits.requestsPerMinute,
      this.#requestsPerWindow - this.#requests,
      requestsResetMs,
      limits.tokensPerMinute,
      limits.tokensPerMinute - this.#tokens,
      tokensResetMs,
    );
    if (!overRequests && !overTokens) return { admitted: true, headers };
    return overRequests
      ? { admitted: false, scope: "requests", retryAfterMs: requestsResetMs, headers }
      : { admitted: false, scope: "tokens", retryAfterMs: tokensResetMs, headers };
  }
}

function headersOf(
  limitRequests: number,
  remainingRequests: number,
  resetRequestsMs: number,
  limitTokens: number,
  remainingTokens: number,
  resetTokensMs: number,
): Readonly<Record<string, string>> {
  return {
    "x-ratelimit-limit-requests": String(limitRequests),
    "x-ratelimit-remaining-requests": String(remainingRequests),
    "x-ratelimit-reset-requests": String(Math.ceil(resetRequestsMs / 1000)),
    "x-ratelimit-limit-tokens": String(limitTokens),
    "x-ratelimit-remaining-tokens": String(remainingTokens),
    "x-ratelimit-reset-tokens": String(Math.ceil(resetTokensMs / 1000)),
  };
}
