import { afterEach, beforeEach, expect, it } from "vitest";
import type { Nudge } from "../../../shared/job/ports.ts";
import { waitOf } from "../../../shared/job/waits-for.ts";
import { answer, completion, silence } from "../labs.ts";
import { type Instance, tenantsWith, World } from "../world.ts";

/** Two instances on one store, and one deployment of 60 requests a minute. */
let world: World;
let one: Instance;
let two: Instance;

beforeEach(async () => {
  world = await World.open();
  world.labs.reply("openai-one", answer(200, completion("Hello")));
  world.catalogue = world.labs.catalogue({ name: "openai-one", limits: { requests_per_minute: 60 } });
  [one, two] = [world.instance("one"), world.instance("two")];
});
afterEach(() => world.close());

const isLeading = ({ service }: Instance) => service.dispatcher.isLeading;
/** Turns the clock until the dispatcher has let a job go, and takes the nudges. */
async function nextReleases(): Promise<Nudge[]> {
  await world.turnUntil(() => world.releases.sent.length > 0);
  return world.releases.take(world.clock.now());
}

it("lets a job go at once where quota is free, and stores what must wait without a nudge of its own", async () => {
  const [first, second] = [await world.accepted(), await world.accepted()];
  await one.run(first);
  expect((await world.job(first)).status).toBe("completed");
  await one.run(second);
  expect(await world.job(second)).toMatchObject({
    status: "queued",
    attempts: 0,
    waiting: { for: "quota", cause: "quota", deployments: ["openai-one"] },
  });
  expect(world.nudges.sent).toEqual([]);
  expect(await world.eventsOf(second)).toEqual(["accepted", "waiting"]);
});

it("releases waiting jobs as quota comes back, wherever they were stored, and each is called once", async () => {
  const keys: Nudge[] = [];
  for (let n = 0; n < 4; n++) keys.push(await world.accepted());
  for (const [n, key] of keys.entries()) await (n % 2 === 0 ? one : two).run(key);
  const ran = new Set<string>();
  while (ran.size < 3) {
    for (const nudge of await nextReleases()) {
      ran.add(nudge.job_id);
      await two.run(nudge);
      // Come twice, it changes nothing.
      await one.run(nudge);
    }
  }
  for (const key of keys) expect(await world.job(key)).toMatchObject({ status: "completed", attempts: 1 });
  expect(world.labs.calls).toHaveLength(4);
  expect([one, two].filter(isLeading)).toHaveLength(1);
  const { resource } = await world.jobs.item("job", ["team-a", keys[3]?.job_id ?? ""]).read();
  expect(resource).not.toHaveProperty("parked_at_ms");
});

it("reads a job that was let go, though it was accepted here: it has been put in the line since", async () => {
  const [first, second] = [await world.accepted(), await world.accepted()];
  await two.run(first);
  const found = await world.ports.store.readWithRequest(second);
  if (found?.request === undefined || "fault" in found.request) throw new Error("the job is gone");
  one.running.accepted({ job: found.job, request: found.request });
  await two.run(second);
  const [released] = await nextReleases();
  const before = world.cosmos.counters().batch ?? 0;
  await one.run(released as Nudge);
  expect(await world.job(second)).toMatchObject({ status: "completed", attempts: 1 });
  // Its claim and its end, and none that was refused.
  expect((world.cosmos.counters().batch ?? 0) - before).toBe(2);
});

it("does not let the sweeper's nudge, or a lapsed grant, get a job past the line", async () => {
  const [first, second] = [await world.accepted(), await world.accepted()];
  await one.run(first);
  await one.run(second);
  const waiting = await world.job(second);
  const taken = {
    tokens: 1,
    at_ms: 0,
    spent_requests: 0,
    spent_tokens: 0,
    burst_requests: 1,
    burst_tokens: 1,
  };
  await two.run(second);
  const grant = { deployment: "openai-one", taken, lapses_ms: world.clock.now() };
  await two.run(await world.granted(second, grant));
  expect(await world.job(second)).toEqual(waiting);
  expect(world.labs.calls).toHaveLength(1);
});

