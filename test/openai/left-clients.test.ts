import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { rotateRoot } from "../../shared/control/secrets.ts";
import type { Job } from "../../shared/job/job.ts";
import type { JobStore } from "../../shared/job/ports.ts";
import type { JobKey } from "../../shared/store.ts";
import { answer, completion, silence } from "../shared/labs.ts";
import { World } from "../shared/world.ts";
import { says } from "./door.ts";
import { DoorHere } from "./in-process.ts";

/** Clients that leave before their answer, and their retries: the clock is turned by hand. */
let world: World;
let door: DoorHere;
let other: DoorHere;
beforeAll(async () => {
  world = await World.open();
  [door, other] = [new DoorHere(world), new DoorHere(world, "two")];
  await Promise.all([door.start(), other.start()]);
});
afterAll(async () => {
  await Promise.all([door.stop(), other.stop()]);
  await world.close();
});
beforeEach(() => world.labs.reply("openai-one", silence));

const model = "openai-one-model";
let asked = 0;

/** A call under way. @param to the try it is: 0 for the first */
function call(
  text: string,
  retries = 0,
  to = door,
  more: { headers?: Record<string, string>; stream?: boolean } = {},
) {
  before = world.labs.calls.length;
  // So that its job is the newest.
  world.clock.advance(1);
  const leaving = new AbortController();
  const said = { answer: undefined as string | undefined, error: undefined as unknown };
  const headers = { ...(retries > 0 ? { "X-Stainless-Retry-Count": String(retries) } : {}), ...more.headers };
  const ask = { model, messages: says(text), ...(more.stream ? { stream: true as const } : {}) };
  to.client()
    .chat.completions.create(ask as { model: string; messages: ReturnType<typeof says> }, {
      headers,
      signal: leaving.signal,
    })
    .then(
      (whole) => {
        said.answer = whole.choices?.[0]?.message.content ?? "";
      },
      (thrown: unknown) => {
        said.error = thrown;
      },
    );
  return Object.assign(said, { leave: () => leave(leaving) });
}
/** Resolves once that is noticed. */
async function leave(leaving: AbortController): Promise<void> {
  const left = () => door.left + other.left;
  const before = left();
  leaving.abort();
  await world.turnUntil(() => left() > before, 0);
}
/** Resolves once a retry has taken the job. @param retries how often its client has tried */
const joined = (job: JobKey, retries = 1) =>
  world.turnUntil(async () => (await world.job(job)).joined_count === retries, 0);

/** Lets the world go on for a while: what is heard over sockets takes a turn of its own. */
const turn = async (ms: number) => {
  for (let turned = 0; turned < ms; turned += 1_000) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    await world.settled();
    door.deliver();
    world.clock.advance(Math.min(1_000, ms - turned));
  }
  await new Promise((resolve) => setTimeout(resolve, 5));
  await world.settled();
};
let before = 0;
/** Resolves once the lab has been called for the last of the calls. */
const called = () => world.turnUntil(() => world.labs.calls.length > before, 0);
/** Resolves once what that moment brings has come, and turns the clock no further. */
const cancelled = (...jobs: JobKey[]) =>
  world.turnUntil(async () => {
    const states = await Promise.all(jobs.map(statusOf));
    return states.every((status) => status === "cancelled");
  }, 0);
const statusOf = async (job: JobKey): Promise<Job["status"]> => (await world.job(job)).status;

it.each([
  ["whole", {}],
  ["a stream", { stream: true }],
  ["one that waits in line", { headers: { "x-switchyard-not-before": "later" } }],
] as const)("a call is cancelled 30 s after its client has left: %s", async (_, more) => {
  const headers: Record<string, string> =
    "headers" in more
      ? { "x-switchyard-not-before": String(Math.floor(world.clock.now() / 1000) + 300) }
      : {};
  const waits = call(`leaves ${++asked}`, 0, door, { ...more, headers });
  if ("headers" in more) await world.turnUntil(() => world.nudges.sent.length > 0, 0);
  else await called();
  const job = await door.newest();
  await turn(5_000);
  await waits.leave();
  await turn(29_000);
  expect(await statusOf(job)).toBe("headers" in more ? "queued" : "in_progress");
  await turn(4_000);
  await cancelled(job);
  const { job: ended, trail } = await world.seen(job);
  expect(ended.status).toBe("cancelled");
  expect(trail.find(({ event }) => event === "cancelled")).toMatchObject({
    actor: "team-a/key:0",
    reason: "client_left",
  });
  await world.turnUntil(() => world.labs.unanswered === 0);
});

