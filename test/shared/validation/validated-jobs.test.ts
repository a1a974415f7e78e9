import { afterAll, beforeEach, expect, it } from "vitest";
import type { Submission } from "../../../shared/job/intake/accept.ts";
import { isEnded } from "../../../shared/job/job.ts";
import { mostCostOf } from "../../../shared/model/bill.ts";
import { readAsk } from "../../../shared/model/protocol/protocols.ts";
import { answer, completion } from "../labs.ts";
import { World } from "../world.ts";

const world = await World.open();
afterAll(() => world.close());
world.catalogue = world.labs.catalogue(
  ...["openai-one", "xai-two"].map((name) => ({ name, capabilities: ["json_schema"] })),
);
const one = world.instance();

const schema = { type: "object", properties: { x: { type: "number" } }, required: ["x"] };
const body = (model: string, of: unknown = schema) =>
  JSON.stringify({
    ...{ model, messages: [{ role: "user", content: "x?" }] },
    response_format: { type: "json_schema", json_schema: { name: "x", schema: of } },
  });
beforeEach(() => {
  world.labs.calls.length = 0;
});

/** A job of both labs' route, once it has ended. */
async function ended(change: Partial<Submission>) {
  const nudge = await world.accepted({ model: "both", bodyText: body("both"), ...change });
  let due = [nudge];
  await world.turnUntil(async () => {
    await Promise.all(due.map((each) => one.run(each)));
    due = world.nudges.take(world.clock.now());
    return isEnded(await world.job(nudge));
  }, 1_000);
  return world.seen(nudge);
}

it("an answer that does not hold the schema is paid for, recorded, and another target is asked", async () => {
  world.labs.reply("openai-one", answer(200, completion('{"x": "SECRET"}')));
  world.labs.reply("xai-two", answer(200, completion('{"x": 1}')));
  const { job, trail } = await ended({ validate: "retry" });
  expect(job).toMatchObject({ status: "completed", validation: "valid", deployment: "xai-two", attempts: 2 });
  expect(job.cost).toEqual({ amount: "0.00004", currency: "USD" });
  const failed = trail.find(({ event }) => event === "attempt_failed");
  expect(failed).toMatchObject({
    ...{ outcome: "invalid", reason: "invalid_answer", deployment: "openai-one" },
    ...{ usage: { output_tokens: 5 }, cost: { amount: "0.00002" }, response_sha256: expect.any(String) },
  });
  expect(JSON.stringify(trail)).not.toContain("SECRET");
  expect(world.labs.calls.map(({ deployment }) => deployment)).toEqual(["openai-one", "xai-two"]);
});

it("goes on as far as attempts go, and as far as money goes", async () => {
  world.labs.reply("openai-one", answer(200, completion("no JSON")));
  world.labs.reply("xai-two", answer(200, completion("no JSON")));
  const { job } = await ended({ validate: "retry" });
  expect(job).toMatchObject({ status: "failed", error: { code: "attempts_exhausted" }, attempts: 3 });
  expect(job).toMatchObject({
    last_failure: expect.stringMatching(/does not hold the JSON schema.*not JSON/),
  });
  expect(world.labs.calls).toHaveLength(3);
  world.labs.calls.length = 0;
  const limited = body("both").replace("{", '{"max_tokens": 5, ');
  const deployment = world.catalogue.deployment("openai-one");
  if (deployment === undefined) throw new Error("the deployment is gone");
  // As much as one call may cost at most.
  const ask = readAsk("/v1/chat/completions", () => JSON.parse(limited));
  const maxCost = mostCostOf(ask, deployment).amount;
  const { job: poor } = await ended({ validate: "retry", bodyText: limited, maxCost });
  expect(poor).toMatchObject({ status: "failed", error: { code: "max_cost_reached" } });
  expect(world.labs.calls).toHaveLength(1);
});

it("says that nobody can tell, and the answer counts", async () => {
  world.labs.reply("openai-one", answer(200, completion('{"x": 1}')));
  const { job, trail } = await ended({ validate: "retry", bodyText: body("both", { type: "strin" }) });
  expect(job).toMatchObject({ status: "completed", validation: "validation_unavailable" });
  expect(trail.at(-1)).toMatchObject({ event: "completed", reason: "validation_unavailable" });
});

it("of a comparison's job it is told, and no more; without being asked nothing is", async () => {
  world.labs.reply("openai-one", answer(200, completion("no JSON")));
  const { job } = await ended({ validate: "tell" });
  expect(job).toMatchObject({ status: "completed", validation: "invalid" });
  const { job: unasked } = await ended({});
  expect(unasked).toMatchObject({ status: "completed" });
  expect(unasked).not.toHaveProperty("validation");
  expect(world.labs.calls).toHaveLength(2);
});
