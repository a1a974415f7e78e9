import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { cancelJob } from "../../../shared/job/ending/cancel.ts";
import { deadLetterId, Repeats, settleDeadLetter } from "../../../shared/job/letters/dead-letter.ts";
import { redrive } from "../../../shared/job/letters/redrive.ts";
import {
  createEndpoint,
  deleteEndpoint,
  redeliver,
  rotateEndpoint,
  updateEndpoint,
} from "../../../shared/webhook/manage.ts";
import type { DeliveryNudge } from "../../../shared/webhook/ports.ts";
import { type Instance, silent, World } from "../world.ts";
import { Receiver } from "./receiver.ts";

const HOUR_MS = 3_600_000;
const world = await World.open();
const receiver = new Receiver();
let one: Instance;
let tenants = 0;
/** Each test has a tenant, and so endpoints, of its own. */
let tenantId: string;

beforeAll(async () => {
  await receiver.start();
  one = world.instance();
});
afterAll(async () => {
  await receiver.stop();
  await world.close();
});
beforeEach(() => {
  tenantId = `tenant-${++tenants}`;
  receiver.received.length = 0;
  world.deliveries.failing = false;
  world.deliveries.sent.length = 0;
});

const manage = () => one.service.webhooks;
const created = async (path: string, event_types = ["job.cancelled"] as const) =>
  world.turning(
    createEndpoint(manage(), tenantId, {
      name: path,
      url: receiver.url(path),
      event_types: [...event_types],
    }),
  );

/** A job that ends, with what is sent of its end. */
async function ended(): Promise<string> {
  const key = await world.accepted({ tenantId });
  await one.service.invocation(() => cancelJob(one.service, key, "owner"));
  return key.job_id;
}

/** Delivers what is due now. */
async function deliver(instance = one): Promise<DeliveryNudge[]> {
  const due = world.deliveries.take(world.clock.now());
  await Promise.all(due.map((nudge) => instance.deliver(nudge)));
  return due;
}

/** Turns the clock to the next message's time, and delivers it. */
async function deliverNext(): Promise<void> {
  const next = Math.min(...world.deliveries.sent.map(({ atMs = 0 }) => atMs));
  world.clock.advance(Math.max(0, next - world.clock.now()));
  await deliver();
}

const listed = async (filter = {}) =>
  (await manage().deliveries.list(tenantId, { limit: 50, ...filter })).deliveries;
const verified = (n: number, secret: string) => {
  const { body, headers } = receiver.received[n] ?? { body: "", headers: {} };
  // The package compares with the machine's clock, the service signs by the test's.
  const real = Date.now;
  Date.now = () => world.clock.now();
  try {
    return new Webhook(secret).verify(body, headers as Record<string, string>);
  } finally {
    Date.now = real;
  }
};

it("an end is told, signed, to all who want to hear of it, and to nobody else", async () => {
  const first = await created("/first");
  await created("/second");
  await created("/deaf", ["job.completed"] as never);
  const jobId = await ended();
  const { commits } = { commits: world.cosmos.counters().batch ?? 0 };
  expect(await deliver()).toMatchObject([{ job_id: jobId, event: "job.cancelled" }]);
  // One batch sends the event on.
  expect((world.cosmos.counters().batch ?? 0) - commits).toBe(1);
  expect(receiver.received.map(({ path }) => path).sort()).toEqual(["/first", "/second"]);
  const at = receiver.received.findIndex(({ path }) => path === "/first");
  expect(verified(at, first.secret)).toEqual({
    ...{ object: "event", id: receiver.received[at]?.headers["webhook-id"], type: "job.cancelled" },
    ...{ created_at: Math.floor(world.clock.now() / 1000), data: { id: jobId } },
  });
  expect(await listed()).toMatchObject([{ status: "delivered" }, { status: "delivered" }]);
  expect(world.deliveries.sent).toEqual([]);
  expect(await world.ports.deliveryTurns.overdue(world.clock.now() + 99 * HOUR_MS, 99)).toEqual([]);
});

it("a tenant without an endpoint costs nothing more", async () => {
  const key = await world.accepted({ tenantId });
  const before = { ...world.cosmos.counters() };
  await cancelJob(one.service, key, "owner");
  const { batch = 0, read = 0, ...others } = world.cosmos.counters();
  expect(batch - (before.batch ?? 0)).toBe(1);
  expect(world.deliveries.sent).toEqual([]);
  const items = await world.jobs.items
    .query("SELECT c.kind FROM c WHERE c.kind = 'outbox'", { partitionKey: [tenantId, key.job_id] })
    .fetchAll();
  expect(items.resources).toEqual([]);
  expect([read, others].length).toBe(2);
});