it("a call that a retry has taken is not cancelled, nor one that ends meanwhile, nor a native one", async () => {
  const first = call("taken");
  await called();
  const job = await door.newest();
  const calls = world.labs.calls.length;
  await first.leave();
  await turn(2_000);
  const retry = call("taken", 1, other);
  await joined(job);
  await turn(60_000);
  expect(await statusOf(job)).toBe("in_progress");
  // The retry's own client leaves too: the next takes its place.
  await retry.leave();
  await turn(2_000);
  const second = call("taken", 2);
  await joined(job, 2);
  await turn(60_000);
  expect(await statusOf(job)).toBe("in_progress");
  expect(world.labs.calls.length).toBe(calls);
  await second.leave();
  await turn(33_000);
  await cancelled(job);

  const headers = { authorization: "Bearer team-a", "content-type": "application/json", prefer: "wait=30" };
  const body = JSON.stringify({ body: { model, messages: says("native") } });
  const leaving = new AbortController();
  before = world.labs.calls.length;
  world.clock.advance(1);
  world.nudges.take(Number.MAX_SAFE_INTEGER);
  const native = fetch(`${door.url}/api/jobs`, { method: "POST", headers, body, signal: leaving.signal });
  native.catch(() => undefined);
  await world.turnUntil(() => world.nudges.sent.length > 0, 0);
  door.deliver();
  await called();
  const nativeJob = await door.newest();
  expect(nativeJob.job_id).not.toBe(job.job_id);
  await leave(leaving);
  await turn(60_000);
  expect(await statusOf(nativeJob)).toBe("in_progress");
});

describe("a client that leaves while its job is being stored", () => {
  let open = () => {};
  let stored: Promise<void> = Promise.resolve();
  let slow: DoorHere;
  beforeAll(async () => {
    const { store } = world.ports;
    const create: JobStore["create"] = async (...of) => {
      const written = await store.create(...of);
      await stored;
      return written;
    };
    slow = new DoorHere(world, "slow", { store: Object.assign(Object.create(store), { create }) });
    await slow.start();
  });
  afterAll(() => slow.stop());
  beforeEach(() => {
    const gate = Promise.withResolvers<void>();
    [open, stored] = [gate.resolve, gate.promise];
  });

  /** Its client has left, and it is stored. */
  async function leftEarly(text: string, headers: Record<string, string>): Promise<JobKey> {
    const newest = async () => (await world.ports.store.list("team-a", { limit: 1 })).jobs[0]?.job_id;
    const last = await newest();
    const first = call(text, 0, slow, { headers });
    await world.turnUntil(async () => (await newest()) !== last, 0);
    const at = slow.left;
    void first.leave();
    await world.turnUntil(() => slow.left > at, 0);
    open();
    return slow.newest();
  }

  it.each([
    ["one that would run here", {}, ["accepted", "attempt_started", "cancelled"]],
    ["one that would wait", { "x-switchyard-not-before": "later" }, ["accepted", "cancelled"]],
  ])("ends it unsent, for its retry may not have found it: %s", async (_, headers, events) => {
    const later = String(Math.floor(world.clock.now() / 1000) + 300);
    const job = await leftEarly(
      `early ${++asked}`,
      Object.fromEntries(Object.keys(headers).map((name) => [name, later])),
    );
    const calls = world.labs.calls.length;
    await cancelled(job);
    const { job: ended, trail } = await world.seen(job);
    expect(trail.map(({ event }) => event)).toEqual(events);
    expect(trail.at(-1)).toMatchObject({ reason: "client_left", actor: "team-a/key:0", cost: null });
    expect([ended.cost, ended.unknown_costs ?? []]).toEqual([null, []]);
    await turn(60_000);
    expect(world.labs.calls.length).toBe(calls);
    // The next try is a call like any other.
    world.labs.reply("openai-one", answer(200, completion("Said.")));
    const retry = call(`early ${asked}`, 1, other, {});
    await world.turnUntil(() => retry.answer !== undefined);
    expect(retry.answer).toBe("Said.");
  });

  it("lets one with an idempotency key go on, which can be asked for by that", async () => {
    const headers = { "Idempotency-Key": "early-key" };
    const job = await leftEarly("keyed", headers);
    await world.turnUntil(() => world.labs.calls.length > before, 0);
    const retry = call("keyed", 1, other, { headers });
    await turn(60_000);
    expect(await statusOf(job)).toBe("in_progress");
    await retry.leave();
  });
});

