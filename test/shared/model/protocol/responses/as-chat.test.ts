import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sealedFor } from "../../../../../shared/model/protocol/encrypted.ts";
import type { JsonObject } from "../../../../../shared/model/protocol/json.ts";
import { protocolFor } from "../../../../../shared/model/protocol/protocols.ts";

const RESPONSES = "/v1/responses";
const CHAT = "/v1/chat/completions";
const lab = protocolFor({ protocol: "openai", endpoints: [CHAT] }, RESPONSES);
const native = protocolFor({ protocol: "openai", endpoints: [CHAT, RESPONSES] }, RESPONSES);
const claude = protocolFor({ protocol: "anthropic", endpoints: [CHAT] }, RESPONSES);
const TO = { name: "d", model: "m-1" };
const ASKED = {
  endpoint: RESPONSES,
  nowMs: 1_800_000_000_000,
  jobId: "job_ab",
  attempt: 2,
  deployment: "d",
} as const;

const sent = (body: object) =>
  JSON.parse(lab.bodyFor(RESPONSES, JSON.stringify({ model: "m", ...body }), TO, false));
const unsayable = (body: object, protocol = lab) =>
  protocol.unsayable(RESPONSES, () => ({ model: "m", input: "Hi", ...body }), TO);

describe("a response's request as a chat completion's", () => {
  it.each<[string, object, object]>([
    ["a text", { input: "Hi" }, { model: "m-1", messages: [{ role: "user", content: "Hi" }] }],
    [
      "instructions and parts",
      {
        instructions: "Be brief",
        input: [
          {
            role: "user",
            content: [
              { type: "input_text", text: "Look" },
              { type: "input_image", image_url: "https://x.org/a.png", detail: "auto" },
              { type: "input_file", file_data: "data:application/pdf;base64,JV", filename: "a.pdf" },
            ],
          },
        ],
      },
      {
        messages: [
          { role: "system", content: "Be brief" },
          {
            role: "user",
            content: [
              { type: "text", text: "Look" },
              { type: "image_url", image_url: { url: "https://x.org/a.png", detail: "auto" } },
              { type: "file", file: { file_data: "data:application/pdf;base64,JV", filename: "a.pdf" } },
            ],
          },
        ],
      },
    ],
    [
      "calls that stand together, and their results",
      {
        input: [
          { role: "user", content: "Hi" },
          { type: "reasoning", id: "rs_1", summary: [] },
          { type: "message", role: "assistant", content: [{ type: "output_text", text: "Let me see" }] },
          { type: "function_call", call_id: "a", name: "f", arguments: "{}" },
          { type: "function_call", call_id: "b", name: "g", arguments: "{}" },
          { type: "function_call_output", call_id: "a", output: "rain" },
          { type: "function_call_output", call_id: "b", output: [{ type: "input_text", text: "sun" }] },
        ],
      },
      {
        messages: [
          { role: "user", content: "Hi" },
          {
            role: "assistant",
            content: [{ type: "text", text: "Let me see" }],
            tool_calls: [
              { id: "a", type: "function", function: { name: "f", arguments: "{}" } },
              { id: "b", type: "function", function: { name: "g", arguments: "{}" } },
            ],
          },
          { role: "tool", tool_call_id: "a", content: "rain" },
          { role: "tool", tool_call_id: "b", content: [{ type: "text", text: "sun" }] },
        ],
      },
    ],
    [
      "tools and the rest",
      {
        input: "Hi",
        tools: [
          { type: "function", name: "f", description: null, parameters: { type: "object" }, strict: true },
        ],
        tool_choice: { type: "function", name: "f" },
        text: {
          format: { type: "json_schema", name: "s", schema: { type: "object" }, strict: true },
          verbosity: "low",
        },
        reasoning: { effort: "low", summary: "auto" },
        max_output_tokens: 50,
        temperature: 0.5,
        store: false,
        truncation: "disabled",
        metadata: { a: "b" },
        top_logprobs: 2,
      },
      {
        tools: [{ type: "function", function: { name: "f", parameters: { type: "object" }, strict: true } }],
        tool_choice: { type: "function", function: { name: "f" } },
        response_format: {
          type: "json_schema",
          json_schema: { name: "s", schema: { type: "object" }, strict: true },
        },
        verbosity: "low",
        reasoning_effort: "low",
        max_completion_tokens: 50,
        temperature: 0.5,
        logprobs: true,
        top_logprobs: 2,
      },
    ],
  ])("%s", (_, body, expected) => {
    expect(unsayable(body)).toBeUndefined();
    expect(sent(body)).toMatchObject(expected);
    for (const name of ["input", "store", "metadata", "truncation"])
      expect(sent(body)).not.toHaveProperty(name);
  });

  it.each<[string, object]>([
    ["truncation", { truncation: "auto" }],
    ["max_tool_calls", { max_tool_calls: 2 }],
    ["previous_response_id", { previous_response_id: "resp_1" }],
    ["store", { store: true }],
    ["include[0]", { include: ["reasoning.encrypted_content"] }],
    ["tools[0]", { tools: [{ type: "web_search" }] }],
    ["tool_choice", { tool_choice: { type: "allowed_tools" } }],
    ["reasoning.summary", { reasoning: { summary: "detailed" } }],
    ["text.format", { text: { format: { type: "grammar" } } }],
    ["input[0]", { input: [{ type: "item_reference", id: "msg_1" }] }],
    ["input[0].content[0]", { input: [{ role: "user", content: [{ type: "input_file", file_id: "f" }] }] }],
    ["input[0].output[0]", { input: [{ type: "function_call_output", output: [{ type: "input_image" }] }] }],
    ["input[0].encrypted_content", { input: [{ type: "reasoning", encrypted_content: "gAAA" }] }],
    ["conversation", { conversation: "conv_1" }],
  ])("cannot say %s", (param, body) => {
    expect(unsayable(body)).toMatchObject({ param });
  });

  it("tells why the lab's own words for it are missing", () => {
    expect(unsayable({ temperature: 2 }, claude)).toEqual({
      param: "temperature",
      why: "no temperature above 1",
    });
    expect(unsayable({ text: { verbosity: "low" } }, claude)).toMatchObject({ param: "text.verbosity" });
    expect(unsayable({ input: [{ role: "assistant", content: "So" }] }, claude)).toMatchObject({
      param: "input",
    });
  });

  it("is said or refused by name, whatever it holds", () => {
    fc.assert(
      fc.property(fc.object({ maxDepth: 3 }), fc.jsonValue(), (body, input) => {
        const whole = JSON.parse(JSON.stringify({ model: "m", ...body, input }));
        for (const protocol of [lab, claude]) {
          const why = protocol.unsayable(RESPONSES, () => whole, TO);
          if (why === undefined) protocol.bodyFor(RESPONSES, JSON.stringify(whole), TO, false);
          else expect(why).toMatchObject({ why: expect.any(String), param: expect.any(String) });
        }
      }),
    );
  });
});

