import type { StoredResponse } from "../../../content/content.ts";
import type { JobErrorCode } from "../../../errors.ts";
import { type Ended, isEnded, type Job } from "../../../job/job.ts";
import { responseIdOf, responseStatusOf } from "../../../job/response.ts";
import { SEAL, sealedFor } from "../../../model/protocol/encrypted.ts";
import { isObject, type JsonObject, objectOf } from "../../../model/protocol/json.ts";

/** What a request says of itself in its response, and what it is where it says nothing. */
const ECHOED: JsonObject = {
  ...{ instructions: null, max_output_tokens: null, max_tool_calls: null, metadata: {} },
  ...{ parallel_tool_calls: true, prompt_cache_key: null, reasoning: { effort: null, summary: null } },
  ...{ safety_identifier: null, service_tier: "auto", temperature: 1, text: { format: { type: "text" } } },
  ...{ tool_choice: "auto", tools: [], top_logprobs: 0, top_p: 1, truncation: "disabled", user: null },
};

const secondsOf = (ms: number) => Math.floor(ms / 1000);

/**
 * A job as the response that its client knows. The lab's answer is in it as it came, but for its name and its life, which
 * are the service's.
 * @param request as it is stored; undefined: it is erased
 */
export function responseOf(
  job: Job,
  request: JsonObject | undefined,
  answer: StoredResponse | undefined,
): JsonObject {
  const { as_response: facts } = job;
  const said = Object.fromEntries(
    Object.entries(ECHOED).map(([name, otherwise]) => [name, request?.[name] ?? otherwise]),
  );
  const answered = isEnded(job) && job.status === "completed" ? objectOf(answer?.body ?? "") : undefined;
  const { output, ...rest } = answered ?? {};
  const { completed_at: _, ...known } = rest;
  return {
    ...said,
    ...known,
    id: responseIdOf(job.job_id),
    object: "response",
    access_programs: null,
    created_at: secondsOf(job.created_at_ms),
    ...lifeOf(job, known),
    background: facts?.background ?? false,
    metadata: said.metadata,
    model: job.model,
    output: answered === undefined ? [] : sealed(output, job.deployment),
    previous_response_id: facts?.previous_response_id ?? null,
    store: facts?.store ?? true,
    usage: known.usage ?? null,
  };
}

/** What changes until it has ended. */
function lifeOf(job: Job, { incomplete_details }: JsonObject): JsonObject {
  const status = responseStatusOf(job);
  const life = { status, completed_at: null, error: null, incomplete_details: null };
  if (!isEnded(job)) return life;
  if (status === "failed") return { ...life, error: errorOf(job) };
  if (status === "completed") return { ...life, completed_at: secondsOf(job.completed_at_ms) };
  if (status === "incomplete")
    return { ...life, incomplete_details: incomplete_details ?? { reason: job.incomplete } };
  return life;
}

const INVALID: ReadonlySet<JobErrorCode> = new Set([
  "upstream_bad_request",
  "content_filtered",
  "context_length_exceeded",
]);
const SPENT: ReadonlySet<JobErrorCode> = new Set(["max_cost_reached", "budget_used_up"]);

/** One of the few codes that a response's error may have; the job's own says more, in its message. */
function errorOf({ error, attempts, status }: Ended): JsonObject {
  if (error === null) return { code: "server_error", message: `It has ended as ${status}.` };
  const { code, message } = error;
  if (INVALID.has(code)) return { code: "invalid_prompt", message };
  // What never had its turn has waited for quota.
  const isWait = SPENT.has(code) || (code === "deadline_exceeded" && attempts === 0);
  return { code: isWait ? "rate_limit_exceeded" : "server_error", message };
}

/** Items with thoughts that only the deployment they came from can read: it is named in them. */
function sealed(output: unknown, deployment: string | null): unknown[] {
  const items: unknown[] = Array.isArray(output) ? output : [];
  return items.map((item) => (isObject(item) ? sealedItem(item, deployment) : item));
}

export function sealedItem(item: JsonObject, deployment: string | null): JsonObject {
  const { encrypted_content: content } = item;
  if (typeof content !== "string" || content.startsWith(SEAL) || deployment === null) return item;
  return { ...item, encrypted_content: sealedFor(deployment, content) };
}
