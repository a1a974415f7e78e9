import { JOB_TIMEOUT } from "../../model/call-timeouts.ts";
import { illnessOf, type Outcome } from "../../model/outcome.ts";
import type { CallFault } from "../belief/breaker.ts";
import type { Taken } from "../belief/pool.ts";
import type { CallNews } from "../ports.ts";

/** A call that has ended, as a worker tells of it. */
export interface HeardCall {
  readonly deployment: string;
  readonly jobId: string;
  readonly tenantId: string;
  readonly taken: Taken;
  /** Whether the dispatcher took it. */
  readonly granted: boolean;
  /** By this instance's clock. */
  readonly sentMs: number;
  readonly latencyMs: number;
  readonly outcome: Outcome;
  /** It was refused, and is alone in that: it says nothing of the deployment. */
  readonly alone?: boolean;
}

/** The most of a lab's words: a report holds many calls. */
const MAX_FAULT_CHARS = 200;
const NO_HEADERS = { requests: null, tokens: null };

/** A job was let go, and no call came of it. */
export const NO_CALL: Omit<CallNews, "deployment" | "job_id" | "taken"> = {
  ...{ outcome: "unused", latency_ms: 0, sent_ms: null, headers: NO_HEADERS, retry_after_ms: null },
};

export function newsOf(call: HeardCall): CallNews {
  const { deployment, jobId, tenantId, taken, granted, sentMs, latencyMs, outcome } = call;
  const used = usedTokens(outcome);
  return {
    ...{ deployment, job_id: jobId, tenant_id: tenantId, taken, sent_ms: sentMs },
    outcome: outcomeOf(outcome),
    latency_ms: Math.round(latencyMs),
    ...(used === undefined ? {} : { used_tokens: used }),
    headers: ("quota" in outcome ? outcome.quota : undefined) ?? NO_HEADERS,
    retry_after_ms: "retryAfterMs" in outcome ? outcome.retryAfterMs : null,
    ...faultOf(outcome, sentMs + Math.round(latencyMs)),
    ...(granted ? {} : { straight: true }),
  };
}

function faultOf(outcome: Outcome, at_ms: number): { readonly fault?: CallFault } {
  if (outcomeOf(outcome) !== "failed" || !("message" in outcome)) return {};
  // Only operators see it.
  const { operatorWords = outcome.message } = outcome as { readonly operatorWords?: string };
  const message = operatorWords.slice(0, MAX_FAULT_CHARS).toWellFormed();
  return { fault: { illness: illnessOf(outcome) ?? "deployment_failing", message, at_ms } };
}

function usedTokens(outcome: Outcome): number | undefined {
  const { input_tokens = null, output_tokens = null } = ("usage" in outcome ? outcome.usage : null) ?? {};
  return input_tokens === null || output_tokens === null ? undefined : input_tokens + output_tokens;
}

function outcomeOf(outcome: Outcome): CallNews["outcome"] {
  if (outcome.kind === "retry" && outcome.reason === JOB_TIMEOUT) return "aborted";
  // An empty account among them: that is no limit of its rate, and a wait does not cure it.
  if (illnessOf(outcome) !== undefined) return "failed";
  switch (outcome.kind) {
    case "rate_limited":
      return "refused";
    case "retry":
      return "failed";
    case "aborted":
      return "aborted";
    default:
      return "ok";
  }
}
