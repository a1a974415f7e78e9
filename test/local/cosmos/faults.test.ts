import type { Container } from "@azure/cosmos";
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { type CosmosFaultRule, NO_FAULTS, parseFaultPlan } from "../../../local/cosmos/fault-plan.ts";
import { openWorld, sessionClientOf, statusOf, type World } from "./world.ts";

let world: World;
let items: Container;
const plan = (...rules: CosmosFaultRule[]) => ({ seed: 1, rules });
const item = (id: string, n = 0) => ({ id, t: "a", j: "1", n });
const key = ["a", "1"];
const read = async (from: Container, id: string) => (await from.item(id, key).read()).resource?.n;
const all = async (from: Container, partitionKey?: string[]) =>
  (
    await from.items
      .query("SELECT VALUE c.id || ToString(c.n) FROM c", partitionKey === undefined ? {} : { partitionKey })
      .fetchAll()
  ).resources.sort();

beforeAll(async () => {
  world = await openWorld();
  return () => world.close();
});
beforeEach(async () => {
  items = await world.container();
});
afterEach(() => world.cosmos.setFaults(NO_FAULTS));

describe("a fault plan", () => {
  it("refuses what it is told to, so often, after so many, and in one container only", async () => {
    const other = await world.container();
    world.cosmos.setFaults(
      plan({
        operation: "create",
        container: items.id,
        skip: 1,
        count: 2,
        effect: { kind: "refuse", status: 503 },
      }),
    );
    const statuses = [];
    for (const id of ["x", "y", "z", "w"]) statuses.push(await statusOf(items.items.create(item(id))));
    expect(statuses).toEqual([201, 503, 503, 201]);
    expect(await statusOf(other.items.create(item("x")))).toBe(201);
    expect(await all(items)).toEqual(["w0", "x0"]);
  });

  it.each([408, 409, 410, 412, 429, 449, 503])("answers %i with its sub-status", async (status) => {
    world.cosmos.setFaults(
      plan({
        operation: "read",
        effect: { kind: "refuse", status, substatus: 1002, retry_after_ms: 7 },
      }),
    );
    const answer = await items
      .item("x", key)
      .read()
      .catch((thrown) => thrown);
    expect(answer).toMatchObject({ code: status, substatus: 1002 });
    if (status === 429) expect(answer.retryAfterInMs).toBe(7);
  });

  it("breaks the connection before a write is applied, or after", async () => {
    for (const [when, status] of [
      ["before", 201],
      ["after", 409],
    ] as const) {
      const id = `drop-${when}`;
      world.cosmos.setFaults(plan({ operation: "create", count: 1, effect: { kind: "drop", when } }));
      await expect(items.items.create(item(id))).rejects.toMatchObject({ code: "ECONNRESET" });
      expect(await statusOf(items.items.create(item(id)))).toBe(status);
    }
  });

  it("applies a write late, or answers it late", async () => {
    const creates = world.cosmos.counters().create;
    for (const when of ["before", "after"] as const) {
      const id = `late-${when}`;
      world.cosmos.setFaults(plan({ operation: "create", effect: { kind: "delay", ms: 5_000, when } }));
      const before = world.cosmos.counters().faults;
      const written = items.items.create(item(id));
      await until(() => world.cosmos.counters().faults !== before);
      if (when === "after") await until(() => world.cosmos.counters().create !== creates);
      world.cosmos.setFaults(NO_FAULTS);
      expect(await read(items, id)).toBe(when === "before" ? undefined : 0);
      world.clock.advance(5_000);
      expect((await written).statusCode).toBe(201);
    }
  });

  it("holds a write back, or its answer, until another plan is set", async () => {
    const created = world.cosmos.counters().create ?? 0;
    const { faults = 0 } = world.cosmos.counters();
    const effect = { kind: "hold" } as const;
    const rules = [
      { operation: "create", count: 1, effect: { ...effect, when: "after" } },
      { operation: "create", effect },
    ] as const;
    world.cosmos.setFaults(plan(...rules));
    const answeredLate = items.items.create(item("answered-late"));
    await until(() => world.cosmos.counters().create === created + 1);
    const heldBack = items.items.create(item("held-back"));
    await until(() => world.cosmos.counters().faults === faults + 2);
    world.clock.advance(600_000);
    expect(await all(items)).toEqual(["answered-late0"]);
    world.cosmos.setFaults(NO_FAULTS);
    expect((await Promise.all([answeredLate, heldBack])).map(({ statusCode }) => statusCode)).toEqual([
      201, 201,
    ]);
    expect(await all(items)).toEqual(["answered-late0", "held-back0"]);
  });

  it("deals the same faults for the same seed", async () => {
    const dealt = async (seed: number) => {
      const rule = {
        operation: "upsert",
        probability: 0.5,
        effect: { kind: "refuse", status: 503 },
      } as const;
      world.cosmos.setFaults({ seed, rules: [rule] });
      const statuses = [];
      for (let n = 0; n < 20; n++) statuses.push(await statusOf(items.items.upsert(item("x"))));
      return statuses.map((status) => (status === 503 ? "!" : ".")).join("");
    };
    const first = await dealt(7);
    expect(first).toMatch(/!/);
    expect(first).toMatch(/\./);
    expect(await dealt(7)).toBe(first);
    expect(await dealt(8)).not.toBe(first);
  });

  it("is refused with every fault of it named", () => {
    const bad = {
      seed: 0.5,
      extra: 1,
      rules: [
        { operation: "send", effect: { kind: "refuse", status: 200 } },
        { operation: "create", probability: 2, skip: -1, count: 1.5, effect: { kind: "stale" }, times: 1 },
        { operation: "read", container: 7, effect: { kind: "delay", ms: -1, when: "now" } },
        { operation: "any", effect: { kind: "explode" } },
      ],
    };
    expect(() => parseFaultPlan(bad)).toThrow(RangeError);
    for (const fault of [
      '"extra" is not known',
      "seed must be",
      'rules[0].operation "send"',
      "rules[0].effect.status",
      "rules[1].probability",
      "rules[1].skip",
      "rules[1].count",
      'rules[1]: "times" is not known',
      'rules[1].effect "stale" is for',
      "rules[2].container",
      "rules[2].effect.ms",
      "rules[2].effect.when",
      'rules[3].effect.kind "explode"',
    ])
      expect(() => parseFaultPlan(bad)).toThrow(fault);
  });
});

