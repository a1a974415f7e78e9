/**
 * Every error a client can meet, once: its stable `code`, the HTTP status it is answered with (or, for a job's
 * own `error.code`, `null`), and what the caller can do. docs/api.md is generated from this table, and a test
 * holds that no other code is ever used.
 */
export const ERRORS = {
  // The request itself
  invalid_json: { status: 400, title: "The body is not valid JSON", advice: "Send one JSON value in UTF-8." },
  invalid_request: {
    status: 400,
    title: "The request is not valid",
    advice: "Correct every fault listed in `faults`; each names the path it is about.",
  },
  nesting_too_deep: {
    status: 400,
    title: "The JSON is nested too deeply",
    advice: "Nest at most 64 levels.",
  },
  too_many_values: {
    status: 400,
    title: "The JSON holds too many values",
    advice: "Send at most 50,000 values and members; a long list of token numbers may be sent as text.",
  },
  stream_not_supported: {
    status: 400,
    title: "Streaming is not supported",
    advice: "Leave out `stream`, or set it to false; poll the job instead.",
  },
  endpoint_not_supported: {
    status: 400,
    title: "The model does not serve this endpoint",
    advice: "See `endpoints` in GET /api/models.",
  },
  capability_not_supported: {
    status: 400,
    title: "No deployment of the model supports all that the body asks for",
    advice: "See `capabilities` in GET /api/models.",
  },
  unsupported_media_type: {
    status: 415,
    title: "The content type is not supported",
    advice: "Send `Content-Type: application/json`.",
  },
  request_too_large: {
    status: 413,
    title: "The request is too large",
    advice: "Send at most 8 MiB.",
  },
  file_too_large: {
    status: 413,
    title: "The file is too large",
    advice: "Send at most 200 MB, or what MAX_FILE_MB allows.",
  },
  file_limit_reached: {
    status: 403,
    title: "The tenant has as many files as it may",
    advice: "Delete files that are not needed any more, or let them expire.",
  },
  file_not_found: {
    status: 404,
    title: "There is no such file",
    advice: "Check the id. A file of another tenant, and one that has expired, is not found either.",
  },
  batch_not_found: {
    status: 404,
    title: "There is no such batch",
    advice: "Check the id. A batch of another tenant is not found either.",
  },
  batch_ended: {
    status: 409,
    title: "The batch has ended",
    advice: "Its results are in its files.",
  },
  idempotency_key_reused: {
    status: 422,
    title: "The idempotency key was used with another envelope",
    advice: "Use a new key for a new job, or send the same envelope again.",
  },
  // Who asks
  missing_credential: {
    status: 401,
    title: "No credential was sent",
    advice: "Send `Authorization: Bearer …` or `api-key: …`.",
  },
  invalid_credential: {
    status: 401,
    title: "The credential is not valid",
    advice: "Check the key, or get a new token for this service's audience.",
  },
  forbidden: {
    status: 403,
    title: "This credential may not do that",
    advice: "Jobs belong to tenants, /api/ops to operators: use the other kind of credential.",
  },
  model_not_allowed: {
    status: 403,
    title: "The tenant may not use this model",
    advice: "See GET /api/models for the models this tenant may use.",
  },
  // What is asked for
  model_not_found: {
    status: 404,
    title: "No such model",
    advice: "See GET /api/models for the models there are.",
  },
  job_not_found: { status: 404, title: "No such job", advice: "Check the id and the credential." },
  route_not_found: { status: 404, title: "No such route", advice: "See GET /api/openapi.json." },
  method_not_allowed: {
    status: 405,
    title: "The route does not take this method",
    advice: "See GET /api/openapi.json.",
  },
  dead_letter_not_found: {
    status: 404,
    title: "No such dead letter",
    advice: "See GET /api/ops/dead-letters; letters are kept for 90 days.",
  },
  operation_not_found: {
    status: 404,
    title: "No such operation",
    advice: "Operations are kept for 90 days.",
  },
  dead_letter_unreadable: {
    status: 409,
    title: "The dead letter names no job",
    advice: "Nothing can be redriven: the message was no nudge. Find out who sends to the queue.",
  },
  request_gone: {
    status: 410,
    title: "The job's request is gone",
    advice:
      "It was erased or its time was over, so no new job can be made of it: the tenant submits it again.",
  },
  job_ended: {
    status: 409,
    title: "The job has already ended",
    advice: "Nothing is left to cancel; GET the job for its result.",
  },
  none_waits: {
    status: 409,
    title: "No job waits for it",
    advice: "A probe is a real job: there is none to send.",
  },
  nothing_to_retry: {
    status: 409,
    title: "Nothing is left to retry",
    advice: "What has been answered is not made again: submit it anew where another answer is wanted.",
  },
  batch_not_ended: {
    status: 409,
    title: "The batch has not ended",
    advice: "Cancel it first, or wait until it ends.",
  },
  job_not_ended: {
    status: 409,
    title: "The job has not ended",
    advice: "Cancel it first, or wait until it ends.",
  },
  too_many_requests: {
    status: 429,
    title: "Too many requests",
    advice: "Try again after `Retry-After` seconds; nothing was accepted.",
  },
  budget_exceeded: {
    status: 402,
    title: "The tenant's budget is spent",
    advice:
      "Nothing was accepted. Submit it again after `Retry-After` seconds, or have the budget raised; GET /api/usage shows it.",
  },
  max_cost_too_low: {
    status: 402,
    title: "The job may cost more than its `max_cost`",
    advice:
      "Raise `max_cost`, shorten the prompt, or limit the answer (`max_tokens`); `detail` tells what may be billed.",
  },
  comparison_not_found: {
    status: 404,
    title: "No such comparison",
    advice: "Check the id and the credential.",
  },
  comparison_ended: {
    status: 409,
    title: "The comparison has already ended",
    advice: "Nothing is left to cancel; GET it for its answers.",
  },
  comparison_not_ended: {
    status: 409,
    title: "The comparison has not ended",
    advice: "Cancel it first, or wait until it ends.",
  },
  webhook_endpoint_not_found: {
    status: 404,
    title: "No such webhook endpoint",
    advice: "See GET /openai/v1/webhook_endpoints for the endpoints there are.",
  },
  too_many_webhook_endpoints: {
    status: 409,
    title: "There are as many webhook endpoints as there may be",
    advice: "Delete one, or give one more event types: a tenant has 8 at most.",
  },
  webhook_not_reached: {
    status: 400,
    title: "The webhook endpoint did not answer",
    advice: "`detail` tells why. Check its URL, its certificate and its network.",
  },
  delivery_not_found: {
    status: 404,
    title: "No such delivery",
    advice: "See GET /api/webhooks/deliveries; deliveries are kept for 30 days.",
  },
  tenant_not_found: {
    status: 404,
    title: "No such tenant",
    advice: "See GET /api/ops/tenants.",
  },
  key_not_found: {
    status: 404,
    title: "The tenant has no such key",
    advice: "See GET /api/ops/tenants/{id}/keys; hashes in `key_sha256` are changed with the tenant.",
  },
  test_running: {
    status: 409,
    title: "The test has begun",
    advice: "Ask again for its outcome, or test once more with another Idempotency-Key.",
  },
  set_by_file: {
    status: 409,
    title: "It comes from a file",
    advice: "Take it out of the models or tenants file and deploy that, or set another over it.",
  },
  exists_already: {
    status: 412,
    title: "There is one of that name already",
    advice: "GET it. Without `If-None-Match: *` all of its fields are set anew.",
  },
  setting_not_found: {
    status: 404,
    title: "There is nothing of that name to set",
    advice: "Name a provider, deployment, route or tenant that the catalogue or the tenants file has.",
  },
  // The service
  internal_error: {
    status: 500,
    title: "The service failed",
    advice: "Try again; quote `request_id` to the operator if it goes on.",
  },
  store_unavailable: {
    status: 503,
    title: "The store cannot be reached",
    advice: "Try again after `Retry-After` seconds; nothing was accepted.",
  },
  service_busy: {
    status: 503,
    title: "This instance can take no more of this kind now",
    advice: "Wait as long as `Retry-After` says, and send it again. Nothing was stored.",
  },
  issuer_unavailable: {
    status: 503,
    title: "The token issuer cannot be reached",
    advice: "Try again after `Retry-After` seconds, or use an API key.",
  },
  // How a job can fail: its own `error.code`
  upstream_bad_request: {
    status: null,
    title: "The deployment refused the request",
    advice: "Correct the body; `response` holds the deployment's own words.",
  },
  content_filtered: {
    status: null,
    title: "The deployment's content filter refused the prompt",
    advice: "Change the prompt; `response` holds the deployment's own words.",
  },
  context_length_exceeded: {
    status: null,
    title: "The prompt is too long for the model",
    advice: "Shorten the prompt, or choose a model with a longer context.",
  },
  response_too_large: {
    status: null,
    title: "The answer is over 32 MiB",
    advice: "Ask for less output. What the call cost is in `cost`, or `cost_unknown` says why nobody knows.",
  },
  answer_broken_off: {
    status: null,
    title: "The answer broke off after its beginning had been passed on",
    advice: "Ask again: what came is lost, and may be billed.",
  },
  budget_used_up: {
    status: null,
    title: "The tenant's budget was spent, and the client was waiting",
    advice: "Have the budget raised, or ask again in its next period; GET /api/usage shows it.",
  },
  no_deployment_available: {
    status: null,
    title: "Every deployment of the model turned the job away",
    advice: "Tell the operator: the deployments' credentials, names or rights are wrong.",
  },
  attempts_exhausted: {
    status: null,
    title: "The job failed on each of its attempts",
    advice: "Submit it again later; `message` tells the last error.",
  },
  deadline_exceeded: {
    status: null,
    title: "The deadline passed",
    advice: "Submit it again with a later deadline.",
  },
  max_cost_reached: {
    status: null,
    title: "Another attempt might have cost more than `max_cost` allows",
    advice: "Submit it again, with a larger `max_cost`; `message` tells what was left of it.",
  },
  model_withdrawn: {
    status: null,
    title: "The model was taken from the catalogue, or from the tenant, while the job waited",
    advice: "Submit it again for a model in GET /api/models.",
  },
  request_lost: {
    status: null,
    title: "The stored request is gone",
    advice: "Submit it again.",
  },
} as const satisfies Record<string, ErrorEntry>;

export interface ErrorEntry {
  /** HTTP status of the problem answer; null for a code that only a job's `error` carries. */
  readonly status: number | null;
  readonly title: string;
  readonly advice: string;
}

export type ErrorCode = keyof typeof ERRORS;

/** One fault of a request: `path` is a JSON Pointer into the envelope, or a header's or parameter's name. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

type CodesWithStatus = {
  [C in ErrorCode]: (typeof ERRORS)[C]["status"] extends number ? C : never;
}[ErrorCode];
/** Codes that answer an HTTP request. */
export type ProblemCode = CodesWithStatus;
/** Codes that stand in a job's `error`. */
export type JobErrorCode = Exclude<ErrorCode, ProblemCode>;

/** An expected refusal: thrown by the domain, answered as problem+json at the HTTP edge. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly faults: readonly Fault[];
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ProblemCode,
    detail: string,
    more: { faults?: readonly Fault[]; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(detail, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.faults = more.faults ?? [];
    this.retryAfterSeconds = more.retryAfterSeconds;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** Settings, catalogue or tenants that cannot be used: the start stops, with every fault listed. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`The configuration has ${faults.length} fault(s):\n${faults.map((f) => `  - ${f}`).join("\n")}`);
    this.faults = faults;
  }
}
