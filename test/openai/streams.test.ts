import type { ServerResponse } from "node:http";
import { APIError } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answer, completion, Labs, type Reply } from "../shared/labs.ts";
import { Door, LABS, says } from "./door.ts";

/** Streams of chat completions, through the real SDK: of simulated labs, and of two whose every byte the test sends. */
const labs = new Labs();
const door = new Door();
const DEPLOYMENTS = ["one", "two"] as const;

beforeAll(async () => {
  await labs.start();
  const at = (name: string) => ({ base_url: `${labs.url}/${name}/v1` });
  await door.start({ one: [], two: [] }, { one: at("one"), two: { ...at("two"), provider: "other" } });
});
afterAll(async () => {
  await door.stop();
  await labs.stop();
});

const chunk = (delta: object, finish_reason: string | null = null, more: object = {}) => {
  const choices = [{ index: 0, delta, finish_reason }];
  const head = { id: "c-1", object: "chat.completion.chunk", created: 7, model: "m" };
  return `data: ${JSON.stringify({ ...head, choices, ...more })}\n\n`;
};
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const ROLE = chunk({ role: "assistant", content: "" });
const USAGE = `data: ${JSON.stringify({ id: "c-1", object: "chat.completion.chunk", choices: [], usage })}\n\n`;
const END = `${chunk({}, "stop")}${USAGE}data: [DONE]\n\n`;

/** Sends this text as a stream's beginning, and leaves the rest to the test. */
const begins =
  (text: string, then: (response: ServerResponse) => void): Reply =>
  ({ response }) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(text, () => then(response));
  };
const streamed = (model: string, more: object = {}) => ({
  ...{ model, messages: says("A river?"), stream: true as const },
  ...more,
});

describe.each(DEPLOYMENTS)("a stream of %s", (model) => {
  it("is passed on as it comes, and kept as an answer that came whole", async () => {
    let rest: ServerResponse | undefined;
    labs.reply(
      model,
      begins(`: hello\n\n${ROLE}${chunk({ content: "The " })}`, (response) => {
        rest = response;
      }),
    );
    const { data, response } = await door.client().chat.completions.create(streamed(model)).withResponse();
    const job = response.headers.get("x-switchyard-job") ?? "";
    expect(response.headers.get("x-switchyard-deployment")).toBe(model);
    let text = "";
    const chunks: unknown[] = [];
    for await (const each of data) {
      chunks.push(each.usage);
      text += each.choices[0]?.delta.content ?? "";
      // The lab goes on only once its beginning is here.
      if (text === "The ") rest?.end(`${chunk({ content: "Loire." })}${END}`);
    }
    expect(text).toBe("The Loire.");
    expect(chunks.filter((each) => each !== undefined)).toEqual([]);
    expect(JSON.parse(labs.calls.at(-1)?.body ?? "").stream_options).toEqual({ include_usage: true });
    const { json } = await door.stack.ended(job);
    expect(json).toMatchObject({ status: "completed", usage: { total_tokens: 15 }, attempts: 1 });
    expect(json.response.body).toEqual({
      ...{ object: "chat.completion", id: "c-1", created: 7, model: "m", usage },
      choices: [
        {
          ...{ index: 0, finish_reason: "stop", logprobs: null },
          message: { role: "assistant", content: "The Loire." },
        },
      ],
    });
    expect((await door.stack.call(`/api/jobs/${job}/audit`)).json.data).toHaveLength(3);
  });

  it("that had to wait comes as its worker's call says it, by the event log", async () => {
    let rest: ServerResponse | undefined;
    labs.reply(
      model,
      begins(`${ROLE}${chunk({ content: "The " })}`, (response) => {
        rest = response;
      }),
    );
    const headers = { "x-switchyard-not-before": String(Math.ceil(Date.now() / 1000) + 1) };
    const { data, response } = await door
      .client()
      .chat.completions.create(streamed(model), { headers })
      .withResponse();
    let text = "";
    for await (const each of data) {
      text += each.choices[0]?.delta.content ?? "";
      // The lab goes on only once its beginning is here.
      if (text === "The ") rest?.end(`${chunk({ content: "Rhine." })}${END}`);
    }
    expect(text).toBe("The Rhine.");
    const { json } = await door.stack.ended(response.headers.get("x-switchyard-job") ?? "");
    expect(json).toMatchObject({ status: "completed", usage: { total_tokens: 15 }, attempts: 1 });
    expect(json.response.body.choices[0].message.content).toBe("The Rhine.");
  });

  it("that breaks before it has said anything is another attempt's; afterwards it is an error", async () => {
    labs.reply(
      model,
      begins(ROLE, (response) => response.destroy()),
      answer(200, completion("Seine.")),
    );
    const before = labs.calls.length;
    const runner = door.client().chat.completions.stream(streamed(model));
    expect(await runner.finalContent()).toBe("Seine.");
    expect(labs.calls.length - before).toBe(2);

    for (const [name, last] of [
      ["it is cut", (response: ServerResponse) => response.destroy()],
      ["it ends early", (response: ServerResponse) => response.end()],
      [
        "it says so",
        (response: ServerResponse) => response.end('data: {"error":{"message":"overloaded"}}\n\n'),
      ],
    ] as const) {
      labs.reply(model, begins(`${ROLE}${chunk({ content: "Half" })}`, last));
      const { data, response } = await door.client().chat.completions.create(streamed(model)).withResponse();
      let text = "";
      const failed = await (async () => {
        for await (const each of data) text += each.choices[0]?.delta.content ?? "";
      })().catch((thrown: unknown) => thrown);
      expect([name, text]).toEqual([name, "Half"]);
      expect(failed).toBeInstanceOf(APIError);
      expect((failed as APIError).code).toBe("answer_broken_off");
      const { json } = await door.stack.ended(response.headers.get("x-switchyard-job") ?? "");
      expect(json).toMatchObject({ status: "failed", error: { code: "answer_broken_off" }, attempts: 1 });
      expect(json.cost_unknown).not.toBe(null);
    }
  });

  it("that comes whole after all, or is refused, is a stream or a refusal", async () => {
    labs.reply(model, answer(200, completion("Whole.")));
    expect(await door.client().chat.completions.stream(streamed(model)).finalContent()).toBe("Whole.");
    labs.reply(
      model,
      answer(400, { error: { message: "too warm", param: "temperature", code: "bad_value" } }),
    );
    const refused = door.client().chat.completions.create(streamed(model, { temperature: 9 }));
    await expect(refused).rejects.toMatchObject({ status: 400, param: "temperature", code: "bad_value" });
  });

  it("shows the usage to whoever asks", async () => {
    labs.reply(
      model,
      begins(`${ROLE}${chunk({ content: "Po." })}${END}`, (response) => response.end()),
    );
    const ask = streamed(model, { stream_options: { include_usage: true } });
    const last: unknown[] = [];
    for await (const each of await door.client().chat.completions.create(ask)) last.push(each.usage);
    expect(last.at(-1)).toEqual(usage);
  });

  it("puts tool calls together from their parts", async () => {
    const part = (more: object) => chunk({ tool_calls: [{ index: 0, ...more }] });
    const call = part({ id: "call_1", type: "function", function: { name: "weather", arguments: "" } });
    const parts = ['{"city"', ':"Paris"}'].map((text) => part({ function: { arguments: text } }));
    const text = `${ROLE}${call}${parts.join("")}${chunk({}, "tool_calls")}${USAGE}data: [DONE]\n\n`;
    labs.reply(
      model,
      begins(text, (response) => response.end()),
    );
    const runner = door.client().chat.completions.stream(streamed(model));
    const [called] = (await runner.finalChatCompletion()).choices;
    const whole = {
      id: "call_1",
      type: "function",
      function: { name: "weather", arguments: '{"city":"Paris"}' },
    };
    expect(called?.message.tool_calls).toMatchObject([whole]);
    const [job] = (await door.stack.call(`/api/jobs?model=${model}&limit=1`)).json.data;
    const { json } = await door.stack.ended(job.id);
    expect(json.response.body.choices[0].message.tool_calls).toEqual([whole]);
  });
});

