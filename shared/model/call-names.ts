import type { WholeAnswer } from "../exchange.ts";
import type { Retry } from "./outcome.ts";

const CALL_ID = "x-ms-client-request-id";

/** Names the call in the labs' own logs, to each lab otherwise: they cannot tell which calls are of one job. */
export function namesOf(jobName: string, callId: string, attempt: number): Record<string, string> {
  return {
    "user-agent": "Switchyard",
    // The bytes hashed are the bytes sent.
    "accept-encoding": "identity",
    [CALL_ID]: callId,
    "x-switchyard-job": jobName,
    "x-switchyard-attempt": String(attempt),
  };
}

export function headerOf({ headers }: Pick<WholeAnswer, "headers">, name: string): string | null {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : (value ?? null);
}

/** It names another request than ours: a proxy has mixed up two, or gives late what somebody else asked for. */
export function isForeign(answer: Pick<WholeAnswer, "headers">, callId: string): boolean {
  const named = headerOf(answer, CALL_ID) ?? callId;
  return named.split(",").some((each) => each.trim().toLowerCase() !== callId);
}

export function foreign(statusCode: number): Retry {
  const message = `HTTP ${statusCode}: the answer is another request's`;
  const nothing = { retryAfterMs: null, billed: "maybe", usage: null } as const;
  return { kind: "retry", reason: "foreign_answer", statusCode, message, ...nothing };
}
