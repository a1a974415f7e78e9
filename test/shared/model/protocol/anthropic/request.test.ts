import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readMessagesRequest } from "../../../../../local/model-endpoints/messages-request.ts";
import { PROFILES } from "../../../../../local/model-endpoints/profiles.ts";
import { dialectSchema } from "../../../../../shared/model/dialect.ts";
import { isObject, type JsonObject } from "../../../../../shared/model/protocol/json.ts";
import type { SpokenTo } from "../../../../../shared/model/protocol/protocol.ts";
import { protocolOf } from "../../../../../shared/model/protocol/protocols.ts";
import { sayable } from "./requests.ts";

const CHAT = "/v1/chat/completions";
const claude = protocolOf({ protocol: "anthropic" });
const TO: SpokenTo = { model: "claude-1", max_output_tokens: 64_000 };
const user = (content: unknown) => ({ role: "user", content });
const sent = (body: object, to: SpokenTo = TO, streamed = false) =>
  JSON.parse(
    claude.bodyFor(CHAT, JSON.stringify({ model: "m", messages: [user("Hi")], ...body }), to, streamed),
  );
const unsayable = (body: object, to: SpokenTo = TO) =>
  claude.unsayable(CHAT, () => ({ model: "m", messages: [user("Hi")], ...body }), to);
const tool = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: {} } },
};
const call = (id: string, said: string) => ({
  id,
  type: "function",
  function: { name: "weather", arguments: said },
});

