import type { Outcome } from "../../model/outcome.ts";
import type { Taken } from "../belief/pool.ts";
import type { CallNews } from "../ports.ts";

/** A call that has ended, as a worker tells of it. */
export interface HeardCall {
  readonly deployment: string;
  readonly jobId: string;
  readonly taken: Taken;
  /** Whether the dispatcher took it. */
  readonly granted: boolean;
  /** By this instance's clock. */
  readonly sentMs: number;
  readonly latencyMs: number;
  readonly outcome: Outcome;
}

const UNAUTHORIZED = 401;
const NO_HEADERS = { requests: null, tokens: null };

/** Of a job that was let go, and no call came of it. */
export const NO_CALL: Omit<CallNews, "deployment" | "job_id" | "taken"> = {
  ...{ outcome: "unused", latency_ms: 0, sent_ms: null, headers: NO_HEADERS, retry_after_ms: null },
};

export function newsOf({
  deployment,
  jobId,
  taken,
  granted,
  sentMs,
  latencyMs,
  outcome,
}: HeardCall): CallNews {
  return {
    ...{ deployment, job_id: jobId, taken },
    outcome: outcomeOf(outcome),
    latency_ms: Math.round(latencyMs),
    sent_ms: sentMs,
    headers: ("quota" in outcome ? outcome.quota : undefined) ?? NO_HEADERS,
    retry_after_ms: "retryAfterMs" in outcome ? outcome.retryAfterMs : null,
    ...(granted ? {} : { straight: true }),
  };
}

function outcomeOf(outcome: Outcome): CallNews["outcome"] {
  switch (outcome.kind) {
    case "rate_limited":
      return "refused";
    case "retry":
      return "failed";
    case "aborted":
      return "aborted";
    case "turned_away":
      // Its key is refused: that is the deployment's fault. All else may be the request's own.
      return outcome.statusCode === UNAUTHORIZED ? "failed" : "ok";
    default:
      return "ok";
  }
}
