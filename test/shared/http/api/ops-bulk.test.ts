import { afterAll, expect, it } from "vitest";
import { StoreUnavailable } from "../../../../shared/store.ts";
import { World } from "../../world.ts";
import { Operated, TENANTS_FILE, tenantsFrom } from "./operated.ts";

const world = await World.open({ startMs: 1_800_000_000_000 });
afterAll(() => world.close());
world.tenants = tenantsFrom(TENANTS_FILE);
const one = new Operated(world, "one");

/** Delivers what is due, and what that sends, until nothing is left. */
async function deliverAll(to: Operated): Promise<void> {
  for (;;) {
    const due = world.deliveries.take(world.clock.now());
    if (due.length === 0) return;
    for (const nudge of due) await to.instance.deliver(nudge);
  }
}
const follow = (door: Operated, id: string) => door.ops(200, "GET", `operations/${id}`);
const many = (count: number, change: Parameters<World["accepted"]>[0] = {}) =>
  Promise.all(Array.from({ length: count }, () => world.accepted(change)));

it("cancels all live jobs that match, on any instance, with who did in each trail", async () => {
  const [mine, others] = [await many(120), await many(2, { tenantId: "team-b" })];
  const other = await world.accepted({ model: "xai-two-model" });
  world.clock.advance(1);
  const body = { filter: { tenant: "team-a", model: "openai-one-model" }, reason: "runaway" };
  const started = await one.ops(202, "POST", "jobs/cancel", body);
  expect(started).toMatchObject({
    status: "in_progress",
    counts: {},
    filter: body.filter,
    kind: "cancel_jobs",
  });
  world.clock.advance(1);
  const later = await world.accepted();
  await deliverAll(new Operated(world, "two"));
  expect(await follow(one, started.id)).toMatchObject({ status: "ended", counts: { cancelled: 120 } });
  const { job, trail } = await world.seen(mine[0] as (typeof mine)[0]);
  expect([job.status, trail.at(-1)?.reason]).toEqual(["cancelled", "cancelled_by_operator"]);
  expect(trail.at(-1)?.actor).toMatch(/^ops\/key:/);
  const left = await Promise.all([...others, other, later].map((key) => world.job(key)));
  expect(left.map(({ status }) => status)).toEqual(Array(4).fill("queued"));
  const [record] = (await one.ops(200, "GET", "audit?limit=1")).data;
  expect(record).toMatchObject({ event: "bulk_started", reason: "runaway", details: { id: started.id } });
});

it("is gone on with by the sweeper where the instance that had it is killed, or its message was lost", async () => {
  const keys = await many(60);
  world.clock.advance(1);
  let writes = 0;
  const store = new Proxy(world.ports.store, {
    get: (target, name) => {
      const own: unknown = Reflect.get(target, name);
      if (typeof own !== "function") return own;
      return (...of: unknown[]) =>
        name === "write" && ++writes > 30
          ? Promise.reject(new StoreUnavailable("killed"))
          : own.apply(target, of);
    },
  });
  const killed = new Operated(world, "killed", { store });
  const { id } = await one.ops(202, "POST", "jobs/cancel", { filter: { model: "openai-one-model" } });
  const [nudge] = world.deliveries.take(world.clock.now());
  if (nudge === undefined) throw new Error("nothing was sent");
  await expect(killed.instance.deliver(nudge)).rejects.toThrow(StoreUnavailable);
  expect(await follow(one, id)).toMatchObject({ status: "in_progress" });
  world.clock.advance(61_000);
  const three = new Operated(world, "three");
  await three.instance.sweep();
  await deliverAll(three);
  expect(await follow(one, id)).toMatchObject({ status: "ended" });
  const jobs = await Promise.all(keys.map((key) => world.job(key)));
  expect(new Set(jobs.map(({ status }) => status))).toEqual(new Set(["cancelled"]));
});

