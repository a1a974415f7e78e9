import type { Endpoint } from "../../../../../shared/model/endpoint.ts";
import type { Outcome } from "../../../../../shared/model/outcome.ts";
import { outcomeOf } from "../../../../../shared/model/protocol/openai/outcome.ts";
import type { Pending } from "../../../../../shared/model/protocol/protocol.ts";

const NOW_MS = 1_800_000_000_000;
const CHAT: Endpoint = "/v1/chat/completions";

/** What an answer means. @param body JSON, or text as it is */
export function meaning(
  status: number,
  body: unknown = {},
  { headers = {}, endpoint = CHAT, ticket }: { headers?: object; endpoint?: Endpoint; ticket?: string } = {},
): Outcome | Pending {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const asked = {
    endpoint,
    nowMs: NOW_MS,
    jobId: "job_1",
    attempt: 1,
    deployment: "d",
    ...(ticket === undefined ? {} : { ticket }),
  };
  return outcomeOf({ status, headers: new Headers({ ...headers }), body: text }, asked);
}

/** `rejected/content_filtered`, `turned_away/account_empty`, `retry/http_500`, …: what a job does with it. */
export function verdict(outcome: Outcome | Pending): string {
  switch (outcome.kind) {
    case "rejected":
      return `rejected/${outcome.code}`;
    case "turned_away":
    case "rate_limited":
      return `${outcome.kind}/${outcome.cause}`;
    case "retry":
      return `${outcome.kind}/${outcome.reason}`;
    default:
      return outcome.kind;
  }
}
export const words = (outcome: Outcome | Pending) => ("message" in outcome ? outcome.message : "");
