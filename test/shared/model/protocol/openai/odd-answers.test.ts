import { describe, expect, it } from "vitest";
import { meaning, verdict, words } from "./meaning.ts";

/** Shapes and words of further labs, relays and gateways: [what it says, its status, its body, what it means]. */
type Row = readonly [who: string, status: number, body: string, expected: string];

const error = (message: string, more = "") => `{"error":{"message":${JSON.stringify(message)}${more}}}`;
const takenFor = (rows: readonly Row[]) =>
  it.each(rows)("%s", (_who, status, body, expected) => {
    expect(verdict(meaning(status, body))).toBe(expected);
  });

describe("content is refused", () => {
  const CONTENT = "rejected/content_filtered";
  takenFor([
    ["DeepSeek", 400, error("Content Exists Risk", ',"type":"invalid_request_error"'), CONTENT],
    ["Google", 400, `[${error("Request blocked: PROHIBITED_CONTENT", ',"code":400')}]`, CONTENT],
    ["Bedrock", 400, '{"message":"The request was blocked by guardrail policy"}', CONTENT],
    ["Mistral", 403, '{"message":{"detail":"Input blocked by content moderation"},"code":"1910"}', CONTENT],
    ["OpenRouter", 403, error("Your input was flagged", ',"code":403,"metadata":{"reasons":["x"]}'), CONTENT],
    ["OpenRouter, no cost", 403, error("Your input was flagged. No credits were charged."), CONTENT],
    ["Zhipu, by its code", 400, error("…", ',"code":"1301"'), CONTENT],
    ["Zhipu, in Chinese", 400, error("系统检测到输入内容可能包含敏感内容"), CONTENT],
    ["Moonshot", 400, error("it was considered high risk", ',"type":"content_filter"'), CONTENT],
    ["DashScope", 400, '{"code":"DataInspectionFailed","message":"no"}', CONTENT],
    ["by the law of a place", 451, error("Content violates the policy of the region"), CONTENT],
    ["a relay that makes a 502 of it", 502, error("no", ',"code":"content_filter"'), CONTENT],
    ["in an event of a stream", 400, `data: ${error("no", ',"code":"content_filter"')}\n\n`, CONTENT],
  ]);
});

describe("the prompt is too long", () => {
  const LONG = "rejected/context_length_exceeded";
  takenFor([
    ["Together", 422, error("`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000"), LONG],
    ["TGI", 422, '{"error":"`inputs` must have less than 4096 tokens. Given: 5000"}', LONG],
    ["DashScope", 400, error("Range of input length should be [1, 30720]"), LONG],
    ["Moonshot", 400, error("Your request exceeded model token limit: 8192"), LONG],
    ["Zhipu", 400, error("Prompt exceeds max length", ',"code":"1261"'), LONG],
    [
      "Google",
      400,
      `[${error("The input token count (12) exceeds the maximum number of tokens allowed (9).")}]`,
      LONG,
    ],
    ["Cohere", 400, '{"message":"too many tokens: size limit exceeded by 1000 tokens"}', LONG],
    ["LM Studio", 400, '{"error":"the initial prompt is greater than the context length"}', LONG],
    ["MiniMax in a 200", 200, '{"base_resp":{"status_code":1039,"status_msg":"token limit"}}', LONG],
    ["Baidu in a 200", 200, '{"error_code":336103,"error_msg":"Prompt tokens too long"}', LONG],
    ["JSON in JSON", 400, JSON.stringify(error("no", ',"code":"context_length_exceeded"')), LONG],
    ["Python's words", 400, "{'error': {'message': 'prompt is too long: 201 tokens > 200 maximum'}}", LONG],
    ["a relay that makes a 500 of it", 500, error("no", ',"code":"context_length_exceeded"'), LONG],
  ]);
});

