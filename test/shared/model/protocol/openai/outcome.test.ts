import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { billedOf, type Outcome } from "../../../../../shared/model/outcome.ts";
import { meaning, verdict, words } from "./meaning.ts";

describe("a status alone", () => {
  it.each([
    [301, "turned_away/redirected"],
    [400, "rejected/upstream_bad_request"],
    [401, "turned_away/credential_refused"],
    [402, "turned_away/account_empty"],
    [403, "turned_away/not_permitted"],
    [404, "turned_away/deployment_unknown"],
    [405, "turned_away/deployment_unknown"],
    [407, "turned_away/credential_refused"],
    [408, "retry/http_408"],
    [409, "retry/http_409"],
    [410, "turned_away/deployment_unknown"],
    [413, "rejected/context_length_exceeded"],
    [418, "retry/http_418"],
    [422, "rejected/upstream_bad_request"],
    [423, "retry/http_423"],
    [424, "retry/http_424"],
    [425, "retry/http_425"],
    [429, "rate_limited/rate"],
    [451, "turned_away/not_permitted"],
    [460, "retry/http_460"],
    [499, "retry/http_499"],
    [500, "retry/http_500"],
    [501, "turned_away/deployment_unknown"],
    [503, "retry/http_503"],
    [529, "retry/http_529"],
  ])("%i is %s, and not billed", (status, expected) => {
    const outcome = meaning(status, "");
    expect(verdict(outcome)).toBe(expected);
    expect(billedOf(outcome as Outcome)).toBe("no");
  });
});

