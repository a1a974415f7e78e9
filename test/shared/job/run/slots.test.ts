import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Nudge } from "../../../../shared/job/ports.ts";
import { answer, completion, type Reply } from "../../labs.ts";
import { type Instance, World } from "../../world.ts";

/** Two instances of 16 slots each. */
let world: World;
let instances: readonly Instance[];
/** Calls of openai-one, which answers none before it is told to: whose, and how to answer. */
let calls: { readonly job: string; readonly response: ServerResponse }[];

const later: Reply = ({ request, response }) => {
  calls.push({ job: String(request.headers["x-switchyard-job"]), response });
};

beforeEach(async () => {
  world = await World.open({ settings: { maxCalls: 16 } });
  calls = [];
  world.labs.reply("openai-one", later);
  world.labs.reply("xai-two", answer(200, completion("Hello")));
  instances = [world.instance("one"), world.instance("two")];
});
afterEach(() => world.close());

const jobOf = (tenantId: string, model = "openai-one-model") => world.accepted({ tenantId, model });

/** Takes nudges in turns, as instances do; what they do is not waited for. */
let taken = 0;
function take(nudges: readonly Nudge[]): void {
  for (const nudge of nudges) void instances[taken++ % instances.length]?.run(nudge);
}

/** Many jobs of a tenant, as far as they go: they are called, or put in the line. */
async function flood(tenantId: string, count: number): Promise<Nudge[]> {
  const nudges: Nudge[] = [];
  for (let n = 0; n < count; n++) nudges.push(await jobOf(tenantId));
  take(nudges);
  await world.settled();
  return nudges;
}

/** Until it holds, takes what the dispatcher lets go. */
const releasingUntil = (done: () => boolean | Promise<boolean>) =>
  world.turnUntil(async () => {
    take(world.releases.take(world.clock.now()));
    await world.settled();
    return done();
  });

const ended = async (nudges: readonly Nudge[]) =>
  (await Promise.all(nudges.map((nudge) => world.job(nudge)))).every(({ status }) => status === "completed");

const answerOne = (call = calls.shift()) =>
  answer(
    200,
    completion("Hi"),
  )({ body: "", response: call?.response as ServerResponse, request: null as never });

it("keeps slots for others, whatever a tenant's calls of one deployment do", async () => {
  const jobs = await flood("team-a", 40);
  // Seven eighths of a half of 16, on each instance.
  expect(calls).toHaveLength(14);
  const waiting = await Promise.all(jobs.slice(14).map((nudge) => world.job(nudge)));
  for (const job of waiting)
    expect(job).toMatchObject({ status: "queued", waiting: { cause: "concurrency" } });
  const elsewhere = await jobOf("team-b", "xai-two-model");
  for (const instance of instances) {
    await instance.run(elsewhere);
    expect((await world.job(elsewhere)).status).toBe("completed");
  }
});

it("lets another tenant's calls of the same deployment begin, though those before never end", async () => {
  await flood("team-a", 40);
  const [job] = await flood("team-b", 1);
  const begunMs = world.clock.now();
  await releasingUntil(() => calls.length === 15);
  expect(world.clock.now() - begunMs).toBeLessThan(2_000);
  expect((await world.job(job as Nudge)).status).toBe("in_progress");
});

it("does the same where the deployment bears only so many calls over all instances", {
  tags: ["long"],
}, async () => {
  world.catalogue = world.labs.catalogue({ name: "openai-one", limits: { concurrency: 12 } });
  const jobs = await flood("team-a", 40);
  await releasingUntil(() => calls.length >= 10);
  // Another count or two: no more are let go.
  const sinceMs = world.clock.now();
  await releasingUntil(() => world.clock.now() - sinceMs > 5_000);
  expect(calls.length).toBeLessThan(12);
  const [job] = await flood("team-b", 1);
  await releasingUntil(async () => (await world.job(job as Nudge)).status === "in_progress");
  expect(world.clock.now() - sinceMs).toBeLessThan(7_000);
  expect(calls.length).toBeLessThanOrEqual(12);
  expect(jobs).toHaveLength(40);
});

it("lets those that wait go in turns, as calls end", { tags: ["long"] }, async () => {
  const jobs = await flood("team-a", 40);
  const others = await flood("team-b", 8);
  const tenants = new Map([...jobs, ...others].map(({ job_id, tenant_id }) => [job_id, tenant_id]));
  let answered = 0;
  await releasingUntil(async () => {
    if (calls.length > 0 && ++answered) answerOne();
    return ended(others);
  });
  // Theirs are done long before all that began to wait before them.
  expect(answered).toBeLessThan(40);
  expect(tenants.size).toBe(48);
  await releasingUntil(async () => {
    if (calls.length > 0) answerOne();
    return ended(jobs);
  });
  for (const nudge of jobs) expect(await world.job(nudge)).toMatchObject({ attempts: 1 });
});

it("leaves a job whose grant finds no slot in its line, without a word, and lets it go again later", async () => {
  const jobs = await flood("team-a", 40);
  const waits = jobs.at(-1) as Nudge;
  const events = await world.eventsOf(waits);
  const quantities = { tokens: 1, at_ms: 0, spent_requests: 0, spent_tokens: 0 };
  const grant = {
    deployment: "openai-one",
    taken: { ...quantities, burst_requests: 1, burst_tokens: 1 },
    lapses_ms: world.clock.now() + 10_000,
  };
  for (const instance of instances) await instance.run({ ...waits, grant });
  expect(await world.eventsOf(waits)).toEqual(events);
  expect(calls).toHaveLength(14);
  await releasingUntil(async () => {
    if (calls.length > 0) answerOne();
    return ended([waits]);
  });
});
