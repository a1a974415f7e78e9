import type { ServerResponse } from "node:http";
import type { OpenAI } from "openai";
import { afterAll, beforeAll, expect, it } from "vitest";
import { answer, Labs, completion as labsCompletion, type Reply } from "../shared/labs.ts";
import { Door, says } from "./door.ts";
import { Relay } from "./relay.ts";

/** A client whose connection breaks, and what its automatic retry meets: two instances, two labs. */
const labs = new Labs();
const door = new Door({}, ["--instances", "2"]);
let relay: Relay;
let baseURL: string;

beforeAll(async () => {
  await labs.start();
  const at = (name: string) => ({ base_url: `${labs.url}/${name}/v1` });
  await door.start({ one: [], two: [] }, { one: at("one"), two: { ...at("two"), provider: "other" } });
  relay = new Relay(door.stack.url);
  baseURL = `${await relay.start()}/openai/v1`;
});
afterAll(async () => {
  await relay.stop();
  await door.stop();
  await labs.stop();
});

/** Replies that wait until the test lets them go. */
function held(name: string): { readonly calls: () => number; release: (text: string) => void } {
  const open: ServerResponse[] = [];
  let calls = 0;
  const hold: Reply = ({ response }) => {
    calls++;
    open.push(response);
  };
  labs.reply(name, hold);
  return {
    calls: () => calls,
    release: (text) => {
      for (const response of open.splice(0)) answer(200, labsCompletion(text))({ response } as never);
    },
  };
}

const ask = (model: string, text: string) => ({ model, messages: says(text) });
const jobsOf = async (model: string) =>
  (await door.stack.call(`/api/jobs?model=${model}&limit=100`)).json.data as { id: string }[];

it.each(["one", "two"])("the retry joins the job that it repeats, live: one call of %s", async (model) => {
  const lab = held(model);
  const arrived = labs.nextCall();
  const client = door.client({ baseURL, maxRetries: 2 });
  const called = client.chat.completions.create(ask(model, "Live?")).withResponse();
  await arrived;
  relay.breakAll();
  // The retry has come once the job says who joined it; it shows by the answer alone.
  await expect.poll(() => door.sent.length).toBe(0);
  lab.release("Once.");
  const { data, response } = await called;
  expect(data.choices[0]?.message.content).toBe("Once.");
  expect(lab.calls()).toBe(1);
  const jobs = await jobsOf(model);
  expect(jobs.map(({ id }) => id)).toEqual([response.headers.get("x-switchyard-job")]);
  door.sent.length = 0;
});

it("a client that leaves for good ends its call half a minute later", { tags: ["long"] }, async () => {
  held("two");
  const arrived = labs.nextCall();
  const leaving = new AbortController();
  const left = door
    .client({ baseURL, maxRetries: 0 })
    .chat.completions.create(ask("two", "Leave?"), { signal: leaving.signal });
  left.catch(() => undefined);
  await arrived;
  const [job] = await jobsOf("two");
  const at = Date.now();
  leaving.abort();
  const { json } = await door.stack.ended(job?.id ?? "");
  expect(json.status).toBe("cancelled");
  expect(Date.now() - at).toBeGreaterThan(29_000);
  const { data } = (await door.stack.call(`/api/jobs/${job?.id}/audit`)).json;
  const end = data.find(({ event }: { event: string }) => event === "cancelled");
  expect(end).toMatchObject({ actor: expect.stringMatching(/^team-a\//), reason: "client_left" });
});

it("the retry of a stream hears the answer of a job that has ended meanwhile, and another's retry does not", async () => {
  const lab = held("one");
  const arrived = labs.nextCall();
  const before = (await jobsOf("one")).length;
  const options = { baseURL, maxRetries: 0 };
  const stream = { ...ask("one", "Ended?"), stream: true as const };
  const create = (headers: Record<string, string>, more: ConstructorParameters<typeof OpenAI>[0] = {}) =>
    door.client({ ...options, ...more }).chat.completions.create(stream, { headers });
  const lost = create({}).catch((thrown: unknown) => thrown);
  await arrived;
  relay.breakAll();
  expect(await lost).toBeInstanceOf(Error);
  lab.release("Ended.");
  const [job] = await jobsOf("one");
  await door.stack.ended(job?.id ?? "");

  const retry = { "X-Stainless-Retry-Count": "1" };
  let text = "";
  for await (const chunk of await create(retry)) text += chunk.choices[0]?.delta.content ?? "";
  expect(text).toBe("Ended.");
  expect(lab.calls()).toBe(1);
  // A second retry of the same call finds it taken; another tenant's was never like it.
  labs.reply("one", answer(200, labsCompletion("Anew.")));
  for (const more of [{}, { apiKey: "local-team-b" }]) {
    let anew = "";
    for await (const chunk of await create(retry, more)) anew += chunk.choices[0]?.delta.content ?? "";
    expect(anew).toBe("Anew.");
  }
  expect((await jobsOf("one")).length).toBe(before + 2);
});
