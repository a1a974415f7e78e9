import { type Allowance, Bucket, FixedWindow } from "./allowance.ts";
import type { DeploymentLimits } from "./profiles.ts";

export type Admission =
  | { readonly admitted: true; readonly headers: Readonly<Record<string, string>> }
  | {
      readonly admitted: false;
      readonly scope: "requests" | "tokens";
      readonly retryAfterMs: number;
      readonly headers: Readonly<Record<string, string>>;
    };

/** Tokens are counted over a minute where nothing else is said, as Azure does. */
const TOKENS_WINDOW_SECONDS = 60;
/** What the headers say of a deployment without limits: more than anybody sends. */
const UNLIMITED_SHOWN = 1_000_000_000;
const UNLIMITED_HEADERS = headersOf(UNLIMITED_SHOWN, UNLIMITED_SHOWN, 0, UNLIMITED_SHOWN, UNLIMITED_SHOWN, 0);
const NO_HEADERS = {};

/**
 * A deployment's quota as a cloud enforces it, in the shapes that are met (DeploymentLimits): requests over a short
 * time, tokens over the same or a longer one, in buckets or in fixed windows. A call is let in by what it may use at
 * most (prompt estimate and max_tokens), and counts whether it then succeeds or not.
 */
export class RateLimiter {
  readonly #limits: DeploymentLimits | undefined;
  readonly #requests: Allowance;
  readonly #tokens: Allowance;

  constructor(limits: DeploymentLimits | undefined) {
    this.#limits = limits;
    const Shape = limits?.shape === "bucket" ? Bucket : FixedWindow;
    const stranger = limits?.strangerShare ?? 0;
    this.#requests = new Shape(limits?.requestsPerMinute ?? 0, limits?.windowSeconds ?? 1, stranger);
    const tokensSeconds = limits?.tokensWindowSeconds ?? TOKENS_WINDOW_SECONDS;
    this.#tokens = new Shape(limits?.tokensPerMinute ?? 0, tokensSeconds, stranger);
  }

  /** @param tokens the most the call may use */
  admit(nowMs: number, tokens: number): Admission {
    const limits = this.#limits;
    if (limits === undefined) return { admitted: true, headers: UNLIMITED_HEADERS };
    this.#requests.moveTo(nowMs);
    this.#tokens.moveTo(nowMs);
    const overRequests = this.#requests.left < 1;
    const admitted = !overRequests && this.#tokens.left >= tokens;
    if (admitted) this.#tokens.take(tokens);
    const retryAfterMs = overRequests ? this.#requests.waitMs(1) : this.#tokens.waitMs(tokens);
    if (admitted || limits.refusedCallsCount === true) this.#requests.take(1);
    const headers = limits.headers === false ? NO_HEADERS : this.#headers(limits);
    if (admitted) return { admitted, headers };
    return { admitted, scope: overRequests ? "requests" : "tokens", retryAfterMs, headers };
  }

  #headers(limits: DeploymentLimits): Readonly<Record<string, string>> {
    return headersOf(
      limits.requestsPerMinute,
      this.#requests.left,
      this.#requests.resetMs,
      limits.tokensPerMinute,
      this.#tokens.left,
      this.#tokens.resetMs,
    );
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
  const whole = (left: number) => String(Math.max(0, Math.floor(left)));
  const seconds = (ms: number) => String(Math.ceil(ms / 1000));
  return {
    "x-ratelimit-limit-requests": String(limitRequests),
    "x-ratelimit-remaining-requests": whole(remainingRequests),
    "x-ratelimit-reset-requests": seconds(resetRequestsMs),
    "x-ratelimit-limit-tokens": String(limitTokens),
    "x-ratelimit-remaining-tokens": whole(remainingTokens),
    "x-ratelimit-reset-tokens": seconds(resetTokensMs),
  };
}
