import type { QuotaHeaders } from "./quota-headers.ts";
import type { Usage } from "./usage.ts";

/** How a call ended, as far as the job is concerned. */
export type Outcome = (Completed | Rejected | TurnedAway | Retry | RateLimited | TooLarge | Aborted) & {
  /** What the answer says of the deployment's quota; absent where there was none. */
  readonly quota?: QuotaHeaders;
};

export interface Completed {
  readonly kind: "completed";
  readonly statusCode: number;
  readonly requestId: string | null;
  /** The answer's JSON text, byte for byte. */
  readonly body: string;
  readonly usage: Usage | null;
}

/** The request itself is refused: no deployment of this model would take it, and not later either. */
export interface Rejected {
  readonly kind: "rejected";
  readonly code: "upstream_bad_request" | "content_filtered" | "context_length_exceeded";
  readonly statusCode: number;
  readonly requestId: string | null;
  /** The refusal's JSON text; null when it was no JSON. */
  readonly body: string | null;
  readonly message: string;
  readonly usage: Usage | null;
}

/** This deployment will not do (its key, its name, our rights): another one may. */
export interface TurnedAway {
  readonly kind: "turned_away";
  readonly statusCode: number;
  readonly message: string;
}

/** A passing fault. */
export interface Retry {
  readonly kind: "retry";
  readonly reason: string;
  readonly statusCode: number | null;
  readonly message: string;
  readonly retryAfterMs: number | null;
}

/** 429, a spent quota included: it is waited for. */
export interface RateLimited {
  readonly kind: "rate_limited";
  readonly statusCode: number;
  readonly message: string;
  readonly retryAfterMs: number | null;
}

/** More came than is read of an answer. */
export interface TooLarge {
  readonly kind: "too_large";
  readonly bytes: number;
}

export interface Aborted {
  readonly kind: "aborted";
  readonly reason: string;
}

const FIRST_BACK_OFF_MS = 500;
const MAX_BACK_OFF_MS = 60_000;

/**
 * The wait before attempt number `attempt` + 1: doubled each time, spread over its upper half, so that jobs that
 * failed together do not come back together, nor at once.
 */
export function backOffMs(attempt: number, random: () => number): number {
  const most = Math.min(FIRST_BACK_OFF_MS * 2 ** Math.max(0, attempt - 1), MAX_BACK_OFF_MS);
  return Math.ceil(most / 2 + (most / 2) * random());
}
