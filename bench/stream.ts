import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { OpenAI } from "openai";
import { Agent, request } from "undici";
import { describeMachine } from "./machine.ts";
import { head, latenciesMs, percentile, row, timed } from "./measure.ts";
import { Stack } from "./stack.ts";

/**
 * What the OpenAI door adds: to the first words of a stream, passed on in the door and through the event log, and to a
 * whole call through OpenAI's own SDK. The lab is in this process, and its words say when they were written: so the
 * time is theirs from the lab to the client, beside that of a client that asks the lab itself.
 */
const { values } = parseArgs({
  options: {
    streams: { type: "string", default: "512" },
    logged: { type: "string", default: "128" },
    calls: { type: "string", default: "300" },
    background: { type: "string", default: "8" },
    seconds: { type: "string", default: "30" },
  },
});
const STREAMS = Number(values.streams);
const LOGGED = Number(values.logged);
const CALLS = Number(values.calls);
/** Background streams at once, and how long each lab speaks. */
const BACKGROUND = Number(values.background);
const SECONDS = Number(values.seconds);
const TOGETHER = 64;
/** Alone one after the other: so many tell enough. */
const ALONE = Math.min(STREAMS, 60);
const LOGGED_ALONE = 8;

const MODEL = "timed";
/** After the first of an answer. */
const WORDS = 10;
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const choice = (more: object) => ({
  id: "c",
  object: "chat.completion.chunk",
  choices: [{ index: 0, ...more }],
});
const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`;
const END = `${event(choice({ delta: {}, finish_reason: "stop" }))}${event({ id: "c", choices: [], usage })}data: [DONE]\n\n`;
const WHOLE = {
  ...{ id: "c", object: "chat.completion", created: 1, model: MODEL, usage },
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "x".repeat(1_000) } }],
};

const lab = createServer((asked, response) => {
  const chunks: Buffer[] = [];
  asked.on("data", (chunk: Buffer) => chunks.push(chunk));
  asked.on("end", () => {
    const body = String(Buffer.concat(chunks));
    if (!body.includes('"stream":true')) {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(WHOLE));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    const seconds = /seconds=(\d+)/.exec(body)?.[1];
    if (seconds === undefined) void speak(response, Number(/wait=(\d+)/.exec(body)?.[1]));
    else void speakFor(response, Number(seconds));
  });
});
const delta = (content: string) =>
  event(choice({ delta: { role: "assistant", content }, finish_reason: null }));

/** Thinks for a while, then says a word every 10 ms. */
async function speak(response: ServerResponse, waitMs: number): Promise<void> {
  if (waitMs > 0) await sleep(waitMs);
  response.write(delta(String(performance.now())));
  for (let word = 0; word < WORDS; word++) {
    await sleep(10);
    response.write(delta(" word"));
  }
  response.end(END);
}

/** A word every 100 ms, each of which says when it was written. */
async function speakFor(response: ServerResponse, seconds: number): Promise<void> {
  for (const end = performance.now() + seconds * 1_000; performance.now() < end; await sleep(100))
    response.write(delta(`${performance.now()} `));
  response.end(END);
}

await new Promise<void>((resolve) => lab.listen(0, "127.0.0.1", resolve));
const labUrl = `http://127.0.0.1:${(lab.address() as AddressInfo).port}/v1`;

await describeMachine();
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-stream-"));
const MODELS_FILE = path.join(folder, "models.json");
writeFileSync(
  MODELS_FILE,
  JSON.stringify({
    deployments: [
      {
        ...{ name: MODEL, provider: "lab", model: MODEL, base_url: labUrl, auth: { kind: "none" } },
        ...{ endpoints: ["/v1/chat/completions"], simulated: true },
        price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
      },
    ],
  }),
);
const stack = await Stack.start({ env: { MODELS_FILE } });
const agent = new Agent({ connections: TOGETHER });
try {
  await streams();
  await wholeCalls();
  await backgroundStreams();
} finally {
  await stack.stop();
  await agent.close();
  lab.close();
  rmSync(folder, { recursive: true });
}

/** One stream: ms from the lab's writing of its first words to their arrival. */
async function firstWordsMs(
  url: string,
  headers: () => Record<string, string>,
  waitMs: number,
): Promise<number> {
  const answer = await request(`${url}/chat/completions`, {
    ...{ method: "POST", dispatcher: agent },
    headers: { authorization: "Bearer local-team-a", "content-type": "application/json", ...headers() },
    body: JSON.stringify({
      ...{ model: MODEL, stream: true },
      messages: [{ role: "user", content: `wait=${waitMs} ${"x".repeat(500)}` }],
    }),
  });
  let text = "";
  let took: number | undefined;
  for await (const chunk of answer.body) {
    text += String(chunk);
    const written = took === undefined ? /"content":"([\d.]+)[" ]/.exec(text)?.[1] : undefined;
    if (written !== undefined) took = performance.now() - Number(written);
  }
  if (took === undefined || !text.endsWith("data: [DONE]\n\n"))
    throw new Error(`${answer.statusCode} ${text}`);
  return took;
}