describe("the operator's key, account or address", () => {
  const KEY = "turned_away/credential_refused";
  const EMPTY = "turned_away/account_empty";
  const UNKNOWN = "turned_away/deployment_unknown";
  takenFor([
    ["a bearer token", 400, '{"error":"Bad request: invalid bearer token"}', KEY],
    ["a JWT", 400, '{"message":"JWT is expired"}', KEY],
    [
      "Google, expired",
      400,
      `[${error("API key expired.", ',"details":[{"reason":"API_KEY_INVALID"}]')}]`,
      KEY,
    ],
    ["LiteLLM", 400, error("AuthenticationError: …", ',"type":"auth_error","code":"401"'), KEY],
    ["MiniMax in a 200", 200, '{"base_resp":{"status_code":1004,"status_msg":"login fail"}}', KEY],
    ["Tencent in a 200", 200, '{"Response":{"Error":{"Code":"AuthFailure","Message":"no"}}}', KEY],
    ["Together", 403, error("Credit limit exceeded, please navigate to …/billing"), EMPTY],
    ["Anthropic", 403, '{"type":"error","error":{"type":"billing_error","message":"no"}}', EMPTY],
    ["Groq", 400, error("Organization has been restricted."), EMPTY],
    ["SiliconFlow", 403, '{"code":30001,"message":"your account balance is insufficient"}', EMPTY],
    ["DashScope", 403, error("no", ',"code":"AllocationQuota.FreeTierOnly"'), EMPTY],
    ["Azure", 403, error("Out of call volume quota. Please retry after 5 days."), EMPTY],
    ["OpenRouter in a 200", 200, error("Insufficient credits.", ',"code":402'), EMPTY],
    ["a relay that makes a 500 of it", 500, error("no", ',"code":"insufficient_quota"'), EMPTY],
    [
      "xAI",
      429,
      '{"code":"…","error":"Your team has used all available credits"}',
      "rate_limited/account_empty",
    ],
    ["Zhipu, in Chinese", 429, error("余额不足或无可用资源包,请充值。"), "rate_limited/account_empty"],
    ["OpenRouter, model", 400, error("x/y is not a valid model ID", ',"code":400'), UNKNOWN],
    ["Azure, version", 400, error("API version not supported", ',"code":"BadRequest"'), UNKNOWN],
    ["Azure, not ready", 400, error("no", ',"code":"DeploymentNotReady"'), UNKNOWN],
    ["a framework's page", 404, "<!DOCTYPE html><pre>Cannot POST /v1/chat/completions</pre>", UNKNOWN],
    [
      "Google, place",
      400,
      `[${error("User location is not supported for the API use.")}]`,
      "turned_away/not_permitted",
    ],
    [
      "a firewall's page",
      403,
      "<html><title>Attention Required! | Cloudflare</title>",
      "turned_away/not_permitted",
    ],
  ]);
});

describe("what passes", () => {
  takenFor([
    ["a relay's 400", 400, error("upstream error: do request failed"), "retry/http_400"],
    ["a lab's 400", 400, error("The server is overloaded or not ready yet."), "retry/http_400"],
    ["a lab's 422", 422, error("Internal error", ',"type":"server_error"'), "retry/http_422"],
    ["the lab's rate, as a 500", 500, error("slow", ',"code":"rate_limit_exceeded"'), "rate_limited/rate"],
    ["the lab's rate, as a 503", 503, error("Too many requests", ',"code":"429"'), "rate_limited/rate"],
    ["the lab's rate, as a 424", 424, error("Try again in 5 seconds.", ',"code":"429"'), "rate_limited/rate"],
    ["a load balancer", 503, "upstream connect error or disconnect/reset before headers", "retry/http_503"],
    [
      "Baidu's rate in a 200",
      200,
      '{"error_code":18,"error_msg":"Open api qps request limit reached"}',
      "rate_limited/rate",
    ],
    [
      "Google's rate in a 200",
      200,
      '[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"quota"}}]',
      "rate_limited/rate",
    ],
    [
      "a stream that is an error",
      200,
      `event: error\ndata: ${error("slow", ',"code":429')}\n\n`,
      "rate_limited/rate",
    ],
    [
      "Spring's body in a 200",
      200,
      '{"status":500,"error":"Internal Server Error"}',
      "retry/error_in_answer",
    ],
    ["other names in a 200", 200, '{"errorCode":500,"errorMessage":"system busy"}', "retry/error_in_answer"],
    ["a word in a 200", 200, '{"status":"error"}', "retry/error_in_answer"],
  ]);
});

