import { afterAll, beforeAll, expect, it } from "vitest";
import { rotateRoot } from "../../../shared/control/secrets.ts";
import { sha256Hex } from "../../../shared/sha256.ts";
import { World } from "../../shared/world.ts";

/** Labs that would link the calls of a job, or guess whose idempotency key it was made of. */
let world: World;
beforeAll(async () => {
  world = await World.open();
});
afterAll(() => world.close());

const ID = `job_${"7".repeat(32)}`;

it("each lab knows a job by a name of its own, which nobody can make who does not hold the secret", async () => {
  const names = async () => {
    const secrets = world.secrets();
    return Promise.all([
      secrets.jobName("openai", ID),
      secrets.jobName("xai", ID),
      secrets.jobName("openai", `${ID.slice(0, -1)}8`),
    ]);
  };
  const [ofOne, ofOther, ofNext] = await names();
  expect(new Set([ofOne, ofOther, ofNext]).size).toBe(3);
  expect(await names()).toEqual([ofOne, ofOther, ofNext]);
  for (const guess of [ID, sha256Hex(ID), sha256Hex(`openai${ID}`)]) expect(guess).not.toContain(ofOne);
  await rotateRoot(
    { trail: world.ports.trail, clock: world.clock, randomHex: (bytes) => "5".repeat(2 * bytes) },
    { changeId: "one", actor: "ops/key:0", reason: null },
  );
  expect((await names())[0]).not.toBe(ofOne);
});