describe("stale reads", () => {
  const stale = (bounds: { writes?: number; ms?: number } = {}) =>
    world.cosmos.setFaults(plan({ operation: "any", effect: { kind: "stale", ...bounds } }));

  it("answer what was there so many writes ago: changed, created and deleted items alike", async () => {
    await items.items.create(item("x", 1));
    await items.items.create(item("gone", 1));
    stale({ writes: 3 });
    await items.items.upsert(item("x", 2));
    await items.items.create(item("new", 1));
    await items.item("gone", key).delete();
    expect(await all(items)).toEqual(["gone1", "x1"]);
    expect(await all(items, ["a"])).toEqual(["gone1", "x1"]);
    expect(await all(items, ["b"])).toEqual([]);
    expect([await read(items, "x"), await read(items, "new"), await read(items, "gone")]).toEqual([
      1,
      undefined,
      1,
    ]);
    await items.items.upsert(item("x", 3));
    expect(await all(items)).toEqual(["gone1", "x2"]);
  });

  it("go back no further than so many ms, nor than to the plan", async () => {
    await items.items.create(item("x", 1));
    stale({ ms: 1_000 });
    await items.items.upsert(item("x", 2));
    expect(await read(items, "x")).toBe(1);
    world.clock.advance(999);
    await items.items.upsert(item("x", 3));
    expect(await read(items, "x")).toBe(1);
    world.clock.advance(1);
    expect(await read(items, "x")).toBe(2);
    world.clock.advance(10_000);
    expect(await read(items, "x")).toBe(3);
  });

  it("see a batch whole or not at all", async () => {
    stale({ writes: 1 });
    const create = (id: string) => ({ operationType: "Create", resourceBody: item(id) }) as never;
    await items.items.batch([create("x"), create("y")], key);
    expect(await all(items)).toEqual([]);
    await items.items.batch([create("z"), create("y")], key); // rolled back: nothing to be behind of
    expect(await all(items)).toEqual([]);
    await items.items.batch([create("z"), create("w")], key);
    expect(await all(items)).toEqual(["x0", "y0"]);
  });

  it("are never older than what the session has written or read", async () => {
    const client = sessionClientOf(world.cosmos.port);
    onTestFinished(() => client.dispose());
    const session = client.database("test").container(items.id);
    stale();
    await session.items.create(item("x", 1));
    await items.items.upsert(item("x", 2)); // another session
    expect(await read(session, "x")).toBe(1);
    expect(await all(session)).toEqual(["x1"]);
    expect(await read(items, "x")).toBeUndefined();
    await session.items.create(item("y", 1));
    expect(await read(session, "x")).toBe(2);
    await session.item("y", key).delete();
    expect(await all(session)).toEqual(["x2"]);
  });

  it("leave writes and their conditions as they are", async () => {
    const { etag } = await items.items.create(item("x", 1));
    stale();
    const ifMatch = { accessCondition: { type: "IfMatch", condition: etag } };
    expect(await statusOf(items.item("x", key).replace(item("x", 2), ifMatch))).toBe(200);
    expect((await items.item("x", key).read()).etag).toBe(etag);
    expect(await statusOf(items.item("x", key).replace(item("x", 3), ifMatch))).toBe(412);
  });

  it("hold back the change feed too", async () => {
    await items.items.create(item("x", 1));
    stale();
    await items.items.upsert(item("x", 2));
    await items.items.create(item("y", 1));
    const page = await items.items.changeFeed(key, { startFromBeginning: true }).fetchNext();
    expect(page.result.map((each: { id: string; n: number }) => each.id + each.n)).toEqual(["x1"]);
    world.cosmos.setFaults(NO_FAULTS);
    const next = await items.items.changeFeed(key, { continuation: page.continuation }).fetchNext();
    expect(next.result.map((each: { id: string; n: number }) => each.id + each.n)).toEqual(["x2", "y1"]);
  });
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
