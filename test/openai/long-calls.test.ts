import { AzureOpenAI } from "openai";
import { afterAll, beforeAll, expect, it } from "vitest";
import { answer, completion } from "../shared/labs.ts";
import { World } from "../shared/world.ts";
import { says } from "./door.ts";
import { DoorHere } from "./in-process.ts";

/** Calls of minutes, through the real SDK, over HTTP, with the service's clock turned by hand. */
let world: World;
let door: DoorHere;

beforeAll(async () => {
  world = await World.open();
  door = new DoorHere(world);
  await door.start();
});
afterAll(async () => {
  await door.stop();
  await world.close();
});

it.each([
  [5, "openai-one"],
  [9, "xai-two"],
])("a call that runs in the door for %i minutes is one job, and its answer comes", async (minutes, lab) => {
  let begun = 0;
  const calls = world.labs.calls.length;
  world.labs.reply(lab, ({ response }) => {
    begun = world.clock.now();
    const answerWhenTime = () => {
      if (world.clock.now() - begun < minutes * 60_000) return void setImmediate(answerWhenTime);
      answer(200, completion("At last."))({ response } as never);
    };
    answerWhenTime();
  });
  let text: string | null | undefined;
  const called = door
    .client()
    .chat.completions.create({ model: `${lab}-model`, messages: says("Slowly.") })
    .then((done) => {
      text = done.choices[0]?.message.content;
    });
  called.catch(() => undefined);
  await world.turnUntil(() => text !== undefined, 1_000);
  await called;
  expect(text).toBe("At last.");
  expect(world.labs.calls.length - calls).toBe(1);
  expect(world.clock.now() - begun).toBeGreaterThanOrEqual(minutes * 60_000);
});

it("a call that a worker runs is sent on every 200 s, and its answer comes in the end", async () => {
  const model = "openai-one-model";
  const calls = world.labs.calls.length;
  world.labs.reply("openai-one", answer(200, completion("Later.")));
  door.asked.length = 0;
  const notBefore = Math.floor(world.clock.now() / 1000) + 450;
  let text: string | null | undefined;
  const called = door
    .client()
    .chat.completions.create(
      { model, messages: says("Later, please.") },
      { headers: { "x-switchyard-not-before": String(notBefore) } },
    )
    .then((done) => {
      text = done.choices[0]?.message.content;
    });
  called.catch(() => undefined);
  await world.turnUntil(() => {
    door.deliver();
    return text !== undefined;
  }, 1_000);
  await called;
  expect(text).toBe("Later.");
  expect(world.labs.calls.length - calls).toBe(1);
  const wait = expect.stringMatching(/^GET .openai.v1.waits.job_[0-9a-f]{32}$/);
  expect(door.asked.slice(0, 3)).toEqual(["POST /openai/v1/chat/completions", wait, wait]);
});

/** `AzureOpenAI` follows no redirect where it sends a key. */
const azure = () =>
  new AzureOpenAI({ endpoint: door.url, apiKey: "team-a", apiVersion: "2025-04-01-preview", maxRetries: 1 });
const later = (seconds: number) => ({
  headers: { "x-switchyard-not-before": String(Math.floor(world.clock.now() / 1000) + seconds) },
});

/** Turns the clock until the call is over; the client's own socket is no part of the world. */
async function turning<T>(work: Promise<T>, stepMs = 1_000): Promise<T> {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  work.then(end, end);
  await world.turnUntil(async () => {
    door.deliver();
    await new Promise((resolve) => setTimeout(resolve, 1));
    return isOver;
  }, stepMs);
  return work;
}

it.each(["chat", "responses"])(
  "a client that follows no redirect is held as long as it takes: %s",
  async (what) => {
    const model = "openai-one-model";
    world.labs.reply("openai-one", answer(200, completion("Later.")));
    door.asked.length = 0;
    const said = async () => {
      if (what === "responses")
        return (await azure().responses.create({ model, input: "Later" }, later(450))).output_text;
      const done = await azure().chat.completions.create({ model, messages: says("Later?") }, later(450));
      return done.choices[0]?.message.content;
    };
    expect(await turning(said())).toBe("Later.");
    expect(door.asked).toHaveLength(1);
  },
);

it("where its instance ends, its retry joins the job, and there is one call", async () => {
  const other = new DoorHere(world, "ending");
  await other.start();
  const calls = world.labs.calls.length;
  const { job_id: before } = await door.newest();
  let isEnding = false;
  world.labs.reply("openai-one", answer(200, completion("Joined.")));
  const asked = { model: "openai-one-model", messages: says("And now?") };
  const client = new AzureOpenAI({
    ...{ endpoint: other.url, apiKey: "team-a", apiVersion: "2025-04-01-preview", maxRetries: 1 },
    // As a load balancer does with an instance that ends.
    fetch: (url, init) => fetch(isEnding ? String(url).replace(other.url, door.url) : url, init),
  });
  const called = client.chat.completions.create(asked, later(30));
  called.catch(() => undefined);
  await world.turnUntil(async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return (await door.newest()).job_id !== before;
  }, 1);
  isEnding = true;
  void other.instance.service.handOver();
  expect((await turning(called, 100)).choices[0]?.message.content).toBe("Joined.");
  expect(world.labs.calls.length - calls).toBe(1);
  await other.stop();
});