it("a job whose client is known to be connected is not taken, and two retries never share one", async () => {
  const stays = call("same");
  await called();
  const [job, calls] = [await door.newest(), world.labs.calls.length];
  const another = call("same", 1);
  await world.turnUntil(() => world.labs.calls.length === calls + 1, 0);
  const newest = await door.newest();
  expect(newest.job_id).not.toBe(job.job_id);
  for (const each of [stays, another]) await each.leave();
  const retries = [call("same", 1), call("same", 1, other)];
  for (const each of [job, newest]) await joined(each);
  expect(world.labs.calls.length).toBe(calls + 1);
  const joiners = await Promise.all([job, newest].map(async (each) => (await world.job(each)).joined_by));
  expect(new Set(joiners).size).toBe(2);
  for (const each of retries) await each.leave();
  await turn(33_000);
  await cancelled(job, newest);
  // What was cancelled for that has nothing to say to a retry that comes late.
  world.labs.reply("openai-one", answer(200, completion("Anew.")));
  const late = call("same", 2);
  await world.turnUntil(() => late.answer !== undefined);
  expect(late.answer).toBe("Anew.");
});

it("a call is named by the service's own secret, of now or of before", async () => {
  const first = call("named");
  await called();
  const job = await world.job(await door.newest());
  expect(job.coalesce).toMatch(/^[0-9a-f]{64}$/);
  expect(job.coalesce).toBe(
    (await world.secrets().macs("joining", ["team-a/key:0", job.endpoint, job.envelope_sha256], false))[0],
  );
  const calls = world.labs.calls.length;
  await first.leave();
  const change = { changeId: "rotated", actor: "ops", reason: null };
  const randomHex = (bytes: number) => "ab".repeat(bytes);
  await rotateRoot({ trail: world.ports.trail, clock: world.clock, randomHex }, change);
  await turn(3_000);
  const retry = call("named", 1, other);
  await joined(job);
  expect(world.labs.calls.length).toBe(calls);
  await retry.leave();
  await turn(33_000);
});

it("a native submit runs in the door where such calls are quick, and is answered in time where one is not", async () => {
  world.labs.reply("xai-two", answer(200, completion("Quick.")));
  const submit = (seconds: number) =>
    fetch(`${door.url}/api/jobs`, {
      method: "POST",
      headers: {
        authorization: "Bearer team-a",
        "content-type": "application/json",
        prefer: `wait=${seconds}`,
      },
      body: JSON.stringify({ body: { model: "xai-two-model", messages: says("native") } }),
    }).then((response) => response.json() as Promise<{ id: string; status: string }>);
  const sent = () => world.nudges.sent.length;
  world.nudges.take(Number.MAX_SAFE_INTEGER);
  // Nothing is known of such calls yet: a worker runs the first.
  const first = submit(20);
  await world.turnUntil(() => sent() > 0);
  door.deliver();
  expect((await world.turning(first)).status).toBe("completed");
  const second = await world.turning(submit(20));
  expect([second.status, sent()]).toEqual(["completed", 0]);
  const trail = await world.eventsOf({ tenant_id: "team-a", job_id: second.id });
  expect(trail).toEqual(["accepted", "attempt_started", "completed"]);

  world.labs.reply("xai-two", silence);
  const late = await world.turning(submit(5), 500);
  expect([late.status, sent()]).toEqual(["in_progress", 0]);
  expect(door.logged).toContainEqual({ event: "door_overrun", job_id: late.id, wait_seconds: 5 });
  await turn(20_000);
  const overrun = await world.job({ tenant_id: "team-a", job_id: late.id });
  expect(overrun).toMatchObject({ status: "in_progress", lease: { renewals: expect.any(Number) } });
});
