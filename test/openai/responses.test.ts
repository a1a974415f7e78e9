import { BadRequestError, NotFoundError } from "openai";
import type { ResponseInputItem, ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Door } from "./door.ts";

/** Responses of four labs through the real SDK: of two that have the endpoint, one that has not, and Claude. */
const EVERY_LAB = ["gpt-sim", "grok-sim", "deepseek-chat", "claude-sim"] as const;
const door = new Door();

beforeAll(async () => {
  // A lab that only has chat completions.
  await door.start(
    { "deepseek-chat": [] },
    {
      "deepseek-chat": {
        ...{ model: "deepseek-sim", provider: "deepseek", base_url: "http://127.0.0.1:7072/deepseek/v1" },
        ...{ endpoints: ["/v1/chat/completions"], capabilities: ["reasoning"], max_output_tokens: 32_768 },
      },
    },
  );
});
afterAll(() => door.stop());

const PROSE =
  "Summarise: Call me Ishmael. Some years ago, having little or no money in my purse, and nothing particular to interest me on shore, I thought I would sail about a little and see the watery part of the world.";
const weather = {
  type: "function" as const,
  name: "get_weather",
  description: "Tells the weather of a city",
  strict: false,
  parameters: { type: "object", properties: { city: { type: "string" } } },
};
const ours = (name: string) => (name === "deepseek-chat" ? "told" : name);

async function all(stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}
const numbers = (events: readonly ResponseStreamEvent[]) => events.map((event) => event.sequence_number);

describe.each(EVERY_LAB)("a response of %s", (lab) => {
  const model = ours(lab);

  it("is whole, streamed, and read later: the same", async () => {
    const client = door.client();
    const whole = await client.responses.create({ model, input: PROSE });
    expect(whole).toMatchObject({
      object: "response",
      status: "completed",
      model,
      store: true,
      background: false,
    });
    expect(whole.id).toMatch(/^resp_[0-9a-f]{32}$/);
    expect(whole.output_text).toMatch(/\w/);
    expect(whole.usage?.total_tokens).toBeGreaterThan(0);
    expect(await client.responses.retrieve(whole.id)).toEqual(whole);
    const stream = client.responses.stream({ model, input: PROSE });
    const deltas: string[] = [];
    stream.on("response.output_text.delta", ({ delta }) => deltas.push(delta));
    const final = await stream.finalResponse();
    expect(final.status).toBe("completed");
    expect(deltas.length).toBeGreaterThan(1);
    expect(deltas.join("")).toBe(final.output_text);
    const read = await client.responses.retrieve(final.id);
    expect(read.output).toEqual(final.output.map(({ ...item }) => withoutParsed(item)));
    expect(read.usage).toEqual(final.usage);
  });

  it("in the background is polled, its stream taken up again, cancelled and deleted", async () => {
    const client = door.client();
    const { data: begun, response } = await client.responses
      .create({ model, input: PROSE, background: true, metadata: { a: "b" } })
      .withResponse();
    expect(["queued", "in_progress"]).toContain(begun.status);
    expect(response.headers.get("openai-poll-after-ms")).toBe("1000");
    const ended = await untilEnded(begun.id);
    expect(ended).toMatchObject({
      id: begun.id,
      status: "completed",
      background: true,
      metadata: { a: "b" },
    });
    expect(ended.output_text).toMatch(/\w/);

    const live = await client.responses.create({ model, input: PROSE, background: true, stream: true });
    const events = await all(live);
    expect(numbers(events)).toEqual(events.map((_, at) => at));
    expect(events.slice(0, 3).map(({ type }) => type)).toEqual([
      "response.created",
      "response.queued",
      "response.in_progress",
    ]);
    const last = events.at(-1);
    if (last?.type !== "response.completed") throw new Error(last?.type);
    const again = await all(
      await client.responses.retrieve(last.response.id, { stream: true, starting_after: 4 }),
    );
    expect(again).toEqual(events.slice(5));
    const helper = client.responses.stream({ response_id: last.response.id, starting_after: 2 });
    expect((await helper.finalResponse()).output_text).toBe(
      (await client.responses.retrieve(last.response.id)).output_text,
    );

    // One that has ended stays as it is; twice is once.
    expect(await client.responses.cancel(begun.id)).toMatchObject({ status: "completed" });
    await client.responses.delete(begun.id);
    const gone = await client.responses.retrieve(begun.id).catch((thrown) => thrown);
    expect(gone).toBeInstanceOf(NotFoundError);
    expect(gone.requestID).toMatch(/\w/);
  });

  it("goes on from the one before, whichever lab that was of", async () => {
    const client = door.client();
    const first = await client.responses.create({ model: "every-lab", input: "The word is Nantucket." });
    const next = await client.responses.create({
      ...{ model, input: "And now?", previous_response_id: first.id, instructions: "Be brief." },
    });
    expect(next.previous_response_id).toBe(first.id);
    const items = await client.responses.inputItems.list(next.id, { order: "asc" });
    const texts = JSON.stringify(items.data);
    expect(texts).toContain("Nantucket");
    expect(texts).toContain("And now?");
    const one: unknown[] = [];
    for await (const item of client.responses.inputItems.list(next.id, { limit: 1, order: "asc" }))
      one.push(item);
    expect(one).toEqual(items.data);
  });
});

