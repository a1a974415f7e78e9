import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Message } from "../../../../../local/model-endpoints/messages-answer.ts";
import { messageEvents } from "../../../../../local/model-endpoints/messages-stream.ts";
import { protocolOf } from "../../../../../shared/model/protocol/protocols.ts";

const CHAT = "/v1/chat/completions";
const claude = protocolOf({ protocol: "anthropic" });
const openai = protocolOf({ protocol: "openai" });
const ASKED = {
  endpoint: CHAT,
  nowMs: 1_800_000_000_000,
  jobId: "job_1",
  attempt: 1,
  deployment: "d",
} as const;

function meaning(status: number, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return claude.outcomeOf({ status, headers: new Headers(headers), body: text }, ASKED);
}
const message = (more: object = {}): Message => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-1",
  content: [{ type: "text", text: "Hello" }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: {
    input_tokens: 10,
    output_tokens: 5,
    cache_read_input_tokens: 100,
    cache_creation_input_tokens: 20,
  },
  ...more,
});
const completion = (more: object = {}) => {
  const outcome = meaning(200, message(more));
  if (outcome.kind !== "completed") throw new Error(JSON.stringify(outcome));
  return { ...outcome, json: JSON.parse(outcome.body) };
};
const error = (type: string, words = "no") => ({ type: "error", error: { type, message: words } });