describe("refusals, as labs and relays were seen to answer", () => {
  it.each<[string, number, unknown, string, string]>([
    // Content
    [
      "OpenAI, policy",
      400,
      {
        error: {
          message: "Invalid prompt: flagged as potentially violating the usage policy",
          code: "invalid_prompt",
        },
      },
      "rejected/content_filtered",
      "flagged",
    ],
    [
      "Azure, filter",
      400,
      {
        error: {
          message: "The response was filtered",
          code: "content_filter",
          innererror: { code: "ResponsibleAIPolicyViolation" },
        },
      },
      "rejected/content_filtered",
      "was filtered",
    ],
    [
      "Azure, inner code alone",
      400,
      { error: { message: "no", code: "BadRequest", innererror: { code: "ResponsibleAIPolicyViolation" } } },
      "rejected/content_filtered",
      "no",
    ],
    [
      "xAI, 403",
      403,
      {
        code: "The caller does not have permission",
        error: "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_X",
      },
      "rejected/content_filtered",
      "violates usage guidelines",
    ],
    [
      "Alibaba",
      400,
      { error: { code: "data_inspection_failed", message: "Input data may contain inappropriate content." } },
      "rejected/content_filtered",
      "inappropriate",
    ],
    [
      "DeepSeek",
      400,
      { error: { message: "Content Exists Risk: prohibited content", type: "invalid_request_error" } },
      "rejected/content_filtered",
      "Content Exists Risk",
    ],
    [
      "a relay that makes a 500 of it",
      500,
      { error: { message: "litellm.ContentPolicyViolationError", code: "content_policy_violation" } },
      "rejected/content_filtered",
      "litellm",
    ],
    // Too long
    [
      "OpenAI, context",
      400,
      {
        error: {
          message: "This model's maximum context length is 8192 tokens",
          code: "context_length_exceeded",
        },
      },
      "rejected/context_length_exceeded",
      "8192",
    ],
    [
      "llama.cpp",
      400,
      {
        error: {
          code: 400,
          message: "the request exceeds the available context size",
          type: "exceed_context_size_error",
          n_ctx: 4096,
        },
      },
      "rejected/context_length_exceeded",
      "available context size",
    ],
    [
      "Anthropic",
      400,
      {
        type: "error",
        error: {
          type: "invalid_request_error",
          message: "prompt is too long: 201000 tokens > 200000 maximum",
        },
      },
      "rejected/context_length_exceeded",
      "201000 tokens",
    ],
    [
      "vLLM, words",
      400,
      {
        object: "error",
        message: "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        type: "BadRequestError",
        code: 400,
      },
      "rejected/context_length_exceeded",
      "4096",
    ],
    [
      "xAI",
      400,
      {
        code: "Client specified an invalid argument",
        error:
          "This model's maximum prompt length is 131072 but the request contains 200000 tokens: the input token count exceeds it.",
      },
      "rejected/context_length_exceeded",
      "131072",
    ],
    [
      "GitHub Models",
      413,
      {
        error: {
          code: "tokens_limit_reached",
          message: "Request body too large for gpt model. Max size: 8000 tokens.",
        },
      },
      "rejected/context_length_exceeded",
      "8000",
    ],
    [
      "nginx, 413",
      413,
      "<html><head><title>413 Request Entity Too Large</title></head></html>",
      "rejected/context_length_exceeded",
      "413 Request Entity Too Large",
    ],
    // The request's own fault
    [
      "OpenAI, invalid value",
      400,
      {
        error: {
          message: "Invalid value: 'x'.",
          type: "invalid_request_error",
          param: "n",
          code: "invalid_value",
        },
      },
      "rejected/upstream_bad_request",
      "Invalid value",
    ],
    [
      "OpenAI, unsupported parameter",
      400,
      {
        error: {
          message: "Unsupported parameter: 'max_tokens' is not supported with this model.",
          code: "unsupported_parameter",
        },
      },
      "rejected/upstream_bad_request",
      "max_tokens",
    ],
    [
      "OpenAI, too large an answer asked",
      400,
      {
        error: {
          message: "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
          code: null,
        },
      },
      "rejected/upstream_bad_request",
      "16384",
    ],
    [
      "OpenAI, schema",
      400,
      { error: { message: "Invalid JSON schema for response_format 'x'", code: null } },
      "rejected/upstream_bad_request",
      "schema",
    ],
    [
      "vLLM, flat",
      400,
      {
        object: "error",
        message: "max_tokens must be at least 1, got -186.",
        type: "BadRequestError",
        param: null,
        code: 400,
      },
      "rejected/upstream_bad_request",
      "at least 1",
    ],
    [
      "FastAPI, list",
      422,
      {
        detail: [
          {
            type: "string_type",
            loc: ["body", "messages", 2, "function_call"],
            msg: "Input should be a valid string",
          },
        ],
      },
      "rejected/upstream_bad_request",
      "body.messages.2.function_call: Input should be a valid string",
    ],
    ["FastAPI, text", 400, { detail: "n must be 1" }, "rejected/upstream_bad_request", "n must be 1"],
    [
      "problem+json",
      422,
      { title: "Unprocessable", detail: "n must be 1" },
      "rejected/upstream_bad_request",
      "n must be 1",
    ],
    ["plain text", 400, "n must be 1\n", "rejected/upstream_bad_request", "n must be 1"],
    [
      "Google, array",
      400,
      [
        {
          error: {
            code: 400,
            message: 'Invalid JSON payload received. Unknown name "x"',
            status: "INVALID_ARGUMENT",
          },
        },
      ],
      "rejected/upstream_bad_request",
      "Unknown name",
    ],
    [
      "Cloudflare",
      400,
      { success: false, errors: [{ code: 5006, message: "required properties at '/' are 'prompt'" }] },
      "rejected/upstream_bad_request",
      "required properties",
    ],
    [
      "a relay around a lab's text",
      400,
      {
        error: {
          message:
            'litellm.BadRequestError: OpenAIException - {"error": {"message": "n must be 1", "code": "invalid_value"}}',
        },
      },
      "rejected/upstream_bad_request",
      "HTTP 400: n must be 1",
    ],
    [
      "OpenRouter around a lab's text",
      400,
      {
        error: {
          message: "Provider returned error",
          code: 400,
          metadata: {
            raw: '{"error":{"message":"prompt is too long","type":"invalid_request_error"}}',
            provider_name: "Anthropic",
          },
        },
      },
      "rejected/context_length_exceeded",
      "prompt is too long",
    ],
    // The operator's
    [
      "xAI, wrong key with 400",
      400,
      { code: "Client specified an invalid argument", error: "Incorrect API key provided: ab***yz." },
      "turned_away/credential_refused",
      "Incorrect API key",
    ],
    [
      "Google, wrong key with 400",
      400,
      [
        {
          error: {
            code: 400,
            message: "API key not valid. Please pass a valid API key.",
            status: "INVALID_ARGUMENT",
            details: [{ reason: "API_KEY_INVALID" }],
          },
        },
      ],
      "turned_away/credential_refused",
      "API key not valid",
    ],
    [
      "Azure, token expired",
      401,
      { error: { code: "401", message: "Access token is missing, invalid, or has expired" } },
      "turned_away/credential_refused",
      "has expired",
    ],
    [
      "DeepSeek, empty",
      402,
      {
        error: {
          message: "Insufficient Balance",
          type: "unknown_error",
          param: null,
          code: "invalid_request_error",
        },
      },
      "turned_away/account_empty",
      "Insufficient Balance",
    ],
    [
      "Anthropic, empty with 400",
      400,
      {
        type: "error",
        error: {
          type: "invalid_request_error",
          message: "Your credit balance is too low to access the Anthropic API.",
        },
      },
      "turned_away/account_empty",
      "credit balance",
    ],
    [
      "xAI, empty with 403",
      403,
      {
        code: "The caller does not have permission",
        error: "Your newly created team doesn't have any credits yet.",
      },
      "turned_away/account_empty",
      "any credits",
    ],
    [
      "Azure, no deployment",
      404,
      {
        error: {
          code: "DeploymentNotFound",
          message: "The API deployment for this resource does not exist.",
        },
      },
      "turned_away/deployment_unknown",
      "does not exist",
    ],
    [
      "a model with 400",
      400,
      {
        error: {
          message: "The model `gpt-9` does not exist or you do not have access to it.",
          code: "model_not_found",
        },
      },
      "turned_away/deployment_unknown",
      "gpt-9",
    ],
    [
      "Azure, wrong operation",
      400,
      {
        error: {
          code: "OperationNotSupported",
          message: "The chatCompletion operation does not work with the specified model",
        },
      },
      "turned_away/deployment_unknown",
      "does not work",
    ],
    [
      "OpenAI, country",
      403,
      {
        error: {
          code: "unsupported_country_region_territory",
          message: "Country, region, or territory not supported",
        },
      },
      "turned_away/not_permitted",
      "Country",
    ],
    // A relay's, or passing
    [
      "nginx",
      499,
      { error: { message: "client closed request", code: 499 } },
      "retry/http_499",
      "client closed request",
    ],
    [
      "a broken relay",
      400,
      {
        error: {
          message: "We could not parse the JSON body of your request.",
          type: "invalid_request_error",
          param: null,
          code: null,
        },
      },
      "retry/http_400",
      "could not parse",
    ],
    [
      "loading",
      503,
      { error: { code: 503, message: "Loading model", type: "unavailable_error" } },
      "retry/http_503",
      "Loading model",
    ],
    [
      "a gateway's page",
      502,
      "<html>\n<head><title>502 Bad Gateway</title></head><body>…</body></html>",
      "retry/http_502",
      "a page of HTML: 502 Bad Gateway",
    ],
    [
      "a page without a title",
      503,
      "<!DOCTYPE html><body><style>p {}</style><p>Down for <b>maintenance</b></p></body>",
      "retry/http_503",
      "Down for maintenance",
    ],
    [
      "words of a broken server about content",
      500,
      { error: { message: "content filter unavailable" } },
      "retry/http_500",
      "unavailable",
    ],
    // Rates
    [
      "OpenAI",
      429,
      {
        error: {
          message:
            "Rate limit reached for gpt in org on tokens per min (TPM): Limit 30000, Used 29000, Requested 1500. Please try again in 1s.",
          type: "tokens",
          code: "rate_limit_exceeded",
        },
      },
      "rate_limited/rate",
      "TPM",
    ],
    [
      "Google, which says billing of a minute's quota",
      429,
      [
        {
          error: {
            code: 429,
            message: "You exceeded your current quota, please check your plan and billing details.",
            status: "RESOURCE_EXHAUSTED",
            details: [{ retryDelay: "34s" }],
          },
        },
      ],
      "rate_limited/rate",
      "current quota",
    ],
    [
      "a rate under another status",
      403,
      { error: { code: 403, message: "slow down", status: "rateLimitExceeded" } },
      "rate_limited/rate",
      "slow down",
    ],
    [
      "OpenAI, no money",
      429,
      {
        error: {
          message: "You exceeded your current quota, check your plan and billing",
          type: "insufficient_quota",
          param: null,
          code: "insufficient_quota",
        },
      },
      "rate_limited/account_empty",
      "billing",
    ],
    [
      "Moonshot, no money",
      429,
      { error: { message: "suspended", type: "exceeded_current_quota_error" } },
      "rate_limited/account_empty",
      "suspended",
    ],
    [
      "OpenAI, larger than the limit",
      429,
      {
        error: {
          message:
            "Request too large for gpt in organization org on tokens per min (TPM): Limit 10000, Requested 12000.",
          type: "tokens",
          code: "rate_limit_exceeded",
        },
      },
      "turned_away/over_limit",
      "Requested 12000",
    ],
    [
      "Groq, larger than the limit",
      413,
      {
        error: {
          message: "Request too large for model x on tokens per minute (TPM): Limit 6000, Requested 7000",
          type: "tokens",
          code: "rate_limit_exceeded",
        },
      },
      "turned_away/over_limit",
      "Requested 7000",
    ],
  ])("%s", (_who, status, body, expected, said) => {
    const outcome = meaning(status, body);
    expect(verdict(outcome)).toBe(expected);
    expect(words(outcome)).toContain(said);
    expect(words(outcome)).toMatch(new RegExp(`^HTTP ${status}: `));
  });

  it("a redirect says where to", () => {
    const outcome = meaning(307, "", { headers: { location: "/elsewhere/" } });
    expect(words(outcome)).toBe("HTTP 307: a redirect to /elsewhere/, which is not followed");
  });

  it("90 KB of echo say their reason, before or after it, whole or cut", () => {
    const echo = "x".repeat(90_000);
    const before = { error: { message: "n must be 1", input: echo } };
    const after = { detail: [{ loc: ["body"], input: echo, msg: "n must be 1" }] };
    for (const body of [before, after]) expect(words(meaning(400, body))).toContain("n must be 1");
    expect(words(meaning(400, JSON.stringify(before).slice(0, 60_000)))).toContain("n must be 1");
    const message = { error: { message: `n must be 1: ${echo}` } };
    expect(words(meaning(400, message)).length).toBeLessThan(330);
  });

  it.each([
    "Unknown parameter: 'moderation'.",
    "Invalid 'safety_identifier': string too long.",
    "Unsupported value: 'temperature' does not support 0.2 with this model.",
    "Invalid type for 'messages[0].content': expected one of a string or array of objects.",
    "'rate_limit' is not a parameter.",
    "Tool call ids must be unique; tool call not found in the conversation.",
  ])("the request's own fault stays that: %s", (message) => {
    expect(verdict(meaning(400, { error: { message, type: "invalid_request_error", code: null } }))).toBe(
      "rejected/upstream_bad_request",
    );
  });

  it("what the request says is not taken for the lab's reason", () => {
    const echo = `${"The field n is not valid. ".repeat(12)} your input: «the content filter and the context length»`;
    expect(verdict(meaning(400, { error: { message: echo, code: null } }))).toBe(
      "rejected/upstream_bad_request",
    );
  });

  it("its body is kept as JSON: as it came, or as a string", () => {
    const body = (of: string) => (meaning(400, of) as { body: string | null }).body;
    expect(body('{"error":  1.0}')).toBe('{"error":  1.0}');
    expect(body('[{"error": {}}]')).toBe('[{"error": {}}]');
    expect(body("<p>no</p>")).toBe('"<p>no</p>"');
    expect(body("  ")).toBeNull();
  });

  it("one that no wait cures says what it is, should nobody else take it", () => {
    const body = { error: { message: "Request too large for gpt: Limit 10, Requested 12." } };
    expect(meaning(429, body)).toMatchObject({
      ...{ kind: "turned_away", cause: "over_limit", billed: "no" },
      otherwise: { kind: "rejected", code: "context_length_exceeded", body: JSON.stringify(body) },
    });
  });

  it("an account that is empty is looked at again in a minute, or as the lab says", () => {
    const body = { error: { code: "insufficient_quota" } };
    expect(meaning(429, body)).toMatchObject({ retryAfterMs: 60_000 });
    expect(meaning(429, body, { headers: { "retry-after": "5" } })).toMatchObject({ retryAfterMs: 5000 });
  });

  it("with usage was billed", () => {
    const outcome = meaning(500, { usage: { prompt_tokens: 5, completion_tokens: 0, total_tokens: 5 } });
    expect(billedOf(outcome as Outcome)).toBe("known");
  });
});

