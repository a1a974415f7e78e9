import type { ServerResponse } from "node:http";
import { APIError } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LiveStream } from "../../shared/http/openai/live-stream.ts";
import { answer, completion, type Reply } from "../shared/labs.ts";
import { type Instance, World } from "../shared/world.ts";
import { says } from "./door.ts";
import { DoorHere } from "./in-process.ts";

/** Streams that a worker on another instance runs: the door follows the job's event log. Of two labs, by the real SDK. */
let world: World;
let door: DoorHere;
let worker: Instance;
beforeAll(async () => {
  world = await World.open();
  door = new DoorHere(world);
  worker = world.instance("worker");
  await door.start();
});
afterAll(async () => {
  await door.stop();
  await world.close();
});

const chunk = (content: string, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({
    ...{ id: "c-1", object: "chat.completion.chunk", created: 7, model: "m" },
    choices: [{ index: 0, delta: { role: "assistant", content }, finish_reason }],
  })}\n\n`;
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const END = `${chunk("", "stop")}data: ${JSON.stringify({ id: "c-1", choices: [], usage })}\n\ndata: [DONE]\n\n`;

/** A lab that sends the beginning, and leaves the rest to the test. */
function open(lab: string): { readonly response: () => ServerResponse | undefined } {
  let opened: ServerResponse | undefined;
  const reply: Reply = ({ response }) => {
    opened = response;
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(chunk("The "));
  };
  world.labs.reply(lab, reply);
  return { response: () => opened };
}

/** A stream that waits in line first, and what its client has heard of it. */
function streamed(lab: string, more: { headers?: Record<string, string>; ask?: object } = {}) {
  const heard = { text: "", usage: [] as unknown[], error: undefined as unknown, isOver: false };
  const notBefore = String(Math.floor(world.clock.now() / 1000) + 2);
  const ask = { model: `${lab}-model`, messages: says("A river?"), stream: true as const, ...more.ask };
  const headers = { "x-switchyard-not-before": notBefore, ...more.headers };
  const leaving = new AbortController();
  const run = async () => {
    for await (const { choices, usage: told } of await door
      .client()
      .chat.completions.create(ask, { headers, signal: leaving.signal })) {
      heard.text += choices[0]?.delta.content ?? "";
      if (told) heard.usage.push(told);
    }
  };
  void run()
    .catch((thrown: unknown) => {
      heard.error = thrown;
    })
    .finally(() => {
      heard.isOver = true;
    });
  return Object.assign(heard, { leave: () => leaving.abort() });
}

const until = (done: () => boolean, to = worker) =>
  world.turnUntil(async () => {
    door.deliver(to);
    // The client's own socket is no part of the world.
    await new Promise((resolve) => setTimeout(resolve, 1));
    return done();
  }, 100);

describe.each(["openai-one", "xai-two"])("a stream of %s that had to wait", (lab) => {
  it("comes as the worker's call says it, not once that has ended, and is kept as one that came whole", async () => {
    const call = open(lab);
    const heard = streamed(lab, { ask: { stream_options: { include_usage: true } } });
    await until(() => heard.text === "The ");
    expect((await world.job(await door.newest())).status).toBe("in_progress");
    call.response()?.end(`${chunk("Loire.")}${END}`);
    await until(() => heard.isOver);
    expect(heard).toMatchObject({ text: "The Loire.", usage: [usage], error: undefined });
    const { job, events } = await world.seen(await door.newest());
    expect(job).toMatchObject({ status: "completed", usage: { total_tokens: 15 }, attempts: 1 });
    expect(events).toEqual(["accepted", "attempt_started", "completed"]);
    const response = await world.ports.store.readResponse(job);
    expect(JSON.parse(response?.body ?? "").choices[0].message.content).toBe("The Loire.");
  });

  it("says so when the lab breaks off, and ends without a word of usage where none was asked for", async () => {
    const call = open(lab);
    const heard = streamed(lab);
    await until(() => heard.text === "The ");
    call.response()?.destroy();
    await until(() => heard.isOver);
    expect(heard.error).toBeInstanceOf(APIError);
    expect(heard.error).toMatchObject({ code: "answer_broken_off" });
    expect((await world.job(await door.newest())).status).toBe("failed");
    world.labs.reply(lab, ({ response }) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(`${chunk("Whole.")}${END}`);
    });
    const next = streamed(lab);
    await until(() => next.isOver);
    expect(next).toMatchObject({ text: "Whole.", usage: [], error: undefined });
  });
});

it("a worker that dies after its first words: its reader hears that they are not gone on with, the job goes on", async () => {
  const lab = "openai-one";
  const call = open(lab);
  const heard = streamed(lab);
  // Its clock stands still, at a time when the job may start.
  await until(() => heard.text === "The ", world.frozen(10_000));
  const job = await door.newest();
  world.labs.reply(lab, ({ response }) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(`${chunk("Seine.")}${END}`);
  });
  const sweeper = world.instance("sweeper");
  await world.turnUntil(async () => {
    await sweeper.sweep();
    door.deliver(worker);
    return heard.isOver;
  }, 1_000);
  expect(heard).toMatchObject({ text: "The ", error: { code: "answer_broken_off" } });
  expect((await world.seen(job)).job).toMatchObject({ status: "completed", attempts: 2 });
  const attempts = (await world.ports.eventLogs.read(job, 0)).map(({ attempt, event }) => [
    attempt,
    event === null,
  ]);
  expect(attempts.slice(0, 3)).toEqual([
    [1, false],
    [1, true],
    [2, false],
  ]);
  call.response()?.destroy();
});

it("an answer that a lab does not stream comes in the end, as a stream", async () => {
  world.labs.reply("xai-two", answer(200, completion("Whole.")));
  const heard = streamed("xai-two");
  await until(() => heard.isOver);
  expect(heard).toMatchObject({ text: "Whole.", error: undefined });
});

it("a retry follows the log of the job that it joins", async () => {
  const call = open("xai-two");
  // Another's job that has just ended would be as good to a retry of the same words.
  const ask = { messages: says("Which river?") };
  const first = streamed("xai-two", { ask });
  await until(() => first.text === "The ");
  const calls = world.labs.calls.length;
  first.leave();
  const retry = streamed("xai-two", { ask, headers: { "X-Stainless-Retry-Count": "1" } });
  await until(() => retry.text === "The ");
  call.response()?.end(`${chunk("Po.")}${END}`);
  await until(() => retry.isOver);
  expect(retry).toMatchObject({ text: "The Po.", error: undefined });
  expect(world.labs.calls.length).toBe(calls);
});

it("what a lost attempt said is not shown to whoever has not seen it yet", async () => {
  const event = (number: number, attempt: number, data: string | null) => ({
    ...{ number, attempt },
    event: data === null ? null : { data, isUsage: false },
  });
  async function* pages() {
    yield [event(0, 1, "a"), event(1, 1, null), event(2, 2, "b")];
    yield [event(3, 2, "c")];
    yield [event(4, 2, null), event(5, 3, "d")];
    yield [event(6, 3, "e")];
  }
  const stream = new LiveStream();
  await stream.follow({ follow: pages }, { tenant_id: "t", job_id: "j" }, Promise.resolve());
  expect(stream.take().map(({ data }) => data)).toEqual(["b", "c"]);
  expect(await stream.brokenOff).toBe("broken_off");
});