describe("a message as a chat completion", () => {
  it("is a chat completion, with what the cache gave and took in its usage", () => {
    const { json, usage } = completion();
    expect(json).toMatchObject({
      id: "msg_1",
      object: "chat.completion",
      created: 1_800_000_000,
      model: "claude-1",
      choices: [
        { index: 0, message: { role: "assistant", content: "Hello", refusal: null }, finish_reason: "stop" },
      ],
      usage: {
        prompt_tokens: 130,
        completion_tokens: 5,
        total_tokens: 135,
        prompt_tokens_details: { cached_tokens: 100, cache_write_tokens: 20 },
      },
    });
    expect(usage).toMatchObject({
      input_tokens: 130,
      output_tokens: 5,
      total_tokens: 135,
      cached_input_tokens: 100,
      cache_write_tokens: 20,
    });
  });

  it.each([
    ["end_turn", "stop", undefined],
    ["stop_sequence", "stop", undefined],
    ["max_tokens", "length", "length"],
    ["model_context_window_exceeded", "length", "length"],
    ["tool_use", "tool_calls", undefined],
    ["refusal", "content_filter", "content_filter"],
  ])("%s is %s", (stop_reason, finish, incomplete) => {
    const { json, incomplete: told } = completion({ stop_reason });
    expect(json.choices[0].finish_reason).toBe(finish);
    expect(told).toBe(incomplete);
  });

  it("has thinking, words and calls in their places", () => {
    const thinking = { type: "thinking", thinking: "hm", signature: "s" };
    const { json } = completion({
      content: [
        thinking,
        { type: "redacted_thinking", data: "x" },
        { type: "text", text: "So" },
        { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Nuuk" } },
      ],
      stop_reason: "tool_use",
    });
    expect(json.choices[0].message).toMatchObject({
      content: "So",
      reasoning_content: "hm",
      thinking_blocks: [thinking, { type: "redacted_thinking", data: "x" }],
      tool_calls: [
        { id: "toolu_1", type: "function", function: { name: "weather", arguments: '{"city":"Nuuk"}' } },
      ],
    });
  });

  it("tells why the model would not", () => {
    const { json } = completion({ stop_reason: "refusal", stop_details: { explanation: "Not that" } });
    expect(json.choices[0].message.refusal).toBe("Not that");
  });

  it("is none where readers of JSON would die of it", () => {
    const input = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    const body = JSON.stringify(message()).replace(
      /"content":\[.*?\]/,
      `"content":[{"type":"tool_use","input":${input}}]`,
    );
    expect(meaning(200, body)).toMatchObject({ kind: "retry", reason: "invalid_response" });
  });

  it("keeps all digits of a call's numbers", () => {
    const body = JSON.stringify(message()).replace(
      /"content":\[.*?\]/,
      '"content":[{"type":"tool_use","id":"t","name":"f","input":{"n":9007199254740993}}]',
    );
    expect(meaning(200, body)).toMatchObject({ body: expect.stringContaining('{\\"n\\":9007199254740993}') });
  });
});

describe("a refusal", () => {
  it.each<[number, object | string, Record<string, string>, object]>([
    [
      529,
      error("overloaded_error"),
      { "retry-after": "7" },
      { kind: "retry", reason: "http_529", billed: "no", retryAfterMs: 7_000 },
    ],
    [500, error("api_error"), {}, { kind: "retry", reason: "http_500" }],
    [504, error("timeout_error"), {}, { kind: "retry", reason: "http_504" }],
    [
      429,
      error("rate_limit_error", "This request would exceed your organization's rate limit"),
      { "retry-after": "12" },
      { kind: "rate_limited", cause: "rate", retryAfterMs: 12_000 },
    ],
    [
      401,
      error("authentication_error", "invalid x-api-key"),
      {},
      { kind: "turned_away", cause: "credential_refused" },
    ],
    [403, error("permission_error"), {}, { kind: "turned_away", cause: "not_permitted" }],
    [
      404,
      error("not_found_error", "model: claude-9"),
      {},
      { kind: "turned_away", cause: "deployment_unknown" },
    ],
    [402, error("billing_error"), {}, { kind: "turned_away", cause: "account_empty" }],
    [
      400,
      error("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
      {},
      { kind: "turned_away", cause: "account_empty" },
    ],
    [
      413,
      error("request_too_large", "Request exceeds the maximum size"),
      {},
      { kind: "rejected", code: "context_length_exceeded" },
    ],
    [
      400,
      error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
      {},
      { kind: "rejected", code: "context_length_exceeded" },
    ],
    [
      400,
      error("invalid_request_error", "messages.0: bad"),
      {},
      {
        kind: "rejected",
        code: "upstream_bad_request",
        body: '{"error":{"message":"messages.0: bad","type":"invalid_request_error","param":null,"code":null}}',
      },
    ],
    [200, error("overloaded_error"), {}, { kind: "retry", reason: "error_in_answer" }],
    [200, "", {}, { kind: "retry", reason: "invalid_response" }],
  ])("%i %j", (status, body, headers, expected) => {
    expect(meaning(status, body, headers)).toMatchObject(expected);
  });

  it("tells of the quota by Anthropic's names", () => {
    const headers = {
      "anthropic-ratelimit-requests-limit": "50",
      "anthropic-ratelimit-requests-remaining": "0",
      "anthropic-ratelimit-requests-reset": new Date(ASKED.nowMs + 30_000).toISOString(),
      "anthropic-ratelimit-tokens-remaining": "900",
    };
    expect(meaning(200, message(), headers)).toMatchObject({
      quota: { requests: { per_minute: 50, left: 0, reset_ms: 30_000 }, tokens: { left: 900 } },
    });
    expect(meaning(429, error("rate_limit_error"), headers)).toMatchObject({ retryAfterMs: 30_000 });
    expect(meaning(200, message(), { "x-ratelimit-remaining-requests": "3" })).toMatchObject({
      quota: { requests: { left: 3 } },
    });
  });
});

const text = fc.string({ minLength: 1, maxLength: 30, unit: "grapheme" });
const block = fc.oneof(
  text.map((said) => ({ type: "text", text: said })),
  fc.record({ type: fc.constant("thinking"), thinking: text, signature: fc.base64String() }),
  fc.record({
    type: fc.constant("tool_use"),
    id: fc.stringMatching(/^toolu_[a-z0-9]{8}$/),
    name: fc.stringMatching(/^[a-z]{1,8}$/),
    input: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.jsonValue({ maxDepth: 2 })),
  }),
);
const messages = fc
  .record({
    content: fc.array(block, { minLength: 1, maxLength: 4 }),
    stop_reason: fc.constantFrom("end_turn", "max_tokens", "tool_use", "refusal"),
  })
  .map(message);
/** The same text in pieces, wherever they are cut. */
const pieces = (whole: string, cuts: readonly number[]) => {
  const at = [0, ...cuts.map((cut) => cut % (whole.length + 1)), whole.length].toSorted((a, b) => a - b);
  return at.slice(1).map((end, index) => whole.slice(at[index], end));
};

describe("a streamed message", () => {
  it("is the same chat completion, to who reads the chunks and to who is given the whole", () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(5_000), { maxLength: 20 }), (sent, cuts) => {
        const stream = claude.readStream(ASKED);
        const chunks = pieces(messageEvents(sent).join(""), cuts).flatMap((piece) => [...stream.take(piece)]);
        const whole = meaning(200, stream.whole() ?? "");
        const plain = meaning(200, sent);
        if (whole.kind !== "completed" || plain.kind !== "completed") throw new Error("no answer");
        expect(JSON.parse(whole.body)).toEqual(JSON.parse(plain.body));
        // Read as a client reads it: the chunks are a chat completion's.
        const read = openai.readStream(ASKED);
        read.take(`${chunks.map(({ data }) => `data: ${data}\n\n`).join("")}data: [DONE]\n\n`);
        const { choices, usage, id } = JSON.parse(read.whole() ?? "null");
        const { refusal: _, ...said } = JSON.parse(plain.body).choices[0].message;
        const empty = { content: null };
        expect({ ...empty, ...choices[0].message }).toEqual(said);
        expect(choices[0].finish_reason).toBe(JSON.parse(plain.body).choices[0].finish_reason);
        expect(usage).toEqual(JSON.parse(plain.body).usage);
        expect(id).toBe("msg_1");
        expect(chunks.filter(({ isUsage }) => isUsage)).toHaveLength(1);
      }),
    );
  });

  it("tells an error that comes within, and a stream that breaks off", () => {
    const events = messageEvents(message());
    const cut = claude.readStream(ASKED);
    cut.take(events.slice(0, 4).join(""));
    expect(cut.whole()).toBeUndefined();
    const broken = claude.readStream(ASKED);
    broken.take(
      `${events.slice(0, 4).join("")}event: error\ndata: ${JSON.stringify(error("overloaded_error"))}\n\n`,
    );
    expect(meaning(200, broken.whole() ?? "")).toMatchObject({ kind: "retry", reason: "error_in_answer" });
  });

  it("never throws, whatever comes", () => {
    const odd = fc.object({
      maxDepth: 2,
      key: fc.constantFrom(
        "type",
        "text",
        "thinking",
        "partial_json",
        "stop_reason",
        "toString",
        "valueOf",
        "id",
      ),
      values: [
        fc.string(),
        fc.constantFrom("text_delta", "thinking_delta", "tool_use", "text", "constructor"),
        fc.integer(),
      ],
    });
    const noise = fc.oneof(
      fc.string(),
      fc.object({ maxDepth: 3 }).map((each) => `data: ${JSON.stringify(each)}\n\n`),
      fc
        .record({
          type: fc.constantFrom(
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
            "error",
          ),
          index: fc.oneof(fc.integer(), fc.double(), fc.string()),
          delta: odd,
          content_block: odd,
          message: fc.object({ maxDepth: 2 }),
          usage: fc.object({ maxDepth: 1 }),
        })
        .map((each) => `data: ${JSON.stringify(each)}\n\n`),
    );
    fc.assert(
      fc.property(fc.array(noise), (texts) => {
        const stream = claude.readStream(ASKED);
        for (const each of texts) stream.take(each);
        const whole = stream.whole();
        if (whole !== undefined) meaning(200, whole);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 200, max: 599 }), (body, status) => {
        meaning(status, { type: "message", ...(body as object) });
        meaning(status, body);
      }),
    );
  });
});