it("a stream of a route goes to the next deployment where the first breaks before it has said anything", async () => {
  labs.reply(
    "one",
    begins(ROLE, (response) => response.destroy()),
  );
  labs.reply(
    "two",
    begins(`${ROLE}${chunk({ content: "Oder." })}${END}`, (response) => response.end()),
  );
  const { data, response } = await door.client().chat.completions.create(streamed("told")).withResponse();
  let text = "";
  for await (const { choices } of data) text += choices[0]?.delta.content ?? "";
  expect(text).toBe("Oder.");
  const { json } = await door.stack.ended(response.headers.get("x-switchyard-job") ?? "");
  expect(json).toMatchObject({ deployment: "two", attempts: 2 });
});

describe.each([...LABS, "grok-sim"])("the simulated %s", (model) => {
  it("streams in its own way, and what is kept is what came", async () => {
    const { data, response } = await door
      .client()
      .chat.completions.create({ ...streamed(model), stream_options: { include_usage: true } })
      .withResponse();
    let text = "";
    let deltas = 0;
    for await (const { choices } of data) {
      text += choices[0]?.delta.content ?? "";
      if (choices[0]?.delta.content) deltas++;
    }
    expect(deltas).toBeGreaterThan(1);
    const { json } = await door.stack.ended(response.headers.get("x-switchyard-job") ?? "");
    expect(json.response.body.choices[0].message.content).toBe(text);
    expect(json.usage.total_tokens).toBeGreaterThan(0);
  });

  it("breaks off on order", async () => {
    const messages = says("Name all rivers of Spain. [[sim:stream_error]]");
    const broken = door.client().chat.completions.stream({ model, messages }).finalContent();
    await expect(broken).rejects.toMatchObject({ code: "answer_broken_off" });
  });
});