describe("the words are found", () => {
  it.each([
    '{"errors":["n must be 1"]}',
    '{"error":[{"message":"n must be 1"}]}',
    '{"error":{"error":{"message":"n must be 1"}}}',
    '{"message":{"detail":[{"loc":["body","n"],"msg":"n must be 1"}]},"type":"invalid_request_error"}',
    '{"detail":{"error":{"message":"n must be 1"}}}',
    '{"detail":{"message":"n must be 1"}}',
    '{"errors":[{"status":"400","title":"Bad","detail":"n must be 1"}]}',
    '{"Message":"n must be 1"}',
    '{"fault":{"faultstring":"n must be 1","detail":{"errorcode":"x"}}}',
    '{"code":400,"success":false,"data":{"message":"n must be 1"}}',
    '{"code":20012,"reason":"n must be 1"}',
    '{"error":"invalid_request","error_description":"n must be 1"}',
    '{"error":"{\\"message\\":\\"n must be 1\\"}"}',
    '"n must be 1"',
    "{'error': {'message': 'n must be 1'}}",
    'event: error\ndata: {"error":{"message":"n must be 1"}}\n\n',
    "<?xml version='1.0'?><Error><Code>Bad</Code><Message>n must be 1</Message></Error>",
  ])("%s", (body) => {
    expect(verdict(meaning(400, body))).toBe("rejected/upstream_bad_request");
    expect(words(meaning(400, body))).toContain("n must be 1");
  });
});

const choice = (content: unknown, more: object = {}) => ({
  choices: [{ message: { role: "assistant", content }, finish_reason: "stop", ...more }],
});
const ZEROS = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };

describe("a 200 that is half an answer, or none", () => {
  it.each<[string, unknown, string]>([
    ["an error beside a text", { ...choice("The cap"), error: { code: 429 } }, "rate_limited/rate"],
    [
      "an error beside half a text",
      { ...choice("x", { finish_reason: null }), error: { message: "died" } },
      "retry/error_in_answer",
    ],
    [
      "an error in words beside a choice",
      choice("x", { finish_reason: null, error: "died" }),
      "retry/error_in_answer",
    ],
    ["DeepSeek's", choice("x", { finish_reason: "insufficient_system_resource" }), "retry/error_in_answer"],
    ["Zhipu's", choice("x", { finish_reason: "network_error" }), "retry/error_in_answer"],
    ["vLLM's", choice("x", { finish_reason: "abort" }), "retry/error_in_answer"],
    ["a blank", { ...choice("\n"), usage: ZEROS }, "retry/no_answer"],
    ["parts of nothing", { ...choice([{ type: "text", text: "" }]), usage: ZEROS }, "retry/no_answer"],
    ["no tool calls", choice(null, { message: { content: null, tool_calls: [] } }), "retry/no_answer"],
    ["lines of JSON", '{"done":false}\n{"done":true}\n', "turned_away/unreadable_answer"],
    [
      "Python's NaN",
      '{"choices":[{"message":{"content":"x"},"logprobs":-inf}]}',
      "turned_away/unreadable_answer",
    ],
    ["filtered, by Zhipu's word", choice("", { finish_reason: "sensitive" }), "completed"],
    ["filtered, by Google's word", choice("", { finish_reason: "SAFETY" }), "completed"],
    ["an error of nothing", { ...choice("x"), error: { code: 0, message: null } }, "completed"],
    ["blanks ahead of it", `\n\n  ${JSON.stringify(choice("x"))}`, "completed"],
  ])("%s", (_what, body, expected) => {
    expect(verdict(meaning(200, body))).toBe(expected);
  });

  it.each<[string, object, string]>([
    ["messages of nothing", { output: [{ type: "message", content: [] }] }, "retry/no_answer"],
    [
      "texts of nothing",
      { output: [{ type: "message", content: [{ type: "output_text", text: "" }] }] },
      "retry/no_answer",
    ],
    [
      "an error beside items",
      { output: [{ type: "message" }], error: { code: "server_error" } },
      "retry/error_in_answer",
    ],
    [
      "a refusal",
      { output: [{ type: "message", content: [{ type: "refusal", refusal: "no" }] }] },
      "completed",
    ],
    ["a call of a function", { output: [{ type: "function_call", name: "f" }] }, "completed"],
  ])("a response: %s", (_what, body, expected) => {
    expect(verdict(meaning(200, { status: "completed", ...body }, { endpoint: "/v1/responses" }))).toBe(
      expected,
    );
  });
});

it.each([
  "max_tokens must be <= 4096",
  "Invalid parameter: messages with role 'tool' must follow 'tool_calls'.",
  "Missing required parameter: 'messages[0].content'.",
  "'access_token' is not a parameter of tools[0].",
  "Timeout while downloading https://x/y.png.",
])("the request's own fault stays that: %s", (message) => {
  expect(verdict(meaning(400, error(message)))).toBe("rejected/upstream_bad_request");
});
