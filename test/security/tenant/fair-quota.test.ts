import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answer, completion } from "../../shared/labs.ts";
import { type Instance, World } from "../../shared/world.ts";

/** Team A does harm to a deployment, in two processes of the service, and team B goes on calling it. */
let world: World;
let instances: readonly [Instance, Instance];
beforeEach(async () => {
  world = await World.open();
  instances = [world.instance("one"), world.instance("two")];
});
afterEach(() => world.close());

const HARM = "harm";
const bodyOf = (text: string) =>
  `{"model":"openai-one-model","max_tokens":10,"messages":[{"role":"user","content":"${text}"}]}`;

/**
 * @param limits of the deployment
 * @param harms how it answers team A
 */
function deploy(limits: object, harms: ReturnType<typeof answer>): void {
  world.catalogue = world.labs.catalogue({ name: "openai-one", limits });
  world.labs.reply("openai-one", (call) =>
    (call.body.includes(HARM) ? harms : answer(200, completion("Hello")))(call),
  );
}

/** Delivers what is due, in turns to both processes, for so long. */
async function goOn(ms: number): Promise<void> {
  const untilMs = world.clock.now() + ms;
  let n = 0;
  await world.turnUntil(async () => {
    for (const list of [world.nudges, world.releases])
      for (const nudge of list.take(world.clock.now()))
        await world.turning(instances[n++ % 2 === 0 ? 0 : 1].run(nudge));
    return world.clock.now() >= untilMs;
  }, 50);
}

/** A job arrives at one of the processes. */
async function arrive(tenantId: string, text: string, n: number) {
  const key = await world.accepted({ tenantId, bodyText: bodyOf(text) });
  await world.turning(instances[n % 2 === 0 ? 0 : 1].run(key));
  return { key, atMs: world.clock.now() };
}

/** How many of team B's jobs have been called. */
const served = () => world.labs.calls.filter(({ body }) => !body.includes(HARM)).length;

describe("team B is served in time beside team A's", () => {
  it.each([
    { what: "without limits", limits: {} },
    { what: "of 600 calls a minute", limits: { requests_per_minute: 600 } },
  ])(
    "prompts that fail, five a second: a deployment $what",
    { tags: ["long"], timeout: 60_000 },
    async ({ limits }) => {
      deploy(limits, answer(500, { error: { message: "it breaks the server" } }));
      for (let second = 0; second < 30; second++) {
        for (let n = 0; n < 5; n++) await arrive("team-a", HARM, n);
        if (second % 3 === 2) {
          const before = served();
          await arrive("team-b", "good", second);
          await goOn(1_000);
          expect(served()).toBe(before + 1);
        } else await goOn(1_000);
      }
    },
  );

  it("jobs that are always refused, a new one every 5 s, each asking for 20 s", {
    tags: ["long"],
  }, async () => {
    deploy(
      { requests_per_minute: 600 },
      answer(429, { error: { message: "too many" } }, { "retry-after": "20" }),
    );
    let offered = 0;
    for (let second = 0; second < 60; second++) {
      if (second % 5 === 0) await arrive("team-a", HARM, second);
      for (let n = 0; n < 3; n++, offered++) await arrive("team-b", "good", n);
      await goOn(1_000);
    }
    await goOn(5_000);
    // Some of its jobs wait for the first refusal: nothing was known of whose that was.
    expect(served()).toBeGreaterThan(offered * 0.9);
  });

  it("jobs of no tokens, where requests are scarce", { tags: ["long"], timeout: 60_000 }, async () => {
    world.catalogue = world.labs.catalogue({
      ...{ name: "openai-one", endpoints: ["/v1/embeddings"], limits: { requests_per_minute: 120 } },
    });
    const vector = {
      object: "list",
      data: [{ object: "embedding", index: 0, embedding: [1] }],
      model: "m",
    };
    world.labs.reply("openai-one", answer(200, vector));
    const embed = async (tenantId: string, input: string, n: number) => {
      const bodyText = `{"model":"openai-one-model","input":${input}}`;
      const key = await world.accepted({ tenantId, endpoint: "/v1/embeddings", bodyText });
      await world.turning(instances[n % 2 === 0 ? 0 : 1].run(key));
    };
    for (let n = 0; n < 60; n++) await embed("team-a", "[]", n);
    for (let n = 0; n < 20; n++) await embed("team-b", '["twenty tokens or so, as they are estimated"]', n);
    await goOn(24_000);
    const ofB = world.labs.calls.filter(({ body }) => body.includes("twenty"));
    // Two a second, of which half are its own.
    expect(ofB.length).toBeGreaterThanOrEqual(18);
  });
});