const completion = (message: object, finish_reason = "stop") => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "m-1",
  choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason, logprobs: null }],
  usage: {
    prompt_tokens: 10,
    completion_tokens: 5,
    total_tokens: 22,
    prompt_tokens_details: { cached_tokens: 4 },
    completion_tokens_details: { reasoning_tokens: 7 },
  },
});
function answered(body: unknown, protocol = lab) {
  const outcome = protocol.outcomeOf(
    { status: 200, headers: new Headers(), body: JSON.stringify(body) },
    ASKED,
  );
  if (outcome.kind !== "completed") throw new Error(JSON.stringify(outcome));
  return { ...outcome, json: JSON.parse(outcome.body) };
}

describe("a chat completion as a response", () => {
  it("has what the model thought, said and calls, with ids of the job's", () => {
    const call = { id: "call_1", type: "function", function: { name: "f", arguments: '{"a":1}' } };
    const { json, usage } = answered(
      completion({ content: "So", reasoning_content: "hm", tool_calls: [call] }, "tool_calls"),
    );
    expect(json).toMatchObject({
      id: "resp_ab",
      object: "response",
      created_at: 1_800_000_000,
      status: "completed",
      error: null,
      incomplete_details: null,
      model: "m-1",
      output: [
        { id: "rs_ab_2_0", type: "reasoning", content: [{ type: "reasoning_text", text: "hm" }] },
        {
          id: "msg_ab_2_1",
          type: "message",
          role: "assistant",
          status: "completed",
          content: [{ type: "output_text", text: "So", annotations: [] }],
        },
        { id: "fc_ab_2_2", type: "function_call", call_id: "call_1", name: "f", arguments: '{"a":1}' },
      ],
      usage: {
        input_tokens: 10,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens: 12,
        output_tokens_details: { reasoning_tokens: 7 },
        total_tokens: 22,
      },
    });
    expect(usage).toMatchObject({ input_tokens: 10, output_tokens: 12, total_tokens: 22 });
  });

  it.each([
    ["length", "max_output_tokens"],
    ["max_tokens", "max_output_tokens"],
    ["model_length", "max_output_tokens"],
    ["content_filter", "content_filter"],
  ])("is incomplete for %s", (finish, reason) => {
    const { json, incomplete } = answered(completion({ content: "So" }, finish));
    expect(json).toMatchObject({ status: "incomplete", incomplete_details: { reason } });
    expect(incomplete).toBe(reason);
  });

  it("has a refusal as one", () => {
    expect(answered(completion({ content: null, refusal: "No" })).json.output).toMatchObject([
      { type: "message", content: [{ type: "refusal", refusal: "No" }] },
    ]);
  });

  it("seals what Claude has thought, for that deployment alone, and gives it back", () => {
    const thinking = { type: "thinking", thinking: "hm", signature: "s" };
    const message = {
      type: "message",
      id: "msg_1",
      model: "c",
      stop_reason: "end_turn",
      usage: { input_tokens: 1, output_tokens: 1 },
    };
    const { json } = answered({ ...message, content: [thinking, { type: "text", text: "So" }] }, claude);
    const input = [{ role: "user", content: "Hi" }, ...json.output, { role: "user", content: "And?" }];
    const body = JSON.stringify({ model: "m", input, include: ["reasoning.encrypted_content"] });
    expect(JSON.parse(claude.bodyFor(RESPONSES, body, TO, false)).messages[1]).toEqual({
      role: "assistant",
      content: [thinking, { type: "text", text: "So" }],
    });
    for (const protocol of [claude, lab, native])
      expect(
        protocol.unsayable(RESPONSES, () => ({ model: "m", input }), { ...TO, name: "other" }),
      ).toMatchObject({
        param: "input[1].encrypted_content",
      });
  });

  it("gives thoughts back in the place where they were had, and those that led to nothing not at all", () => {
    const thought = (thinking: string) => ({ type: "thinking", thinking, signature: "s" });
    const sealed = (...all: string[]) => ({
      ...{ type: "reasoning", id: "rs_1", summary: [] },
      encrypted_content: sealedFor("d", Buffer.from(JSON.stringify(all.map(thought))).toString("base64")),
    });
    const input = [
      { role: "user", content: "Hi" },
      sealed("nothing"),
      { role: "user", content: "Well?" },
      ...[sealed("a"), sealed("b")],
      { role: "assistant", content: "Let me see" },
      sealed("c"),
      { type: "function_call", call_id: "1", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "1", output: "rain" },
    ];
    const tools = [{ type: "function", name: "f", parameters: { type: "object" } }];
    const body = JSON.stringify({ model: "m", input, tools });
    const { messages } = JSON.parse(claude.bodyFor(RESPONSES, body, TO, false));
    expect(messages.map(({ role }: { role: string }) => role)).toEqual(["user", "assistant", "user"]);
    expect(messages[1].content).toEqual([
      ...[thought("a"), thought("b"), { type: "text", text: "Let me see" }, thought("c")],
      { type: "tool_use", id: "1", name: "f", input: {} },
    ]);
  });

  it("unseals what a lab of this endpoint has thought, and leaves the rest byte for byte", () => {
    const content = sealedFor("d", "gAAA.x");
    const text = `{ "model": "m",  "input": [{"type": "reasoning", "encrypted_content": "${content}"}] }`;
    expect(native.bodyFor(RESPONSES, text, TO, false)).toBe(
      '{ "model": "m-1",  "input": [{"type": "reasoning", "encrypted_content": "gAAA.x"}] }',
    );
    expect(native.unsayable(RESPONSES, () => JSON.parse(text), TO)).toBeUndefined();
  });
});

