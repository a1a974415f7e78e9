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
