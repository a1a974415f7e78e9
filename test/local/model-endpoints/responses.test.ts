import { describe, expect, it } from "vitest";
import { usageOf } from "../../../shared/model/protocol/openai/usage.ts";
import { endpoints, ISHMAEL, LABS } from "./endpoints.ts";

const RESPONSES = "/openai/v1/responses";

describe.each(LABS)("a response of $lab", ({ lab, model }) => {
  it("has its shape and its usage", async () => {
    const { client } = await endpoints();
    const data = await client(lab).responses.create({
      model,
      instructions: "Summarise in one sentence.",
      input: ISHMAEL,
      metadata: { a: "b" },
    });
    expect(data).toMatchObject({
      object: "response",
      status: "completed",
      model,
      error: null,
      metadata: { a: "b" },
    });
    expect(data.id).toMatch(/^resp_[0-9a-f]{48}$/);
    expect(ISHMAEL).toContain(data.output_text);
    expect(data.output.map((item) => item.type)).toEqual(
      lab === "openai" ? ["message"] : ["reasoning", "message"],
    );
    const { usage } = data;
    if (usage === undefined) throw new Error("no usage");
    expect(usage.output_tokens_details.reasoning_tokens > 0).toBe(lab !== "openai");
    expect(usage.total_tokens).toBe(usage.input_tokens + usage.output_tokens);
    expect(usageOf(data, { prompt: true, text: true })).toMatchObject({
      input_tokens: usage.input_tokens,
      output_tokens: usage.output_tokens,
      total_tokens: usage.total_tokens,
    });
  });
});

it("is incomplete when its tokens or its filter end it", async () => {
  const { client } = await endpoints();
  const cut = await client("openai").responses.create({
    model: "gpt-sim",
    input: ISHMAEL,
    max_output_tokens: 16,
  });
  expect(cut).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } });
  expect(cut.usage?.output_tokens).toBe(16);
  const filtered = await client("openai").responses.create({
    model: "gpt-sim",
    input: `[[output_filter]] ${ISHMAEL}`,
  });
  expect(filtered).toMatchObject({ status: "incomplete", incomplete_details: { reason: "content_filter" } });
});

it("calls functions, and answers in the schema asked for", async () => {
  const { client } = await endpoints();
  const { responses } = client("openai");
  const called = await responses.create({
    model: "gpt-sim",
    input: [{ role: "user", content: [{ type: "input_text", text: "How is the weather in Paris?" }] }],
    tools: [
      {
        type: "function",
        name: "get_weather",
        strict: false,
        parameters: { type: "object", properties: { city: { type: "string" } } },
      },
    ],
  });
  expect(called.output).toMatchObject([
    { type: "function_call", name: "get_weather", arguments: '{"city":"Paris"}', status: "completed" },
  ]);
  const schema = { type: "object", properties: { names: { type: "array", items: { type: "string" } } } };
  const shaped = await responses.create({
    model: "gpt-sim",
    input: ISHMAEL,
    text: { format: { type: "json_schema", name: "names", schema } },
  });
  expect(JSON.parse(shaped.output_text)).toEqual({ names: ["Ishmael"] });
});

it.each([
  ["no input", { model: "gpt-sim" }, { code: "missing_required_parameter", param: "input" }],
  [
    "an earlier response",
    { model: "gpt-sim", input: "x", previous_response_id: "resp_1" },
    { code: "previous_response_not_found" },
  ],
  [
    "too few tokens",
    { model: "gpt-sim", input: "x", max_output_tokens: 1 },
    { code: "integer_below_min_value" },
  ],
  ["a background", { model: "gpt-sim", input: "x", background: true }, { param: "background" }],
  [
    "a choice without tools",
    { model: "gpt-sim", input: "x", tool_choice: "required" },
    { param: "tool_choice" },
  ],
  ["items of another type", { model: "gpt-sim", input: [1] }, { code: "invalid_type", param: "input[0]" }],
])("refuses %s", async (_what, body, error) => {
  const { post } = await endpoints();
  const response = await post(RESPONSES, body);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error });
});
