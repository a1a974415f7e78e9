import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unitsOf } from "../../../shared/decimal.ts";
import { cancelJob } from "../../../shared/job/ending/cancel.ts";
import { modelRefusal } from "../../../shared/job/intake/admission.ts";
import type { Nudge } from "../../../shared/job/ports.ts";
import { answer, completion, type Reply, silence } from "../../shared/labs.ts";
import { type Instance, tenantsWith, World } from "../../shared/world.ts";

/** A call asks for 1,000 tokens at 2 USD a million: with its prompt it may cost a little over 0.002. */
const PER_DAY = "0.006";
const MOST_OF_A_CALL = "0.0022";
let world: World;
let one: Instance;

beforeEach(async () => {
  world = await World.open({ startMs: Date.UTC(2027, 0, 15, 12) });
  world.tenants = tenantsWith({ currency: "USD", per_day: PER_DAY });
  one = world.instance();
});
afterEach(() => world.close());

const asking = (more: object = {}) =>
  JSON.stringify({
    ...{ model: "openai-one-model", messages: [{ role: "user", content: "Hi" }], max_tokens: 1_000 },
    ...more,
  });
const accepted = (more: object = {}, deadlineMs = world.clock.now() + 3_600_000) =>
  world.accepted({ bodyText: asking(more), deadlineMs });
const spent = async () => (await one.service.budgets.account("team-a"))?.spent ?? "0";

/** Does it to job after job. Answers how many calls a lab had, which is all that money was there for. */
async function evaded(byDoing: (job: Nudge) => Promise<void>): Promise<void> {
  for (let n = 0; n < 8; n++) await byDoing(await accepted());
  expect(world.labs.calls).toHaveLength(3);
  const total = unitsOf(await spent());
  expect(total >= unitsOf(PER_DAY)).toBe(true);
  expect(total < unitsOf(PER_DAY) + unitsOf(MOST_OF_A_CALL)).toBe(true);
}

async function untilCalled(job: Nudge, then: () => Promise<unknown>): Promise<void> {
  const calls = world.labs.calls.length;
  const run = one.run(job);
  await world.settled();
  if (world.labs.calls.length > calls) await then();
  await run;
}

describe("a budget is not evaded", () => {
  it("a tenant that cancels its calls pays what was put aside for each", async () => {
    world.labs.reply("openai-one", silence);
    const jobs: Nudge[] = [];
    await evaded(async (job) => {
      jobs.push(job);
      await untilCalled(job, () => cancelJob(one.service, job, "team-a/key:1"));
    });
    const [first] = jobs;
    if (first === undefined) throw new Error("no job");
    expect(await world.job(first)).toMatchObject({
      ...{ status: "cancelled", cost: null, unknown_costs: { 1: "no_answer" } },
    });
  });

  it("nor by deadlines in the middle of calls", async () => {
    world.labs.reply("openai-one", silence);
    for (let n = 0; n < 8; n++) {
      const job = await accepted({}, world.clock.now() + 5_000);
      await untilCalled(job, async () => world.clock.advance(5_000));
    }
    expect(world.labs.calls).toHaveLength(3);
  });

  it.each<[string, Reply]>([
    ["without a count", answer(200, { ...completion("Hello"), usage: undefined })],
    [
      "with a count that nobody believes",
      answer(200, { ...completion("Hello"), usage: { prompt_tokens: 1e15 } }),
    ],
    ["that are no JSON", answer(200, "<html>")],
    [
      "that are no UTF-8",
      ({ response }) => response.writeHead(200).end(Buffer.from([0x22, 0xc3, 0x28, 0x22])),
    ],
  ])("nor by answers %s", async (_, reply) => {
    world.labs.reply("openai-one", reply);
    await evaded(async (job) => one.run(job));
  });
});

it("the first claim of a cancelled job tells at once that its cost is not known", async () => {
  world.labs.reply("openai-one", silence);
  const job = await accepted();
  const called = world.labs.nextCall();
  const frozen = world.frozen();
  const run = frozen.run(job);
  await called;
  await cancelJob(one.service, job, "team-a/key:1");
  expect(await world.job(job)).toMatchObject({ cost: null, unknown_costs: { 1: "no_answer" } });
  expect((await world.seen(job)).trail.at(-1)).toMatchObject({
    event: "cancelled",
    cost_unknown: "no_answer",
  });
  frozen.running.abort(job.job_id, "over");
  await run;
});

describe("a job's max_cost", () => {
  it("begins no attempt that might pass it, and counts those of unknown cost with the most", async () => {
    world.tenants = tenantsWith();
    world.labs.reply("openai-one", answer(200, "<html>"));
    const job = await world.accepted({ bodyText: asking(), maxCost: "0.005" });
    await one.run(job);
    for (let n = 0; n < 5 && (await world.job(job)).status === "queued"; n++) {
      world.clock.advance(200_000);
      await one.run(job);
    }
    expect(world.labs.calls).toHaveLength(2);
    expect(await world.job(job)).toMatchObject({
      ...{ status: "failed", max_cost: "0.005", cost: null },
      error: { code: "max_cost_reached", message: expect.stringContaining("may cost") },
    });
    expect((await world.seen(job)).trail[0]).toMatchObject({ reason: "max_cost 0.005" });
  });

  it("goes to a cheaper deployment, and is refused where there is none", async () => {
    const price = { currency: "USD", input_per_million: 1, output_per_million: 1 };
    world.catalogue = world.labs.catalogue("openai-one", { name: "xai-two", price });
    world.labs.reply("xai-two", answer(200, completion("Hello")));
    const job = await world.accepted({
      model: "both",
      bodyText: asking({ model: "both" }),
      maxCost: "0.0015",
    });
    await one.run(job);
    const { trail } = await world.seen(job);
    expect(trail[1]).toMatchObject({
      deployment: "xai-two",
      reason: expect.stringContaining("may cost 0.002"),
    });
    const tenant = world.tenants.all[0];
    if (tenant === undefined) throw new Error("no tenant");
    const refusal = (maxCost: string) =>
      modelRefusal(world.catalogue, tenant, {
        ...{ endpoint: "/v1/chat/completions", model: "both", body: JSON.parse(asking()), maxCost },
      });
    expect(refusal("0.0015")).toBeUndefined();
    expect(refusal("0.0009")).toMatchObject({ code: "max_cost_too_low", status: 402 });
  });
});

it("prompts that are hidden from the estimate do not pass a deployment's context", () => {
  world.catalogue = world.labs.catalogue({
    name: "openai-one",
    context_tokens: 2_000,
    capabilities: ["vision", "tools", "audio"],
  });
  const tenant = world.tenants.all[1];
  if (tenant === undefined) throw new Error("no tenant");
  const text = "x".repeat(100_000);
  const inTools = (schema: object) => ({
    tools: [{ type: "function", function: { name: "f", parameters: { default: schema } } }],
  });
  const hidden: object[] = [
    inTools({ type: "image_url", text }),
    inTools({ type: "input_audio", text }),
    inTools({ type: text }),
    inTools({ role: text }),
    { prediction: { type: "content", content: text } },
    { messages: [{ role: text, content: "Hi" }] },
    { max_completion_tokens: 1, max_tokens: 100_000 },
  ];
  for (const more of hidden) {
    const body = { model: "openai-one-model", messages: [{ role: "user", content: "Hi" }], ...more };
    const asked = { endpoint: "/v1/chat/completions", model: "openai-one-model", body } as const;
    expect([Object.keys(more), modelRefusal(world.catalogue, tenant, asked)?.code]).toEqual([
      Object.keys(more),
      "capability_not_supported",
    ]);
  }
});
