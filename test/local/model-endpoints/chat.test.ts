import { APIError } from "openai";
import { describe, expect, it } from "vitest";
import { usageOf } from "../../../shared/model/protocol/openai/usage.ts";
import { ask, CHAT, endpoints, ISHMAEL, LABS } from "./endpoints.ts";

describe.each(LABS)("a chat completion of $lab", ({ lab, model }) => {
  it("has the lab's shape, and says in its headers that it is simulated", async () => {
    const { client } = await endpoints();
    const { data, response } = await client(lab)
      .chat.completions.create(ask(`Summarise in one sentence: ${ISHMAEL}`, model))
      .withResponse();
    expect(data).toMatchObject({
      object: "chat.completion",
      model,
      system_fingerprint: "simulated",
      choices: [
        {
          index: 0,
          finish_reason: "stop",
          message: { role: "assistant", content: expect.any(String), refusal: null },
        },
      ],
    });
    expect(data.id).toMatch(
      { openai: /^chatcmpl-\w{29}$/, xai: /^[0-9a-f-]{36}$/, deepseek: /^[0-9a-f]{32}$/ }[lab],
    );
    expect(ISHMAEL).toContain(data.choices[0]?.message.content);
    const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
    expect(response.headers.get("x-simulated")).toBe("true");
    expect(response.headers.get("x-request-id")).toMatch(uuid);
    expect(response.headers.get("apim-request-id")).toMatch(uuid);
    for (const what of ["limit", "remaining", "reset"]) {
      expect(response.headers.get(`x-ratelimit-${what}-requests`)).toMatch(/^\d+$/);
      expect(response.headers.get(`x-ratelimit-${what}-tokens`)).toMatch(/^\d+$/);
    }
  });

  it("reports its reasoning as the lab does, and its usage as it was counted", async () => {
    const { client, get } = await endpoints();
    const data = await client(lab).chat.completions.create(ask(ISHMAEL, model));
    const message = data.choices[0]?.message as { reasoning_content?: string } | undefined;
    const reasoning = message?.reasoning_content;
    const { usage } = data;
    if (usage === undefined) throw new Error("no usage");
    const { reasoning_tokens: reasoningTokens = 0 } = usage.completion_tokens_details ?? {};
    if (lab === "openai") {
      expect(reasoning).toBeUndefined();
      expect(reasoningTokens).toBe(0);
    } else {
      expect(reasoning).toContain("There are 3 sentences");
      expect(reasoningTokens).toBeGreaterThan(10);
    }
    const beside = lab === "xai" ? reasoningTokens : 0;
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens + beside);
    const { data: calls } = (await get("/_control/calls")) as {
      data: { input_tokens: number; output_tokens: number }[];
    };
    expect(usageOf(data, { prompt: true, text: true })).toMatchObject({
      input_tokens: calls[0]?.input_tokens,
      output_tokens: calls[0]?.output_tokens,
    });
  });

  it("gives the same request the same answer, and another seed another id", async () => {
    const answers: string[] = [];
    for (const seed of ["a", "a", "b"]) {
      const { post } = await endpoints({
        seed,
        clock: { now: () => 1_800_000_000_000, after: () => () => undefined },
      });
      answers.push(await (await post(`/${lab}/v1/chat/completions`, ask(ISHMAEL, model))).text());
    }
    expect(answers[0]).toBe(answers[1]);
    expect(JSON.parse(answers[0] ?? "").id).not.toBe(JSON.parse(answers[2] ?? "").id);
    expect(JSON.parse(answers[0] ?? "").created).toBe(1_800_000_000);
  });

  it("ends where max_completion_tokens says", async () => {
    const { client } = await endpoints();
    const data = await client(lab).chat.completions.create({
      ...ask(ISHMAEL, model),
      max_completion_tokens: 5,
    });
    expect(data.choices[0]?.finish_reason).toBe("length");
    expect(usageOf(data, { prompt: true, text: true })?.output_tokens).toBeLessThanOrEqual(5);
  });
});