describe.each(["gpt-sim", "grok-sim", "claude-sim"])("tools and schemas of %s", (model) => {
  it("are called, answered and parsed", async () => {
    const client = door.client();
    const asked = client.responses.stream({ model, input: "What is the weather in Nuuk?", tools: [weather] });
    const called = await asked.finalResponse();
    const call = called.output.find((item) => item.type === "function_call");
    if (call?.type !== "function_call") throw new Error(JSON.stringify(called.output));
    expect(JSON.parse(call.arguments)).toHaveProperty("city");
    const answer = await client.responses.create({
      model,
      tools: [weather],
      previous_response_id: called.id,
      input: [{ type: "function_call_output", call_id: call.call_id, output: "Snow" }],
    });
    expect(answer.output_text).toBe("According to the result: Snow");
    const parsed = await client.responses.parse({
      ...{ model, input: "Where? Reply in JSON." },
      text: {
        format: {
          ...{ type: "json_schema", name: "place", strict: true },
          schema: {
            ...{ type: "object", additionalProperties: false, required: ["city"] },
            properties: { city: { type: "string" } },
          },
        },
      },
    });
    expect(JSON.parse(parsed.output_text)).toHaveProperty("city");
  });
});

describe("what a response cannot be", () => {
  const refused = async (body: object) => {
    const thrown = await door
      .client()
      .responses.create({ model: "told", input: "Hi", ...body })
      .catch((error) => error);
    expect(thrown).toBeInstanceOf(BadRequestError);
    return { param: thrown.param, message: thrown.message as string };
  };

  it.each([
    ["truncation", { truncation: "auto" }],
    ["max_tool_calls", { max_tool_calls: 3 }],
    ["include[0]", { include: ["reasoning.encrypted_content"] }],
    ["background", { background: true, store: false }],
    ["conversation", { conversation: "conv_1" }],
    ["previous_response_id", { previous_response_id: "resp_0" }],
    ["previous_response_id", { previous_response_id: `resp_${"0".repeat(32)}` }],
    ["input[0]", { input: [{ type: "item_reference", id: "msg_1" }] }],
  ])("is refused by name: %s", async (param, body) => {
    expect((await refused(body)).param).toBe(param);
  });

  it("a synchronous one is not cancelled, nor streamed later; one not stored is not there", async () => {
    const client = door.client();
    const { id } = await client.responses.create({ model: "gpt-sim", input: "Hi" });
    await expect(client.responses.cancel(id)).rejects.toThrow("Cannot cancel a synchronous response.");
    await expect(client.responses.retrieve(id, { stream: true })).rejects.toMatchObject({
      status: 400,
      param: "stream",
    });
    const unstored = await client.responses.create({ model: "gpt-sim", input: "Hi", store: false });
    expect(unstored).toMatchObject({ store: false });
    await expect(client.responses.retrieve(unstored.id)).rejects.toBeInstanceOf(NotFoundError);
    await expect(door.client({ apiKey: "local-team-b" }).responses.retrieve(id)).rejects.toBeInstanceOf(
      NotFoundError,
    );
    const counted = await client.responses.inputTokens.count({ model: "gpt-sim", input: PROSE });
    expect(counted.object).toBe("response.input_tokens");
    expect(counted.input_tokens).toBeGreaterThan(20);
  });

  it("a cancelled one, a failed one and one that is cut say so, in their streams too", async () => {
    const client = door.client();
    const slow = await client.responses.create({
      ...{ model: "gpt-sim", input: "Hi [[sim:latency_ms=20000]]", background: true, stream: true },
    });
    let id = "";
    let final: { status?: string | undefined } = {};
    for await (const event of slow) {
      if (event.type === "response.created") {
        id = event.response.id;
        expect((await client.responses.cancel(id)).status).toBe("cancelled");
        expect((await client.responses.cancel(id)).status).toBe("cancelled");
      }
      if ("response" in event) final = event.response;
    }
    expect(final.status).toBe("cancelled");
    const streamed = client.responses.stream({ response_id: id });
    expect((await streamed.finalResponse()).status).toBe("cancelled");

    const failed = await client.responses.create({
      model: "gpt-sim",
      input: "[[content_filter]]",
      background: true,
    });
    expect(await untilEnded(failed.id)).toMatchObject({
      status: "failed",
      error: { code: "invalid_prompt" },
    });
    const cut = await client.responses.create({ model: "claude-sim", input: PROSE, max_output_tokens: 20 });
    expect(cut).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } });
  });

  it("thoughts go back to the deployment that had them, sealed", async () => {
    const client = door.client();
    const first = await client.responses.create({
      ...{ model: "claude-sim", input: PROSE, reasoning: { effort: "high" }, store: false },
      include: ["reasoning.encrypted_content"],
    });
    const [thought] = first.output;
    if (thought?.type !== "reasoning") throw new Error(JSON.stringify(first.output));
    expect(thought.encrypted_content).toMatch(/^sy1\./);
    const before = first.output as ResponseInputItem[];
    const input = [
      { role: "user" as const, content: PROSE },
      ...before,
      { role: "user" as const, content: "And?" },
    ];
    expect((await client.responses.create({ model: "claude-sim", input })).status).toBe("completed");
    await expect(client.responses.create({ model: "gpt-sim", input })).rejects.toMatchObject({
      status: 400,
      param: "input[1].encrypted_content",
    });
    expect((await client.responses.create({ model: "every-lab", input })).status).toBe("completed");
  });
});

async function untilEnded(id: string) {
  const client = door.client();
  for (;;) {
    const { data, response } = await client.responses.retrieve(id).withResponse();
    if (data.status !== "queued" && data.status !== "in_progress") return data;
    expect(response.headers.get("openai-poll-after-ms")).toBe("1000");
    // What ends a job here is another process: its answer is waited for at the native door.
    const job = id.replace("resp_", "job_");
    await door.stack.call(`/api/jobs/${job}`, { headers: { prefer: "wait=20" } });
  }
}

/** The helpers add what they have parsed. */
function withoutParsed<Item extends object>(item: Item): Item {
  return JSON.parse(
    JSON.stringify(item, (name, value) => (/^parsed(_arguments)?$/.test(name) ? undefined : value)),
  );
}