it("every instance knows of an endpoint once its tenant does", async () => {
  const other = world.instance("other");
  await other.service.invocation(async () => undefined);
  await created("/");
  const key = await world.accepted({ tenantId });
  await other.service.invocation(() => cancelJob(other.service, key, "owner"));
  expect(await deliver(other)).toMatchObject([{ job_id: key.job_id }]);
  expect(receiver.received).toHaveLength(1);
});

it("what is not taken is tried for 72 h, signed anew each time with the same id, and then stands as failed", async () => {
  const { secret } = await created("/");
  receiver.answer("/", 500);
  await ended();
  const begun = world.clock.now();
  for (let tries = 0; tries < 20 && (await listed())[0]?.status !== "failed"; tries++) {
    await deliverNext();
    verified(receiver.received.length - 1, secret);
  }
  const [delivery] = await listed();
  expect(delivery).toMatchObject({ status: "failed", failure: "tries_used_up", tries: 11, due_ms: null });
  const lastMs = delivery?.attempts.at(-1)?.at_ms ?? 0;
  expect(lastMs - begun).toBe(72 * HOUR_MS);
  expect(receiver.received.length).toBe(11);
  expect(new Set(receiver.received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
  expect(new Set(receiver.received.map(({ headers }) => headers["webhook-signature"])).size).toBe(11);
  // For three days nothing was taken: it is disabled, and what comes after stands as failed at once.
  const [endpoint] = (await manage().endpoints.read(tenantId))?.value ?? [];
  expect(endpoint?.disabled?.reason).toBe("failing");
  await ended();
  await deliver();
  expect((await listed())[0]).toMatchObject({ status: "failed", failure: "endpoint_disabled", tries: 0 });

  // An update puts it to use again; both can be sent again.
  receiver.answer("/", undefined);
  await world.turning(updateEndpoint(manage(), tenantId, endpoint?.id ?? "", {}));
  for (const { id } of await listed()) await redeliver(manage(), tenantId, id);
  await world.settled();
  await deliver();
  expect(await listed()).toMatchObject([{ status: "delivered" }, { status: "delivered" }]);
});

it("during a rotation both secrets verify, for a day", async () => {
  const { endpoint, secret } = await created("/");
  const rotatedTo = await world.turning(rotateEndpoint(manage(), tenantId, endpoint.id, true));
  await ended();
  await deliver();
  for (const each of [secret, rotatedTo.secret]) expect(verified(0, each)).toBeTruthy();
  world.clock.advance(24 * HOUR_MS + 1);
  await ended();
  await deliver();
  expect(verified(1, rotatedTo.secret)).toBeTruthy();
  expect(() => verified(1, secret)).toThrow();
  const { secret: third } = await world.turning(rotateEndpoint(manage(), tenantId, endpoint.id, false));
  await ended();
  await deliver();
  expect(verified(2, third)).toBeTruthy();
  expect(() => verified(2, rotatedTo.secret)).toThrow();
});

it("410 disables an endpoint; what waits for one that is deleted fails where its owner sees it", async () => {
  const gone = await created("/gone");
  receiver.answer("/gone", 410);
  const away = await created("/away");
  receiver.answer("/away", 503);
  await ended();
  await deliver();
  expect(await listed({ endpoint: gone.endpoint.id })).toMatchObject([
    { status: "failed", failure: "endpoint_gone" },
  ]);
  await world.turning(deleteEndpoint(manage(), tenantId, away.endpoint.id));
  expect(await listed({ status: "pending" })).toHaveLength(1);
  await deliverNext();
  expect(await listed({ endpoint: away.endpoint.id })).toMatchObject([
    { status: "failed", failure: "endpoint_deleted" },
  ]);
  receiver.answer("/gone", undefined);
  receiver.answer("/away", undefined);
  const [endpoint] = (await manage().endpoints.read(tenantId))?.value ?? [];
  expect(endpoint?.disabled?.reason).toBe("gone");
});

it("a message that is lost is made good by the sweeper, once", async () => {
  await created("/");
  world.deliveries.failing = true;
  const jobId = await ended();
  await world.settled();
  world.deliveries.failing = false;
  expect(world.deliveries.sent).toEqual([]);
  await one.sweep();
  expect(world.deliveries.sent).toEqual([]);
  world.clock.advance(61_000);
  await one.sweep();
  await one.sweep();
  expect(world.deliveries.sent).toMatchObject([{ nudge: { job_id: jobId, event: "job.cancelled" } }]);
  await deliver();
  expect(await listed()).toMatchObject([{ status: "delivered" }]);
});

it("a worker that dies at any step loses no event, and forges none", async () => {
  await created("/");
  for (const operation of ["batch", "read"] as const) {
    receiver.received.length = 0;
    const jobId = await ended();
    const [nudge] = world.deliveries.take(world.clock.now());
    if (nudge === undefined) throw new Error("no message");
    // The answer of the write is lost after the POST went out: the message comes again.
    world.cosmos.setFaults({ rules: [{ operation, count: 20, effect: { kind: "drop", when: "before" } }] });
    await expect(world.turning(one.deliver(nudge), 250)).rejects.toThrow();
    world.cosmos.setFaults({ rules: [] });
    await one.deliver(nudge);
    await one.deliver(nudge);
    const ids = new Set(receiver.received.map(({ headers }) => headers["webhook-id"]));
    expect(ids.size).toBe(1);
    const bodies = new Set(receiver.received.map(({ body }) => JSON.parse(body).data.id));
    expect([...bodies]).toEqual([jobId]);
    expect((await listed())[0]).toMatchObject({ status: "delivered", about: jobId });
  }
});

it("an endpoint that hangs slows neither another of its tenant nor one of another's", async () => {
  await created("/hangs");
  await created("/quick");
  const first = tenantId;
  receiver.answer("/hangs", () => undefined);
  tenantId = `tenant-${++tenants}`;
  await created("/others");
  const others = tenantId;
  const nudges: DeliveryNudge[] = [];
  for (let n = 0; n < 40; n++) {
    tenantId = n % 2 === 0 ? first : others;
    await ended();
    nudges.push(...world.deliveries.take(world.clock.now()));
  }
  const work = Promise.all(nudges.map((nudge) => one.deliver(nudge)));
  await expect.poll(() => receiver.at("/quick").length).toBe(20);
  await expect.poll(() => receiver.at("/others").length).toBe(20);
  // Those of the other tenant are done; its own slots are all that the endpoint which hangs holds.
  expect(receiver.at("/hangs").length).toBeLessThanOrEqual(16);
  await world.turning(work, 1_000);
  tenantId = first;
  const hanging = (await listed()).filter(({ status }) => status === "pending");
  expect(hanging).toHaveLength(20);
  expect(hanging.some(({ put_off, tries }) => put_off > 0 && tries === 0)).toBe(true);
  receiver.answer("/hangs", undefined);
});

it("a message that Service Bus gave up is sent again by its dead letter, whenever it was due", async () => {
  await created("/redriven");
  receiver.answer("/redriven", 503);
  await ended();
  await deliver();
  receiver.answer("/redriven", undefined);
  const [lost] = world.deliveries.sent.splice(0);
  if (lost === undefined) throw new Error("no message");
  world.clock.advance(60_000);
  const { redrive: deps, deadLetters } = one.service;
  const said = { message_id: "m", reason: "MaxDeliveryCountExceeded", description: "", at_ms: 1 };
  const letter = { id: deadLetterId(tenantId, 1), queue: "deliveries", nudge: lost.nudge, ...said } as const;
  await settleDeadLetter({ ...one.service, repeats: new Repeats(), log: silent }, letter);
  expect(await deadLetters.read(letter.id)).toEqual(letter);
  expect((await deadLetters.list({ tenantId, limit: 9 })).letters).toEqual([letter]);
  expect(world.deliveries.sent).toEqual([]);
  // A second time it finds nothing to do, and is the first's.
  for (const actor of ["ops/key:1", "ops/key:2"]) {
    expect(await redrive({ ...deps, log: silent }, letter.id, actor)).toMatchObject({
      ...{ tenantId, redriven: { outcome: "nudged", actor: "ops/key:1" }, nudged: true },
    });
    await deliver();
    expect(await listed()).toMatchObject([{ status: "delivered", tries: 2 }]);
    expect(receiver.at("/redriven")).toHaveLength(2);
  }
  world.deliveries.failing = true;
  expect((await redrive({ ...deps, log: silent }, letter.id, "ops/key:1")).nudged).toBe(false);
});