it("gives the quota of a grant that no call comes of to the next in the line", async () => {
  const keys: Nudge[] = [];
  for (let n = 0; n < 3; n++) keys.push(await world.accepted());
  for (const key of keys) await one.run(key);
  const [released] = await nextReleases();
  const releasedMs = world.clock.now();
  // Meanwhile its tenant was taken out; and is let in again.
  world.tenants = tenantsWith(undefined, "team-c");
  await one.run(released as Nudge);
  expect((await world.job(released as Nudge)).status).toBe("failed");
  world.tenants = tenantsWith();
  await nextReleases();
  // One comes back a second: the third has what the second did not use.
  expect(world.clock.now() - releasedMs).toBeLessThan(500);
  expect(world.labs.calls).toHaveLength(1);
});

it("ends a job in time whose turn would come too late", async () => {
  const [first, second] = [
    await world.accepted(),
    await world.accepted({ deadlineMs: world.clock.now() + 20_000 }),
  ];
  await one.run(first);
  await one.run(second);
  await one.run(await world.late(second));
  expect(await world.job(second)).toMatchObject({ status: "expired", error: { code: "deadline_exceeded" } });
});

it("has another instance take over from a dispatcher that died", async () => {
  const [first, second] = [await world.accepted(), await world.accepted()];
  await one.run(first);
  const { dispatcherLeases: leases } = world.ports;
  await leases.write({ holder: "dead", renewals: 7 }, (await leases.read())?.etag);
  await two.run(second);
  expect(isLeading(two)).toBe(false);
  await tended(two);
  expect((await nextReleases())[0]?.job_id).toBe(second.job_id);
});

/** Turns the sweep timer until the instance dispatches. */
async function tended(instance: Instance): Promise<void> {
  await world.turnUntil(async () => {
    if (!isLeading(instance)) await instance.sweep();
    return isLeading(instance);
  }, 1_000);
}

it("dispatches again after another had taken over meanwhile", async () => {
  const keys: Nudge[] = [];
  for (let n = 0; n < 3; n++) keys.push(await world.accepted());
  for (const key of keys) await one.run(key);
  await nextReleases();
  const { dispatcherLeases: leases } = world.ports;
  await leases.write({ holder: "another", renewals: 1 }, (await leases.read())?.etag);
  await world.turnUntil(() => !isLeading(one));
  world.releases.sent.length = 0;
  await tended(one);
  await nextReleases();
});

const failing = answer(503, { error: { message: "down" } });
it.each([
  { cause: "rate_limited", word: "quota", limits: {}, replies: [answer(429, {}, { "retry-after": "60" })] },
  { cause: "deployment_failing", word: "deployment_failing", limits: {}, replies: [failing] },
  { cause: "concurrency", word: "concurrency", limits: { concurrency: 1 }, replies: [silence] },
])("says in the record, and to the client, that it waits for $word: $cause", async (row) => {
  const { cause, word, limits, replies } = row;
  world.labs.reply("openai-one", ...replies);
  world.catalogue = world.labs.catalogue({ name: "openai-one", limits });
  // A call that hangs, or enough that fail to shut a deployment.
  const calls = cause === "concurrency" ? 1 : 6;
  const before = await Promise.all(Array.from({ length: calls }, () => world.accepted()));
  const runs = before.map((key) => one.run(key));
  if (cause === "concurrency") await world.labs.nextCall();
  else await world.turning(Promise.all(runs));
  const last = await world.accepted();
  await one.run(last);
  const { job, trail } = await world.seen(last);
  expect(trail.map(({ event, reason }) => [event, reason])).toEqual([
    ["accepted", null],
    ["waiting", cause],
  ]);
  expect(job.status === "queued" && waitOf(job, world.clock.now())?.reason).toBe(word);
  for (const { job_id } of before) one.running.abort(job_id, "test_over");
  await world.turning(Promise.all(runs));
});