const message = (content: unknown, more: object = {}) => ({
  message: { role: "assistant", content },
  finish_reason: "stop",
  ...more,
});
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const zeros = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };

describe("a 200 of chat completions", () => {
  it.each<[string, unknown, string]>([
    ["a text", { choices: [message("Paris.")], usage }, "completed"],
    ["a text, no usage", { choices: [message("Paris.")] }, "completed"],
    ["parts", { choices: [message([{ type: "text", text: "x" }])] }, "completed"],
    [
      "tool calls",
      { choices: [message(null, { message: { tool_calls: [{}] }, finish_reason: "tool_calls" })] },
      "completed",
    ],
    [
      "a refusal",
      { choices: [message(null, { message: { content: null, refusal: "I won't." } })] },
      "completed",
    ],
    [
      "sound",
      { choices: [message(null, { message: { content: null, audio: { data: "…" } } })] },
      "completed",
    ],
    [
      "nothing but reasoning",
      { choices: [message("", { message: { content: "", reasoning_content: "Hm." } })] },
      "completed",
    ],
    [
      "nothing, for want of room",
      { choices: [message("", { finish_reason: "length" })], usage },
      "completed",
    ],
    ["nothing, filtered", { choices: [message("", { finish_reason: "content_filter" })] }, "completed"],
    ["nothing, in some tokens", { choices: [message("")], usage }, "completed"],
    ["error: null beside it", { choices: [message("Paris.")], error: null }, "completed"],
    [
      "one of two that broke off",
      { choices: [message("x", { finish_reason: "error" }), message("y")] },
      "completed",
    ],
    ["nothing in no tokens", { choices: [message("")], usage: zeros }, "retry/no_answer"],
    ["no choices", { choices: [], usage: zeros }, "retry/no_answer"],
    ["choices null", { choices: null }, "retry/no_answer"],
    ["{}", {}, "retry/no_answer"],
    ["a choice without a message", { choices: [{ delta: { content: "x" } }] }, "retry/no_answer"],
    [
      "error, 429",
      { error: { code: 429, message: "upstream is rate limited" }, user_id: "u" },
      "rate_limited/rate",
    ],
    ["error, 502", { error: { code: 502, message: "provider returned error" } }, "retry/error_in_answer"],
    ["error without a code", { error: { message: "oh no" } }, "retry/error_in_answer"],
    ["error as text", { error: "overloaded" }, "retry/error_in_answer"],
    ["error, 402", { error: { code: 402, message: "pay" } }, "turned_away/account_empty"],
    ["error, a wrong key", { error: { message: "Invalid API key" } }, "turned_away/credential_refused"],
    [
      "error, content",
      { error: { message: "blocked", code: "content_filter" } },
      "rejected/content_filtered",
    ],
    [
      "error, invalid",
      { error: { message: "n is odd", type: "invalid_request_error" } },
      "rejected/upstream_bad_request",
    ],
    [
      "MiniMax, rate",
      { choices: null, base_resp: { status_code: 1002, status_msg: "rate limit" } },
      "rate_limited/rate",
    ],
    [
      "MiniMax, balance",
      { choices: null, base_resp: { status_code: 1008, status_msg: "insufficient balance" } },
      "turned_away/account_empty",
    ],
    [
      "Cloudflare's envelope",
      { success: false, errors: [{ code: 10000, message: "Authentication error" }], result: null },
      "turned_away/credential_refused",
    ],
    ["{code, msg}", { code: 500, msg: "system busy", data: null }, "retry/error_in_answer"],
    [
      "Anthropic's",
      { type: "error", error: { type: "overloaded_error", message: "Overloaded" } },
      "retry/error_in_answer",
    ],
    [
      "broken off",
      {
        choices: [
          message("The capital", { finish_reason: "error", error: { code: 502, message: "upstream died" } }),
        ],
        usage,
      },
      "retry/error_in_answer",
    ],
    [
      "broken off, no words",
      { choices: [message("The capital", { finish_reason: "error" })] },
      "retry/error_in_answer",
    ],
    ["nothing at all", "", "retry/invalid_response"],
    ["a page", "<html><title>Welcome</title></html>", "retry/invalid_response"],
    ["a list", "[]", "retry/invalid_response"],
    ["null", "null", "retry/invalid_response"],
    ["half", '{"choices": [', "retry/invalid_response"],
    [
      "a stream",
      'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\ndata: [DONE]\n\n',
      "turned_away/unreadable_answer",
    ],
    [
      "NaN",
      '{"choices":[{"message":{"content":"NaN, he said"},"logprobs":{"x":NaN}}]}',
      "turned_away/unreadable_answer",
    ],
  ])("%s", (_what, body, expected) => {
    expect(verdict(meaning(200, body))).toBe(expected);
  });

  it("that fails says so in the lab's words", () => {
    expect(words(meaning(200, { error: { code: 502, message: "provider returned error" } }))).toBe(
      "HTTP 200 with error 502: provider returned error",
    );
    expect(words(meaning(200, { choices: [] }))).toBe("HTTP 200: the answer holds no choices");
    expect(words(meaning(200, "<html><title>Welcome</title></html>"))).toContain("a page of HTML: Welcome");
  });

  it("that fails may have been billed, unless it says that the call was not let in", () => {
    const billed = (body: unknown) => billedOf(meaning(200, body) as Outcome);
    expect(billed({ choices: [] })).toBe("maybe");
    expect(billed({ error: { code: 502 } })).toBe("maybe");
    expect(billed({ error: { code: 429 } })).toBe("no");
    expect(billed({ error: { code: 402 } })).toBe("no");
    expect(billed({ choices: [message("x", { finish_reason: "error" })], usage })).toBe("known");
    expect(billed('{"x": NaN, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}')).toBe("known");
  });

  it("says why an answer is not whole", () => {
    const incomplete = (finish_reason: string) =>
      (meaning(200, { choices: [message("x", { finish_reason })] }) as { incomplete?: string }).incomplete;
    expect(["stop", "tool_calls", "length", "content_filter"].map(incomplete)).toEqual([
      ...[undefined, undefined, "length", "content_filter"],
    ]);
  });

  it("has the usage, the tier and the lab's figure that it tells", () => {
    const body = { choices: [message("x")], usage: { ...usage, cost_in_usd_ticks: 5 }, service_tier: "flex" };
    expect(meaning(200, body)).toMatchObject({
      usage: { input_tokens: 10, output_tokens: 5, service_tier: "flex" },
      labCost: { amount: "0.0000000005", currency: "USD" },
    });
    expect(meaning(200, { choices: [message("x")], usage: zeros })).toMatchObject({
      usage: { input_tokens: null, output_tokens: null },
    });
  });

  it("that is a ticket is fetched with it", () => {
    const path = "/chat/deferred-completion/f15c-0";
    expect(meaning(200, { request_id: "f15c-0" })).toMatchObject({ kind: "pending", path });
    expect(meaning(202, "", { ticket: path })).toMatchObject({ kind: "pending", path });
    expect(verdict(meaning(202, ""))).toBe("retry/invalid_response");
    expect(verdict(meaning(200, { request_id: "../../admin" }))).toBe("retry/no_answer");
  });
});