const chunk = (delta: object, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", model: "m-1", choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
const text = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" });
const streamed = fc.record({
  thought: fc.array(text, { maxLength: 3 }),
  said: fc.array(text, { maxLength: 3 }),
  calls: fc.array(fc.array(text, { maxLength: 3 }), { maxLength: 2 }),
  finish: fc.constantFrom("stop", "length", "tool_calls", "content_filter"),
});

describe("a streamed chat completion as a response's events", () => {
  it("makes the very items of the whole answer", () => {
    fc.assert(
      fc.property(streamed, ({ thought, said, calls, finish }) => {
        fc.pre(thought.length + said.length + calls.length > 0);
        const chunks = [
          chunk({ role: "assistant", content: "" }),
          ...thought.map((each) => chunk({ reasoning_content: each })),
          ...said.map((each) => chunk({ content: each })),
          ...calls.flatMap((parts, index) => [
            chunk({
              tool_calls: [
                { index, id: `call_${index}`, type: "function", function: { name: "f", arguments: "" } },
              ],
            }),
            ...parts.map((each) => chunk({ tool_calls: [{ index, function: { arguments: each } }] })),
          ]),
          chunk({}, finish),
          "data: [DONE]\n\n",
        ];
        const stream = lab.readStream(ASKED);
        const events: JsonObject[] = chunks
          .flatMap((each) => [...stream.take(each)])
          .map(({ data }) => JSON.parse(data));
        const { json } = answered(JSON.parse(stream.whole() ?? "null"));
        const done = events
          .filter(({ type }) => type === "response.output_item.done")
          .map(({ item }) => item);
        const isEmptyMessage = said.length === 0 && calls.length === 0;
        expect(done).toEqual(isEmptyMessage ? json.output.slice(0, -1) : json.output);
        for (const [kind, field] of [
          ["output_text", "text"],
          ["reasoning_text", "text"],
        ] as const) {
          const deltas = events
            .filter(({ type }) => type === `response.${kind}.delta`)
            .map(({ delta }) => delta);
          const end = events
            .filter(({ type }) => type === `response.${kind}.done`)
            .map((each) => each[field]);
          expect(deltas.join("")).toBe(end.join(""));
        }
        const added = events.filter(({ type }) => type === "response.output_item.added");
        expect(added.map(({ output_index }) => output_index)).toEqual(added.map((_, at) => at));
      }),
    );
  });

  it("never throws, whatever comes", () => {
    const noise = fc.oneof(
      fc.string(),
      fc.object({ maxDepth: 3 }).map((each) => `data: ${JSON.stringify(each)}\n\n`),
      fc
        .object({
          maxDepth: 3,
          key: fc.constantFrom("content", "tool_calls", "function", "index", "refusal", "thinking_blocks"),
        })
        .map((each) => chunk(each)),
      fc
        .object({ maxDepth: 2, key: fc.constantFrom("type", "response", "item", "error") })
        .map((each) => `data: ${JSON.stringify(each)}\n\n`),
    );
    fc.assert(
      fc.property(fc.array(noise), (texts) => {
        for (const protocol of [lab, native, claude]) {
          const stream = protocol.readStream(ASKED);
          for (const each of texts) stream.take(each);
          const body = stream.whole();
          if (body !== undefined) protocol.outcomeOf({ status: 200, headers: new Headers(), body }, ASKED);
        }
      }),
    );
  });
});
