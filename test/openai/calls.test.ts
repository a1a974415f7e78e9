import { APIError, AzureOpenAI, NotFoundError, toFile } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { completion, Door, LABS, says } from "./door.ts";

/** Calls of OpenAI's own SDK, over HTTP, on the local stack. */
const door = new Door({ MAX_ATTEMPTS: "2" });
const VECTORS = [
  [0.5, -1.25, 3],
  [1, 2, 4],
];
const vectors = (embeddings: readonly unknown[]) => ({
  ...{ object: "list", model: "m", usage: { prompt_tokens: 3, total_tokens: 3 } },
  data: embeddings.map((embedding, index) => ({ object: "embedding", index, embedding })),
});

beforeAll(() =>
  door.start(
    {
      "floats/only": [{ body: vectors(VECTORS) }],
      "refuses-key": [{ status: 401, body: { error: { message: "Access token has expired" } } }],
      "is-empty": [{ status: 402, body: { error: { message: "Insufficient Balance" } } }],
      broken: [{ status: 200, body: { choices: [] } }],
      echo: [{ body: completion("Paris.") }],
    },
    { "floats/only": { dialect: { values: { encoding_format: { base64: "float", float: "float" } } } } },
  ),
);
afterAll(() => door.stop());

describe.each(LABS)("a chat completion of %s", (model) => {
  it("is the lab's, with the job, the lab and the cost in headers", async () => {
    const { data, response, request_id } = await door
      .client()
      .chat.completions.create({ model, messages: says("Name a river in France.") })
      .withResponse();
    expect(data).toMatchObject({ object: "chat.completion", choices: [{ finish_reason: "stop" }] });
    expect(data.choices[0]?.message.content).not.toBe("");
    expect(data.usage?.total_tokens).toBeGreaterThan(0);
    expect(request_id).toBe(response.headers.get("x-request-id"));
    expect(response.headers.get("x-switchyard-provider")).toBe(model === "gpt-sim" ? "openai" : "deepseek");
    expect(response.headers.get("x-switchyard-simulated")).toBe("true");
    expect(response.headers.get("x-switchyard-cost")).toMatch(/^0\.\d+ USD$/);
    const id = response.headers.get("x-switchyard-job");
    const { json } = await door.stack.call(`/api/jobs/${id}`);
    expect(json).toMatchObject({ status: "completed", priority: "high", model });
    expect(JSON.stringify(json.response.body)).toBe(JSON.stringify(data));
  });

  it("comes as a stream, with usage where it is asked for", async () => {
    const stream = await door.client().chat.completions.create({
      ...{ model, messages: says("Name a river in Spain."), stream: true },
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage: unknown;
    const reasons: (string | null)[] = [];
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      if (chunk.choices[0]?.finish_reason) reasons.push(chunk.choices[0].finish_reason);
      if (chunk.usage) usage = [chunk.usage.total_tokens > 0, chunk.choices];
    }
    expect(text).not.toBe("");
    expect(reasons).toEqual(["stop"]);
    expect(usage).toEqual([true, []]);
  });

  it("comes through the SDK's own helper, and without usage where that is not asked for", async () => {
    const runner = door.client().chat.completions.stream({ model, messages: says("Name a river in Italy.") });
    const chunks: { usage?: unknown }[] = [];
    runner.on("chunk", (chunk) => chunks.push(chunk));
    expect(await runner.finalContent()).not.toBe("");
    expect(chunks.filter(({ usage }) => usage !== undefined && usage !== null)).toEqual([]);
  });
});

it("several choices, and tool calls, come whole and as a stream", async () => {
  const ask = { model: "gpt-sim", messages: says("Which weather is it in Paris?"), n: 2 };
  const whole = await door.client().chat.completions.create(ask);
  expect(whole.choices.map(({ index }) => index)).toEqual([0, 1]);
  const streamed = await door.client().chat.completions.stream(ask).finalChatCompletion();
  expect(streamed.choices.map(({ index }) => index)).toEqual([0, 1]);
  const tools = [
    {
      type: "function" as const,
      function: {
        name: "weather",
        parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
      },
    },
  ];
  const forced = { ...ask, n: 1, tools, tool_choice: "required" as const };
  const called = await door.client().chat.completions.stream(forced).finalChatCompletion();
  const [call] = called.choices[0]?.message.tool_calls ?? [];
  expect(call).toMatchObject({ type: "function", function: { name: "weather" } });
});

describe("AzureOpenAI, with its own paths and header", () => {
  const azure = (options: { readonly deployment?: string } = {}) =>
    new AzureOpenAI({
      ...{ endpoint: door.stack.url, apiKey: "local-team-a", apiVersion: "2025-04-01-preview" },
      ...{ fetch: door.fetch, ...options },
    });

  it("has chat completions, whole and as a stream, and vectors", async () => {
    door.sent.length = 0;
    const messages = says("Hello");
    const { choices } = await azure().chat.completions.create({ model: "gpt-sim", messages });
    expect(choices).toHaveLength(1);
    const fixed = azure({ deployment: "grok-sim" });
    const { data: events, response } = await fixed.chat.completions
      .create({ model: "", messages, stream: true, stream_options: { include_usage: true } })
      .withResponse();
    expect(response.headers.get("x-switchyard-provider")).toBe("xai");
    let text = "";
    let total = 0;
    for await (const { choices, usage } of events) {
      text += choices[0]?.delta.content ?? "";
      total += usage?.total_tokens ?? 0;
    }
    expect(text).toMatch(/\w/);
    expect(total).toBeGreaterThan(0);
    const helped = azure().chat.completions.stream({ model: "deepseek-sim", messages });
    expect(await helped.finalContent()).toMatch(/\w/);
    const { data } = await azure().embeddings.create({ model: "embed-sim", input: "a" });
    expect(data[0]?.embedding).toHaveLength(1536);
    const paths = door.sent.map(({ url }) => new URL(url)).map(({ pathname, search }) => pathname + search);
    expect(paths).toEqual(
      [
        "gpt-sim/chat/completions",
        "grok-sim/chat/completions",
        "deepseek-sim/chat/completions",
        "embed-sim/embeddings",
      ].map((path) => `/openai/deployments/${path}?api-version=2025-04-01-preview`),
    );
  });

  it("has responses, models, files and batches, and hears what is wrong", async () => {
    const client = azure();
    const made = await client.responses.create({ model: "gpt-sim", input: "Hello" });
    expect((await client.responses.retrieve(made.id)).output_text).toBe(made.output_text);
    const streamed = client.responses.stream({ model: "deepseek-sim", input: "Hello" });
    expect((await streamed.finalResponse()).status).toBe("completed");
    expect((await client.models.list()).data.map(({ id }) => id)).toContain("gpt-sim");
    const messages = says("Hello");
    const body = { model: "gpt-sim", messages };
    const line = { custom_id: "a", method: "POST", url: "/chat/completions", body };
    const file = await toFile(Buffer.from(JSON.stringify(line)), "in.jsonl");
    const { id: input_file_id } = await client.files.create({ file, purpose: "batch" });
    // A client with a deployment has its name in the path.
    const of = { input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
    for (const each of [client, azure({ deployment: "gpt-sim" })])
      expect(await each.batches.create(of)).toMatchObject({ object: "batch", input_file_id });
    const unknown = client.chat.completions.create({ model: "nobody", messages });
    await expect(unknown).rejects.toBeInstanceOf(NotFoundError);
    const wrong = new AzureOpenAI({ endpoint: door.stack.url, apiKey: "no key", apiVersion: "1" });
    await expect(wrong.models.list()).rejects.toMatchObject({ status: 401, code: "invalid_api_key" });
  });
});

describe("embeddings", () => {
  it.each(["embed-sim", "floats/only"])("of %s come with and without an encoding", async (model) => {
    const client = door.client();
    const input = ["one text", "another text"];
    const unsaid = await client.embeddings.create({ model, input });
    const floats = await client.embeddings.create({ model, input, encoding_format: "float" });
    const base64 = await client.embeddings.create({ model, input, encoding_format: "base64" });
    expect(unsaid.data.map(({ index }) => index)).toEqual([0, 1]);
    for (const [at, { embedding }] of floats.data.entries()) {
      const near = embedding.map((value) => Math.fround(value));
      expect(unsaid.data[at]?.embedding).toEqual(near);
      const bytes = Buffer.from(base64.data[at]?.embedding as unknown as string, "base64");
      expect([...new Float32Array(new Uint8Array(bytes).buffer)]).toEqual(near);
    }
    if (model === "floats/only") expect(floats.data.map(({ embedding }) => embedding)).toEqual(VECTORS);
  });
});

describe("models", () => {
  it("are listed, and found by a name with a slash", async () => {
    const client = door.client();
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids).toEqual(expect.arrayContaining([...LABS, "floats/only", "any-lab"]));
    expect(await client.models.retrieve("floats/only")).toEqual({
      ...{ id: "floats/only", object: "model", created: 0, owned_by: "lab" },
    });
    const missing = await client.models.retrieve("a/b").catch((thrown: unknown) => thrown);
    expect(missing).toBeInstanceOf(NotFoundError);
    expect(missing).toMatchObject({ code: "model_not_found", param: "model" });
    expect((missing as APIError).requestID).toMatch(/\S/);
  });
});

describe("what is refused", () => {
  const refusal = async (ask: object, options: Parameters<Door["client"]>[0] = {}) => {
    const before = door.sent.length;
    const thrown = await door
      .client(options)
      .chat.completions.create(ask as never)
      .catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(APIError);
    const { status, code, type, param, message } = thrown as APIError;
    return { status, code, type, param, message, requests: door.sent.length - before, thrown };
  };
  const ask = { model: "gpt-sim", messages: says("Hello") };

  it.each([
    ["a key that is none", ask, { apiKey: "nobody" }, 401, "invalid_api_key", "AuthenticationError", 1],
    ["an unknown model", { ...ask, model: "none" }, {}, 404, "model_not_found", "NotFoundError", 1],
    ["no model", { messages: ask.messages }, {}, 400, "invalid_request", "BadRequestError", 1],
    ["a body that the lab refuses", { model: "gpt-sim", messages: [] }, {}, 400, null, "BadRequestError", 1],
    [
      "a prompt that the lab's filter refuses",
      { ...ask, messages: says("[[content_filter]]") },
      ...([{}, 400, "content_filter", "BadRequestError", 1] as const),
    ],
    [
      "a model that does not chat",
      { ...ask, model: "embed-sim" },
      {},
      400,
      "endpoint_not_supported",
      "BadRequestError",
      1,
    ],
    [
      "a lab whose key is refused",
      { ...ask, model: "refuses-key" },
      {},
      503,
      "no_deployment_available",
      "InternalServerError",
      1,
    ],
    [
      "a lab whose account is empty",
      { ...ask, model: "is-empty" },
      {},
      503,
      "no_deployment_available",
      "InternalServerError",
      1,
    ],
  ] as const)("%s", async (_, body, options, status, code, name, requests) => {
    const { thrown, ...told } = await refusal(body, options);
    expect(told).toMatchObject({ status, requests });
    if (code !== null) expect(told.code).toBe(code);
    expect((thrown as Error).constructor.name).toBe(name);
    expect(told.message).toMatch(new RegExp(`^${status} \\S`));
  });

  it("by what is wrong, in OpenAI's envelope, whatever the request", async () => {
    const path = "/openai/v1/chat/completions";
    const headers = { "content-type": "application/json" };
    const deep = `{"model":"gpt-sim","messages":${"[".repeat(70)}${"]".repeat(70)}}`;
    const cases: [number, object | string | null, Parameters<typeof door.stack.call>[1]][] = [
      [400, "invalid_json", { text: "{", headers }],
      [400, "nesting_too_deep", { text: deep, headers }],
      [400, "invalid_request", { text: '{"model":"gpt-sim","stream":"yes"}', headers }],
      [415, "unsupported_media_type", { text: "{}", headers: { "content-type": "text/plain" } }],
      [400, "invalid_request", { body: ask, headers: { "x-switchyard-priority": "first" } }],
      [400, "invalid_request", { body: ask, headers: { "x-switchyard-deadline-seconds": "1e9" } }],
      [405, "method_not_allowed", { method: "DELETE" }],
    ];
    for (const [status, code, call] of cases) {
      const { json, headers: answered, ...got } = await door.stack.call(path, call);
      expect([got.status, json.error.code]).toEqual([status, code]);
      expect(answered.get("x-request-id")).toMatch(/\S/);
    }
    for (const missing of ["/openai/v1/responses/x", "/v1/conversations", "/openai/v1/waits/none"]) {
      const { status, json } = await door.stack.call(missing);
      expect([missing, status, json.error.type]).toEqual([missing, 404, "invalid_request_error"]);
    }
    const { json } = await door.stack.submit(ask);
    const others = await door.stack.call(`/openai/v1/waits/${json.id}`, { key: "local-team-b" });
    expect([others.status, others.json.error.code]).toEqual([404, "job_not_found"]);
  });

  it("without a reason to try again, is not tried again; what passes is", async () => {
    const failed = await refusal({ ...ask, model: "broken" }, { maxRetries: 2 });
    expect(failed).toMatchObject({ status: 502, code: "attempts_exhausted", requests: 1 });
  }, 300_000);
});

it("a model that is switched off is told at once, in the write that accepts it", async () => {
  const at = "/api/ops/switches/deployment/echo";
  const operator = { key: "local-operator" };
  await door.stack.call(at, { ...operator, method: "PUT", body: { state: "drained", reason: "test" } });
  const told = () =>
    door
      .client({ maxRetries: 0 })
      .chat.completions.create({ model: "echo", messages: says("Off?") })
      .then(
        () => "answered",
        (thrown: APIError) => `${thrown.status} ${thrown.code}`,
      );
  await expect.poll(told).toBe("503 no_deployment_available");
  const [job] = (await door.stack.call("/api/jobs?model=echo&limit=1")).json.data;
  expect(job).toMatchObject({ status: "failed", attempts: 0, error: { code: "no_deployment_available" } });
  expect((await door.stack.call(`/api/jobs/${job.id}/audit`)).json.data).toHaveLength(2);
  await door.stack.call(at, { ...operator, method: "DELETE" });
  await expect.poll(told).toBe("answered");
});

it("an Idempotency-Key gives the same job and its answer", async () => {
  const headers = { "Idempotency-Key": `key-${Date.now()}` };
  const ask = { model: "echo", messages: says("Which city?") };
  const before = door.upstream.calls.get("echo") ?? 0;
  const create = (body: typeof ask) =>
    door.client({ maxRetries: 0 }).chat.completions.create(body, { headers }).withResponse();
  const [one, two] = await Promise.all([create(ask), create(ask)]);
  expect(two.response.headers.get("x-switchyard-job")).toBe(one.response.headers.get("x-switchyard-job"));
  expect(two.data).toEqual(one.data);
  expect((door.upstream.calls.get("echo") ?? 0) - before).toBe(1);
  await expect(create({ ...ask, messages: says("Another?") })).rejects.toMatchObject({ status: 422 });
});