describe("a chat completion's request as a message's", () => {
  it.each<[string, object, object]>([
    [
      "a word",
      {},
      { model: "claude-1", max_tokens: 64_000, messages: [user([{ type: "text", text: "Hi" }])] },
    ],
    [
      "the system's words",
      {
        messages: [
          { role: "system", content: "Be brief" },
          { role: "developer", content: "In French" },
          user("Hi"),
        ],
      },
      {
        system: [
          { type: "text", text: "Be brief" },
          { type: "text", text: "In French" },
        ],
      },
    ],
    [
      "pictures and papers",
      {
        messages: [
          user([
            { type: "image_url", image_url: { url: "https://x.org/a.png", detail: "high" } },
            {
              type: "image_url",
              image_url: { url: "data:image/png;base64,AAAA" },
              cache_control: { type: "ephemeral" },
            },
            { type: "file", file: { file_data: "data:application/pdf;base64,JVBE", filename: "a.pdf" } },
          ]),
        ],
      },
      {
        messages: [
          user([
            { type: "image", source: { type: "url", url: "https://x.org/a.png" } },
            {
              type: "image",
              source: { type: "base64", media_type: "image/png", data: "AAAA" },
              cache_control: { type: "ephemeral" },
            },
            {
              type: "document",
              source: { type: "base64", media_type: "application/pdf", data: "JVBE" },
              title: "a.pdf",
            },
          ]),
        ],
      },
    ],
    [
      "calls and their results, which stand before what the user says next",
      {
        tools: [tool],
        messages: [
          user("Hi"),
          {
            role: "assistant",
            content: "Let me see",
            tool_calls: [call("a", '{"n":9007199254740993}'), call("b", "")],
          },
          { role: "tool", tool_call_id: "a", content: "rain" },
          { role: "tool", tool_call_id: "b", content: [{ type: "text", text: "sun" }] },
          user("And?"),
        ],
      },
      {
        messages: [
          user([{ type: "text", text: "Hi" }]),
          {
            role: "assistant",
            content: [
              { type: "text", text: "Let me see" },
              { type: "tool_use", id: "a", name: "weather", input: { n: 9007199254740992 } },
              { type: "tool_use", id: "b", name: "weather", input: {} },
            ],
          },
          user([
            { type: "tool_result", tool_use_id: "a", content: [{ type: "text", text: "rain" }] },
            { type: "tool_result", tool_use_id: "b", content: [{ type: "text", text: "sun" }] },
            { type: "text", text: "And?" },
          ]),
        ],
      },
    ],
    [
      "tools",
      {
        tools: [{ type: "function", function: { ...tool.function, description: "Tells it", strict: true } }],
        tool_choice: "required",
        parallel_tool_calls: false,
      },
      {
        tools: [
          {
            name: "weather",
            description: "Tells it",
            input_schema: { type: "object", properties: {} },
            strict: true,
          },
        ],
        tool_choice: { type: "any", disable_parallel_tool_use: true },
      },
    ],
    [
      "one tool",
      { tools: [tool], tool_choice: { type: "function", function: { name: "weather" } } },
      { tool_choice: { type: "tool", name: "weather" } },
    ],
    [
      "sampling and stops",
      { temperature: 0.5, top_p: 0.9, stop: "END", max_tokens: 7, user: "u1" },
      { temperature: 0.5, top_p: 0.9, stop_sequences: ["END"], max_tokens: 7, metadata: { user_id: "u1" } },
    ],
    [
      "reasoning",
      { reasoning_effort: "high" },
      { thinking: { type: "adaptive" }, output_config: { effort: "high" } },
    ],
    [
      "a schema",
      {
        response_format: {
          type: "json_schema",
          json_schema: { name: "a", schema: { type: "object", additionalProperties: false } },
        },
      },
      {
        output_config: {
          format: { type: "json_schema", schema: { type: "object", additionalProperties: false } },
        },
      },
    ],
    [
      "its own thinking",
      {
        messages: [
          user("Hi"),
          {
            role: "assistant",
            content: "Well",
            reasoning_content: "hm",
            thinking_blocks: [{ type: "thinking", thinking: "hm", signature: "s" }],
          },
          user("And?"),
        ],
      },
      {
        messages: [
          user([{ type: "text", text: "Hi" }]),
          {
            role: "assistant",
            content: [
              { type: "thinking", thinking: "hm", signature: "s" },
              { type: "text", text: "Well" },
            ],
          },
          user([{ type: "text", text: "And?" }]),
        ],
      },
    ],
  ])("%s", (_, body, expected) => {
    expect(unsayable(body)).toBeUndefined();
    expect(sent(body)).toMatchObject(expected);
  });

  it("keeps all digits of a call's numbers", () => {
    const messages = [
      user("Hi"),
      { role: "assistant", tool_calls: [call("a", '{"n":9007199254740993}')] },
      { role: "tool", tool_call_id: "a", content: "rain" },
    ];
    const body = JSON.stringify({ model: "m", messages, tools: [tool] });
    expect(claude.bodyFor(CHAT, body, TO, false)).toContain('"input":{"n":9007199254740993}');
  });

  it("asks for a stream where the client did and one is wanted", () => {
    expect(sent({ stream: true }, TO, true)).toMatchObject({ stream: true });
    expect(sent({ stream: true })).not.toHaveProperty("stream");
    expect(sent({}, TO, true)).not.toHaveProperty("stream");
  });

  it.each<[string, object, string]>([
    ["n", { n: 2 }, "no n"],
    ["logprobs", { logprobs: true }, "no logprobs"],
    ["top_logprobs", { top_logprobs: 2 }, "no top_logprobs"],
    ["seed", { seed: 1 }, "no seed"],
    ["modalities", { modalities: ["text", "audio"] }, "no modalities"],
    ["verbosity", { verbosity: "low" }, "no verbosity"],
    ["functions", { functions: [{ name: "f" }] }, "no functions"],
    ["frequency_penalty", { frequency_penalty: 0.1 }, "no frequency_penalty"],
    ["service_tier", { service_tier: "flex" }, "no service_tier"],
    ["store", { store: true }, "no store"],
    ["temperature", { temperature: 1.5 }, "no temperature above 1"],
    ["temperature", { temperature: 0, reasoning_effort: "low" }, "no temperature with reasoning"],
    ["reasoning_effort", { reasoning_effort: "minimal" }, "has no such reasoning_effort"],
    ["stop", { stop: ["\n"] }, "no stop of white space alone"],
    [
      "response_format",
      { response_format: { type: "json_object" } },
      "no response_format of type json_object",
    ],
    [
      "response_format",
      { response_format: { type: "json_schema", json_schema: { name: "a", schema: { type: "object" } } } },
      "no schema whose objects may have other properties",
    ],
    ["tools[0]", { tools: [{ type: "custom", custom: { name: "x" } }] }, "no tools of type custom"],
    ["messages[0].content[0]", { messages: [user([{ type: "input_audio" }])] }, "no input_audio there"],
    [
      "messages[0].content[0].image_url.detail",
      { messages: [user([{ type: "image_url", image_url: { url: "https://a", detail: "low" } }])] },
      "no detail low of pictures",
    ],
    [
      "messages[0].content[0].image_url.url",
      { messages: [user([{ type: "image_url", image_url: { url: "data:image/bmp;base64,AA" } }])] },
      "no image/bmp there",
    ],
    [
      "messages[0].content[0].file",
      { messages: [user([{ type: "file", file: { file_id: "f" } }])] },
      "no files by their id",
    ],
    [
      "messages[1]",
      { messages: [user("Hi"), { role: "system", content: "x" }, user("!")] },
      "no system message within the conversation",
    ],
    [
      "messages",
      { messages: [{ role: "system", content: "x" }] },
      "no conversation that the user does not begin",
    ],
    [
      "messages",
      { messages: [user("Hi"), { role: "assistant", content: "So" }] },
      "no conversation that ends with the model's own words",
    ],
    ["messages[0].name", { messages: [{ ...user("Hi"), name: "Ann" }] }, "no messages[0].name"],
    [
      "messages[1].tool_calls[0].function.arguments",
      { tools: [tool], messages: [user("Hi"), { role: "assistant", tool_calls: [call("a", "[1]")] }] },
      "no arguments of a call that are no JSON object",
    ],
    [
      "tools",
      {
        messages: [
          user("Hi"),
          { role: "assistant", tool_calls: [call("a", "{}")] },
          { role: "tool", tool_call_id: "a", content: "x" },
        ],
      },
      "no calls of tools that the request does not define",
    ],
  ])("cannot say %s %j", (param, body, why) => {
    expect(unsayable(body)).toEqual({ param, why });
  });

  it("names a token budget where the dialect has one", () => {
    const dialect = dialectSchema.parse({ values: { reasoning_effort: { low: 2048, high: 16_000 } } });
    expect(sent({ reasoning_effort: "low" }, { ...TO, dialect })).toMatchObject({
      thinking: { type: "enabled", budget_tokens: 2048 },
    });
    expect(unsayable({ reasoning_effort: "high", max_tokens: 9_000 }, { ...TO, dialect })).toMatchObject({
      param: "reasoning_effort",
    });
    expect(
      claude.dialectFaults(dialectSchema.parse({ rename: { a: "b" }, values: { temperature: {} } })),
    ).toEqual([
      "dialect: a cannot be renamed in the protocol anthropic",
      "dialect: temperature cannot be mapped in the protocol anthropic",
    ]);
  });
});