it("asked for twice by one key begins once; one that does not exist is not found", async () => {
  const ask = () =>
    one.call("POST", "/api/ops/jobs/cancel", { body: { filter: {} }, headers: { "idempotency-key": "k" } });
  const [first, second] = [await ask(), await ask()];
  expect(second.json.id).toBe(first.json.id);
  expect(first.headers.get("location")).toBe(`/api/ops/operations/${first.json.id}`);
  await deliverAll(one);
  expect((await one.ops(404, "GET", `operations/op_${"0".repeat(32)}`)).code).toBe("operation_not_found");
  expect((await one.ops(400, "POST", "jobs/cancel", {})).faults).toHaveLength(1);
  expect(
    (await one.call("POST", "/api/ops/jobs/cancel", { key: "team-a", body: { filter: {} } })).status,
  ).toBe(403);
});

it("redrives all dead letters that match, more than a page of them, and says what was refused", async () => {
  const live = await many(60);
  const [ended] = await many(1);
  if (ended === undefined) throw new Error("no job");
  await one.ops(200, "POST", `jobs/${ended.job_id}/cancel`);
  for (const [n, { tenant_id, job_id }] of [...live, ended].entries())
    await world.ports.deadLetters.keep({
      ...{ id: `dl_${String(n).padStart(32, "0")}`, at_ms: world.clock.now() - 1_000, reason: "Tried" },
      ...{ description: "d", message_id: `m${n}`, nudge: { v: 1, tenant_id, job_id } },
    });
  world.nudges.sent.length = 0;
  const { id } = await one.ops(202, "POST", "dead-letters/redrive-all", { filter: { reason: "Tried" } });
  await deliverAll(one);
  expect(await follow(one, id)).toMatchObject({
    ...{ status: "ended", kind: "redrive_dead_letters" },
    counts: { nudged: 60, refused_job_ended: 1 },
  });
  expect(world.nudges.sent).toHaveLength(60);
});

it("is stopped in the middle by another instance: what was done stays, and nothing more is", async () => {
  const keys = await many(120);
  world.clock.advance(1);
  const { id } = await one.ops(202, "POST", "jobs/cancel", { filter: { model: "openai-one-model" } });
  let stopped: unknown;
  const operations = new Proxy(world.ports.operations, {
    get: (target, name) => {
      const own: unknown = Reflect.get(target, name);
      if (typeof own !== "function") return own;
      return async (...of: unknown[]) => {
        // The turn's first page is done; before it can be told, somebody stops the operation.
        if (name === "write") stopped = await one.ops(200, "POST", `operations/${id}/cancel`);
        return own.apply(target, of);
      };
    },
  });
  await deliverAll(new Operated(world, "two", { operations }));
  expect(stopped).toMatchObject({ status: "ended", stopped_by: expect.stringMatching(/^ops\/key:/) });
  const jobs = await Promise.all(keys.map((key) => world.job(key)));
  expect(jobs.filter(({ status }) => status === "cancelled")).toHaveLength(50);
  world.clock.advance(61_000);
  const three = new Operated(world, "three");
  await three.instance.sweep();
  await deliverAll(three);
  const left = await Promise.all(keys.map((key) => world.job(key)));
  expect(left.filter(({ status }) => status === "cancelled")).toHaveLength(50);
  // Again is as once, and the newest is listed first.
  expect(await one.ops(200, "POST", `operations/${id}/cancel`)).toEqual(stopped);
  const { data } = await one.ops(200, "GET", "operations?limit=2");
  expect(data.map((each: { id: string }) => each.id)).toHaveLength(2);
  expect(data[0]).toEqual(stopped);
  const [record] = (await one.ops(200, "GET", "audit?limit=1")).data;
  expect(record).toMatchObject({ event: "bulk_stopped", details: { id, kind: "cancel_jobs" } });
  await one.ops(404, "POST", `operations/op_${"0".repeat(32)}/cancel`);
});