describe("a 200 of responses", () => {
  const response = (body: object, status = 200) => meaning(status, body, { endpoint: "/v1/responses" });
  const output = [{ type: "message", content: [{ type: "output_text", text: "x" }] }];
  it.each<[string, object, string]>([
    ["items", { status: "completed", error: null, output }, "completed"],
    ["items without a status", { output }, "completed"],
    [
      "incomplete",
      { status: "incomplete", incomplete_details: { reason: "max_output_tokens" }, output },
      "completed",
    ],
    ["incomplete, and nothing", { status: "incomplete", output: [] }, "completed"],
    ["no items", { status: "completed", output: [] }, "retry/no_answer"],
    ["cancelled", { status: "cancelled", output }, "retry/no_answer"],
    ["failed", { status: "failed", error: { code: "server_error", message: "x" } }, "retry/error_in_answer"],
    ["failed, without a word", { status: "failed", error: null }, "retry/error_in_answer"],
    ["failed, rate", { status: "failed", error: { code: "rate_limit_exceeded" } }, "rate_limited/rate"],
    ["failed, prompt", { status: "failed", error: { code: "invalid_prompt" } }, "rejected/content_filtered"],
    [
      "failed, picture",
      { status: "failed", error: { code: "image_too_small" } },
      "rejected/upstream_bad_request",
    ],
    ["queued", { id: "resp_1", status: "queued", output: [] }, "pending"],
    ["in progress", { id: "resp_1", status: "in_progress", output: [] }, "pending"],
    ["queued, nobody knows where", { status: "queued", output: [] }, "retry/no_answer"],
  ])("%s", (_what, body, expected) => {
    expect(verdict(response(body))).toBe(expected);
  });

  it("says why it is not whole, and where it will be", () => {
    expect(
      response({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" }, output }),
    ).toMatchObject({
      incomplete: "max_output_tokens",
    });
    expect(response({ id: "resp_1", status: "queued" }, 202)).toMatchObject({ path: "/responses/resp_1" });
  });
});

describe("a 200 of embeddings", () => {
  const embeddings = (body: object) => verdict(meaning(200, body, { endpoint: "/v1/embeddings" }));
  it("holds vectors, or is none", () => {
    expect(embeddings({ data: [{ embedding: [0.1] }] })).toBe("completed");
    expect(embeddings({ data: [{ embedding: "AAAA" }] })).toBe("completed");
    expect(embeddings({ data: [{ embedding: [0.1] }, { embedding: [] }] })).toBe("retry/no_answer");
    expect(embeddings({ data: [] })).toBe("retry/no_answer");
    expect(embeddings({ data: [{ embedding: null }] })).toBe("retry/no_answer");
  });
});

describe("whatever a server sends", () => {
  it("is an outcome, with short words", () => {
    const bodies = fc.oneof(
      fc.string(),
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc
        .record(
          {
            ...{
              error: fc.jsonValue(),
              message: fc.jsonValue(),
              detail: fc.jsonValue(),
              choices: fc.jsonValue(),
            },
            ...{
              status: fc.jsonValue(),
              output: fc.jsonValue(),
              base_resp: fc.jsonValue(),
              usage: fc.jsonValue(),
            },
            code: fc.oneof(fc.integer({ min: 400, max: 599 }), fc.string()),
          },
          { requiredKeys: [] },
        )
        .map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), bodies, (status, body) => {
        const outcome = meaning(status, body);
        expect(words(outcome).length).toBeLessThan(700);
        if (outcome.kind === "rejected" && outcome.body !== null) JSON.parse(outcome.body);
        if (status >= 300) expect(outcome.kind).not.toBe("completed");
      }),
      { numRuns: 500 },
    );
  });
});