async function streams(): Promise<void> {
  const door = `${stack.url}/openai/v1`;
  const nothing = () => ({});
  // What may not start yet is run by a worker: nobody's client is there.
  const soon = () => ({ "x-switchyard-not-before": String(Math.ceil(Date.now() / 1000) + 1) });
  console.log("First words of a stream, ms from the lab to the client:\n");
  head("", "streams", "at once", "p50", "p99", "most");
  for (const [name, url, headers, alone, together] of [
    ["the lab itself", labUrl, nothing, ALONE, STREAMS],
    ["passed on by the door", door, nothing, ALONE, STREAMS],
    ["through the event log", door, soon, LOGGED_ALONE, LOGGED],
  ] as const) {
    for (const [count, atOnce] of [
      [alone, 1],
      [together, TOGETHER],
    ] as const) {
      // Many at once are of all ages: their labs think for different times.
      const waitMs = (n: number) => (atOnce === 1 ? 0 : 100 + ((n * 37) % 800));
      if (headers === nothing) await timed(atOnce, atOnce, () => firstWordsMs(url, headers, 0));
      const took: number[] = [];
      await timed(count, atOnce, async (n) => void took.push(await firstWordsMs(url, headers, waitMs(n))));
      took.sort((a, b) => a - b);
      const told = [percentile(took, 0.5), percentile(took, 0.99), took.at(-1) ?? Number.NaN];
      row(name, count, atOnce, ...told.map((ms) => ms.toFixed(1)));
    }
  }
}

/** Responses in the background, each followed by its client: every word's delay, and what the log costs the store. */
async function backgroundStreams(): Promise<void> {
  const client = new OpenAI({ baseURL: `${stack.url}/openai/v1`, apiKey: "local-team-a" });
  const units = async () => (await stack.counters())["Cosmos request_units"] ?? 0;
  console.log(`\nBackground streams of ${SECONDS} s, a word every 100 ms, ms from the lab to the client:\n`);
  head("streams at once", "words", "p50", "p99", "most", "RU a minute of a stream");
  for (const count of [1, BACKGROUND]) {
    const took: number[] = [];
    const idle = await units();
    await sleep(5_000);
    const idleASecond = ((await units()) - idle) / 5;
    const before = await units();
    const begun = performance.now();
    await timed(count, count, async (n) => {
      const input = `seconds=${SECONDS} ${n}`;
      const events = await client.responses.create({ model: MODEL, input, background: true, stream: true });
      for await (const event of events)
        if (event.type === "response.output_text.delta") took.push(performance.now() - Number(event.delta));
    });
    const seconds = (performance.now() - begun) / 1_000;
    const ru = ((await units()) - before - idleASecond * seconds) / count / (SECONDS / 60);
    took.sort((a, b) => a - b);
    const told = [percentile(took, 0.5), percentile(took, 0.99), took.at(-1) ?? Number.NaN];
    row(count, took.length, ...told.map((ms) => ms.toFixed(0)), ru.toFixed(0));
  }
}

/** In turns, so that both meet the same moments. */
async function wholeCalls(): Promise<void> {
  const clients = [labUrl, `${stack.url}/openai/v1`].map(
    (baseURL) => new OpenAI({ baseURL, apiKey: "local-team-a" }),
  );
  const all: number[][] = [[], []];
  const messages = [{ role: "user" as const, content: "x".repeat(500) }];
  for (let round = -1; round < 6; round++) {
    for (const [n, client] of clients.entries()) {
      const call = () => client.chat.completions.create({ model: MODEL, messages });
      const took = await latenciesMs(Math.ceil(CALLS / 6), call);
      if (round >= 0) all[n]?.push(...took);
    }
  }
  console.log("\nA whole call through OpenAI's SDK, one after the other, ms:\n");
  head("", "calls", "p50", "p99");
  const told = all.map((took) => {
    took.sort((a, b) => a - b);
    return [percentile(took, 0.5), percentile(took, 0.99)] as const;
  });
  const [direct = [0, 0], door = [0, 0]] = told;
  row("to the lab itself", CALLS, ...direct.map((ms) => ms.toFixed(2)));
  row("through the door", CALLS, ...door.map((ms) => ms.toFixed(2)));
  row("added", "", ...door.map((ms, at) => (ms - (direct[at] ?? 0)).toFixed(2)));
}
