/** A refusal in OpenAI's shape, as Azure AI Foundry's /openai/v1 gives it for all labs. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly type: string | null;
  readonly code: string | null;
  readonly param: string | null;
  /** Further fields of the error object, `innererror` among them. */
  readonly more: Readonly<Record<string, unknown>>;

  constructor(
    status: number,
    what: {
      message: string;
      type?: string | null;
      code?: string | null;
      param?: string | null;
      more?: Readonly<Record<string, unknown>>;
    },
  ) {
    super(what.message);
    this.status = status;
    this.type = what.type ?? null;
    this.code = what.code ?? null;
    this.param = what.param ?? null;
    this.more = what.more ?? {};
  }

  get body(): string {
    const { message, type, param, code, more } = this;
    return JSON.stringify({ error: { message, type, param, code, ...more } });
  }
}

/** 400: the request itself is wrong. */
export function invalid(message: string, param: string | null, code: string | null): ApiError {
  return new ApiError(400, { message, type: "invalid_request_error", param, code });
}

export const missing = (param: string): ApiError =>
  invalid(`Missing required parameter: '${param}'.`, param, "missing_required_parameter");

export const unsupported = (param: string): ApiError =>
  invalid(
    `Unsupported parameter: '${param}' is not supported with this model.`,
    param,
    "unsupported_parameter",
  );

/** 404 for a model that is not deployed: Azure's own words for OpenAI's models, OpenAI's for the others. */
export function unknownModel(lab: string, model: string): ApiError {
  if (lab === "openai") {
    return new ApiError(404, {
      message:
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.",
      code: "DeploymentNotFound",
    });
  }
  return new ApiError(404, {
    message: `The model '${model}' does not exist or you do not have access to it.`,
    type: "invalid_request_error",
    param: "model",
    code: "model_not_found",
  });
}

/** 400 of Azure's content filter on the prompt. */
export function promptFiltered(): ApiError {
  const safe = { filtered: false, severity: "safe" };
  return new ApiError(400, {
    message:
      "The response was filtered due to the prompt triggering Microsoft's content management policy. Please modify your prompt and retry.",
    param: "prompt",
    code: "content_filter",
    more: {
      status: 400,
      innererror: {
        code: "ResponsibleAIPolicyViolation",
        content_filter_result: {
          hate: safe,
          jailbreak: { filtered: false, detected: false },
          self_harm: safe,
          sexual: safe,
          violence: { filtered: true, severity: "high" },
        },
      },
    },
  });
}

export function rateLimited(model: string, scope: "requests" | "tokens", retryAfterMs: number): ApiError {
  const seconds = Math.ceil(retryAfterMs / 1000);
  const what = scope === "tokens" ? "token" : "call";
  return new ApiError(429, {
    message: `Your requests to ${model} have exceeded the ${what} rate limit of your current AIServices S0 pricing tier. Please retry after ${seconds} second${seconds === 1 ? "" : "s"}.`,
    type: scope,
    code: "rate_limit_exceeded",
  });
}

const BY_STATUS: Readonly<Record<number, { message: string; type?: string; code?: string }>> = {
  400: { message: "The request is not valid.", type: "invalid_request_error", code: "invalid_request" },
  401: {
    message:
      "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.",
    code: "401",
  },
  403: {
    message: "Principal does not have access to API/Operation.",
    type: "invalid_request_error",
    code: "PermissionDenied",
  },
  404: { message: "Resource not found", code: "404" },
  408: { message: "The operation was timeout.", code: "Timeout" },
  413: {
    message: "The request body is too large.",
    type: "invalid_request_error",
    code: "request_too_large",
  },
  500: {
    message: "The server had an error while processing your request. Sorry about that!",
    type: "server_error",
  },
  502: { message: "Bad gateway.", type: "server_error", code: "bad_gateway" },
  503: {
    message: "The server is currently overloaded with other requests. Sorry about that! Please retry later.",
    type: "server_error",
    code: "service_unavailable",
  },
  529: { message: "Overloaded", type: "server_error" },
  504: {
    message: "The upstream model did not answer in time.",
    type: "server_error",
    code: "gateway_timeout",
  },
};

/** What such a status usually comes with. */
export function errorOfStatus(status: number, model: string, retryAfterMs: number): ApiError {
  if (status === 429) return rateLimited(model, "requests", retryAfterMs);
  const known = BY_STATUS[status] ?? { message: `HTTP ${status}`, type: "server_error" };
  return new ApiError(status, known);
}