/** Everything that people and tools have said, in order: of a chat completion's request, or of a message's. */
function allSaid(messages: unknown): unknown[] {
  const list = Array.isArray(messages) ? messages.filter(isObject) : [];
  const textIn = (content: unknown): unknown[] =>
    typeof content === "string" ? [content] : (Array.isArray(content) ? content : []).flatMap(blockSaid);
  const blockSaid = (block: JsonObject): unknown[] => {
    if (block.type === "image_url") return [(block.image_url as JsonObject).url];
    if (block.type === "image") {
      const { url, media_type, data } = block.source as JsonObject;
      return [url ?? `data:${media_type};base64,${data}`];
    }
    if (block.type === "tool_use") return [block.id, block.name, block.input];
    if (block.type === "tool_result") return [block.tool_use_id, ...textIn(block.content)];
    return [block.text];
  };
  return list.flatMap((message) => [
    ...(message.role === "tool" ? [message.tool_call_id] : []),
    ...textIn(message.content),
    ...((message.tool_calls as JsonObject[] | undefined) ?? []).flatMap((each) => {
      const of = each.function as JsonObject;
      return [each.id, of.name, JSON.parse(String(of.arguments))];
    }),
  ]);
}

describe("any request that can be said", () => {
  const model = PROFILES.flatMap((lab) => lab.models).find(({ name }) => name === "claude-sim");

  it("is taken by Anthropic's rules, and has lost nothing", () => {
    fc.assert(
      fc.property(sayable, (body) => {
        if (model === undefined) throw new Error("no claude-sim");
        expect(unsayable(body)).toBeUndefined();
        const message = sent(body, { model: model.name, max_output_tokens: model.maxOutputTokens });
        expect(() => readMessagesRequest(message, model)).not.toThrow();
        const system = (body.messages as JsonObject[]).filter(
          ({ role }) => role === "system" || role === "developer",
        );
        expect((message.system ?? []).map((block: JsonObject) => block.text)).toEqual(
          system.map(({ content }) => content),
        );
        const others = (body.messages as JsonObject[]).filter((each) => !system.includes(each));
        expect(allSaid(message.messages)).toEqual(allSaid(others));
        expect(message.tools).toHaveLength((body.tools as unknown[]).length);
      }),
    );
  });

  it("is either said or refused by name, whatever it holds", () => {
    fc.assert(
      fc.property(fc.object({ maxDepth: 4 }), fc.jsonValue(), (body, messages) => {
        const whole = JSON.parse(JSON.stringify({ model: "m", ...body, messages }));
        const why = claude.unsayable(CHAT, () => whole, TO);
        if (why === undefined)
          expect(claude.bodyFor(CHAT, JSON.stringify(whole), TO, false)).toContain("claude-1");
        else expect(why).toMatchObject({ why: expect.any(String), param: expect.any(String) });
      }),
    );
  });
});