it("honours max_tokens, stop and n", async () => {
  const { client } = await endpoints();
  const { chat } = client("openai");
  const short = await chat.completions.create({ ...ask(ISHMAEL), max_tokens: 3 });
  expect(short.choices[0]).toMatchObject({ finish_reason: "length" });
  expect(short.usage?.completion_tokens).toBe(3);
  const many = await chat.completions.create({
    ...ask(`Translate into French: ${ISHMAEL}`),
    n: 3,
    stop: ["Ishmael"],
  });
  expect(many.choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
  for (const choice of many.choices) {
    expect(choice).toMatchObject({ finish_reason: "stop", message: { content: "Call me " } });
  }
});

it("answers in JSON where that is asked for", async () => {
  const { client } = await endpoints();
  const { chat } = client("xai");
  const free = await chat.completions.create({
    ...ask(`Extract JSON with the keys names and summary.\n\n${ISHMAEL}`, "grok-sim"),
    response_format: { type: "json_object" },
  });
  expect(Object.keys(JSON.parse(free.choices[0]?.message.content ?? ""))).toEqual(["names", "summary"]);
  const schema = { type: "object", properties: { mood: { enum: ["calm", "angry"] } }, required: ["mood"] };
  const fixed = await chat.completions.create({
    ...ask(ISHMAEL, "grok-sim"),
    response_format: { type: "json_schema", json_schema: { name: "mood", schema } },
  });
  expect(["calm", "angry"]).toContain(JSON.parse(fixed.choices[0]?.message.content ?? "").mood);
});

describe("tools", () => {
  const tools = ["get_weather", "send_mail"].map((name) => ({
    type: "function" as const,
    function: { name, parameters: { type: "object", properties: { city: { type: "string" } } } },
  }));
  const names = async (more: object) => {
    const { client } = await endpoints();
    const data = await client("openai").chat.completions.create({
      ...ask("How is the weather in Paris?"),
      tools,
      ...more,
    });
    const [choice] = data.choices;
    const called = choice?.message.tool_calls?.map((call) =>
      "function" in call ? call.function : undefined,
    );
    return { finish: choice?.finish_reason, called };
  };

  it("are called when the choice asks for it, with arguments that fit", async () => {
    const weather = {
      finish: "tool_calls",
      called: [{ name: "get_weather", arguments: '{"city":"Paris"}' }],
    };
    expect(await names({})).toEqual(weather);
    expect(await names({ tool_choice: "required" })).toEqual(weather);
    const named = await names({ tool_choice: { type: "function", function: { name: "send_mail" } } });
    expect(named).toMatchObject({ finish: "tool_calls", called: [{ name: "send_mail" }] });
    expect(await names({ tool_choice: "none" })).toEqual({ finish: "stop", called: undefined });
  });

  it("are answered with text once their result is there", async () => {
    const messages = [
      { role: "user", content: "How is the weather in Paris?" },
      {
        role: "assistant",
        tool_calls: [{ id: "call_1", type: "function", function: { name: "get_weather", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "call_1", content: "12 degrees, rain" },
    ];
    const { post } = await endpoints();
    const data = await (await post(CHAT, { model: "gpt-sim", messages, tools })).json();
    expect((data as { choices: unknown[] }).choices[0]).toMatchObject({
      finish_reason: "stop",
      message: { content: "According to the result: 12 degrees, rain" },
    });
  });
});

describe("refusals", () => {
  const REFUSED: [string, string, object | string, number, object][] = [
    ["no JSON", "openai", "{", 400, { type: "invalid_request_error" }],
    ["no model", "openai", { messages: [] }, 400, { param: "model" }],
    ["a model that is not deployed", "openai", ask("x", "gpt-9"), 404, { code: "DeploymentNotFound" }],
    ["another lab's model", "xai", ask("x"), 404, { code: "model_not_found" }],
    [
      "no messages",
      "openai",
      { model: "gpt-sim" },
      400,
      { code: "missing_required_parameter", param: "messages" },
    ],
    ["empty messages", "openai", { model: "gpt-sim", messages: [] }, 400, { code: "empty_array" }],
    [
      "messages of another type",
      "openai",
      { model: "gpt-sim", messages: "x" },
      400,
      { code: "invalid_type" },
    ],
    [
      "an unknown role",
      "openai",
      { model: "gpt-sim", messages: [{ role: "boss", content: "x" }] },
      400,
      { code: "invalid_value", param: "messages[0].role" },
    ],
    ["too hot", "openai", { ...ask("x"), temperature: 2.5 }, 400, { code: "decimal_above_max_value" }],
    ["no choices", "openai", { ...ask("x"), n: 0 }, 400, { code: "integer_below_min_value" }],
    ["more tokens than it can", "openai", { ...ask("x"), max_tokens: 1e6 }, 400, { param: "max_tokens" }],
    [
      "two limits",
      "openai",
      { ...ask("x"), max_tokens: 5, max_completion_tokens: 5 },
      400,
      { code: "invalid_parameter_combination" },
    ],
    [
      "json without a word of it",
      "openai",
      { ...ask("x"), response_format: { type: "json_object" } },
      400,
      { param: "messages" },
    ],
    [
      "a penalty for reasoning",
      "xai",
      { ...ask("x", "grok-sim"), presence_penalty: 0 },
      400,
      { param: "presence_penalty" },
    ],
    [
      "tools",
      "deepseek",
      { ...ask("x", "deepseek-sim"), tools: [{ type: "function", function: { name: "f" } }] },
      400,
      { code: "unsupported_parameter" },
    ],
    ["a prompt too long", "openai", ask("x ".repeat(300_000)), 400, { code: "context_length_exceeded" }],
    [
      "a filtered prompt",
      "deepseek",
      ask("x [[content_filter]]", "deepseek-sim"),
      400,
      { code: "content_filter", innererror: { code: "ResponsibleAIPolicyViolation" } },
    ],
    ["an embedding model", "openai", ask("x", "embed-sim"), 400, { code: "OperationNotSupported" }],
    ["a directive that is none", "openai", ask("[[sim:stauts=500]]"), 400, { code: "invalid_sim_directive" }],
  ];

  it.each(REFUSED)("%s", async (_what, lab, body, status, error) => {
    const { post } = await endpoints();
    const response = await post(`/${lab}/v1/chat/completions`, body);
    expect(response.status).toBe(status);
    expect(response.headers.get("x-simulated")).toBe("true");
    expect(await response.json()).toMatchObject({ error: { message: expect.any(String), ...error } });
  });

  it("are errors to the client library", async () => {
    const { client } = await endpoints();
    const refused = client("openai").chat.completions.create(ask("x", "gpt-9"));
    await expect(refused).rejects.toThrow(APIError);
    await expect(refused).rejects.toMatchObject({ status: 404, code: "DeploymentNotFound" });
  });

  it("an answer cut by the filter ends as that", async () => {
    const { client } = await endpoints();
    const data = await client("openai").chat.completions.create(ask(`[[output_filter]] ${ISHMAEL}`));
    expect(data.choices[0]).toMatchObject({
      finish_reason: "content_filter",
      content_filter_results: { violence: { filtered: true } },
    });
  });

  it("unknown paths and methods", async () => {
    const { base, post } = await endpoints();
    expect((await post("/openai/v1/images", {})).status).toBe(404);
    expect((await post("/meta/v1/chat/completions", {})).status).toBe(404);
    expect((await fetch(base + CHAT)).status).toBe(405);
  });
});

it("lists each lab's models", async () => {
  const { client } = await endpoints();
  const { data } = await client("openai").models.list();
  expect(data.map(({ id, owned_by }) => [id, owned_by])).toEqual([
    ["gpt-sim", "openai"],
    ["embed-sim", "openai"],
  ]);
});
