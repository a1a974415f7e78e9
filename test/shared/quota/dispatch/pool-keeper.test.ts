import { beforeEach, describe, expect, it } from "vitest";
import {
  giveBackTo,
  newPool,
  type Pool,
  poolAt,
  poolHasRoom,
  takeFrom,
} from "../../../../shared/quota/belief/pool.ts";
import { PoolKeeper } from "../../../../shared/quota/dispatch/pool-keeper.ts";
import { Scheduler } from "../../../../shared/quota/dispatch/scheduler.ts";
import type { Limited } from "../../../../shared/quota/limited.ts";
import type { PoolRecord } from "../../../../shared/quota/pool-record.ts";
import type { PoolsWritten, PoolWrite, QuotaLedger } from "../../../../shared/quota/ports.ts";
import { TestClock } from "../../world.ts";

const deployment: Limited = { name: "one", pool: "one", limits: { requests_per_minute: 600 } };

/** Items by pool; before a write is looked at, an instance may have written its own. */
class Ledger implements QuotaLedger {
  readonly items = new Map<string, { value: PoolRecord; etag: string }>();
  /** What instances do to the pools that are written, each just before the keeper's next write. */
  readonly instances: ((pool: Pool) => Pool)[] = [];
  /** Pools of each operation that was asked for. */
  readonly operations: string[][] = [];
  #etags = 0;

  read(pool: string) {
    return Promise.resolve(this.items.get(pool));
  }

  write(writes: readonly PoolWrite[]): Promise<PoolsWritten> {
    this.operations.push(writes.map(({ pool }) => pool));
    for (const { pool } of writes) {
      const before = this.items.get(pool)?.value;
      const instance = before === undefined ? undefined : this.instances.shift();
      if (before !== undefined && instance !== undefined)
        this.#put(pool, { ...before, pool: instance(before.pool) });
    }
    const at = writes.findIndex(({ pool, etag }) => this.items.get(pool)?.etag !== etag);
    if (at >= 0) return Promise.resolve({ kind: "superseded", at });
    return Promise.resolve({
      kind: "written",
      etags: writes.map(({ pool, record }) => this.#put(pool, record)),
    });
  }

  #put(pool: string, value: PoolRecord): string {
    const etag = String(++this.#etags);
    this.items.set(pool, { value, etag });
    return etag;
  }
}

let clock: TestClock;
let ledger: Ledger;
let scheduler: Scheduler;
let keeper: PoolKeeper;

/** What an answer has told of already. */
const used = (): Pool => {
  const pool = newPool(deployment.limits, clock.now());
  const seen = { at_ms: clock.now(), spent: 0, left: 10 };
  return { ...pool, requests: pool.requests?.shape === "unknown" ? { ...pool.requests, seen } : null };
};

function wait(name: string): void {
  scheduler.queue.add({
    ...{ tenant_id: "a", job_id: `job-${name}`, priority: "standard", tokens: 10, deployments: [name] },
    ...{ since_ms: clock.now(), deadline_ms: clock.now() + 86_400_000 },
  });
}

async function keep(names: readonly string[], limits = deployment.limits): Promise<void> {
  scheduler = new Scheduler(() => 1);
  scheduler.serve(names.map((name) => ({ name, pool: name, limits: {} })));
  keeper = new PoolKeeper({ ledger, clock }, scheduler);
  await keeper.read(names.map((name) => ({ name, pool: name, limits })));
}

beforeEach(async () => {
  clock = new TestClock();
  ledger = new Ledger();
  ledger.items.set("one", { value: { pool: used(), breakers: {}, backlog_until_ms: 0 }, etag: "0" });
  await keep(["one"]);
  wait("one");
});

const requests = () => {
  const belief = scheduler.pools.get("one")?.requests;
  if (belief == null) throw new Error("the pool is gone");
  return belief;
};

it("says that jobs wait though instances write the pool all the time, and takes their slices off", async () => {
  const before = requests();
  for (let n = 0; n < 3; n++) ledger.instances.push((pool) => takeFrom(pool, 1, 0));
  await keeper.write(true);
  expect(ledger.items.get("one")?.value.backlog_until_ms).toBeGreaterThan(clock.now());
  expect(requests().spent).toBe(before.spent + 3);
  expect(requests().level).toBe(before.level - 3);
});

it("has back what an instance did not use", async () => {
  ledger.instances.push((pool) => takeFrom(pool, 3, 0));
  await keeper.write(true);
  const taken = requests();
  clock.advance(3_000);
  ledger.instances.push((pool) => giveBackTo(poolAt(pool, clock.now()), 2, 0));
  await keeper.write(true);
  expect(requests().spent).toBe(taken.spent - 2);
});

it("tells what was learnt to whoever dispatches next, though it was told of the line a moment ago", async () => {
  wait("one");
  scheduler.queue.add({
    ...{ tenant_id: "a", job_id: "next", priority: "standard", tokens: 10, deployments: ["one"] },
    ...{ since_ms: clock.now(), deadline_ms: clock.now() + 86_400_000 },
  });
  await keeper.write(true);
  const release = scheduler.decide(clock.now(), 1).releases[0];
  expect(release).toBeDefined();
  await keeper.write(true);
  expect(ledger.operations).toHaveLength(1);
  await keeper.write(true, true);
  expect(ledger.operations).toHaveLength(2);
  expect(ledger.items.get("one")?.value.pool.requests?.spent).toBe(1);
});

it("knows what instances may still begin of a deployment once they have heard of the line", async () => {
  const limits = { concurrency: 4 };
  const slots = { one: { other: { calls: 2, until_ms: clock.now() + 3_000 } } };
  const record = { pool: newPool({}, clock.now()), breakers: {}, backlog_until_ms: 0, slots };
  ledger.items.set("one", { value: record, etag: "0" });
  await keep(["one"], limits);
  wait("one");
  expect(keeper.slotsOf({ name: "one", pool: "one", limits })).toBeUndefined();
  await keeper.write(true);
  expect(keeper.slotsOf({ name: "one", pool: "one", limits })).toBe(2);
  clock.advance(3_000);
  expect(keeper.slotsOf({ name: "one", pool: "one", limits })).toBe(0);
});

describe("of many pools", () => {
  const backlogOf = (name: string) => ledger.items.get(name)?.value.backlog_until_ms ?? 0;

  it("writes those that jobs wait for by one operation, and the others not at all", async () => {
    await keep(["one", "two", "three"]);
    for (const name of ["one", "two"]) wait(name);
    await keeper.write(true);
    expect(ledger.operations).toEqual([["one", "two"]]);
    expect(backlogOf("two")).toBeGreaterThan(clock.now());
    await keeper.write(true);
    expect(ledger.operations).toHaveLength(1);
    clock.advance(2_600);
    await keeper.write(true);
    clock.advance(200);
    await keeper.write(false);
    expect(ledger.operations.slice(1)).toEqual([
      ["one", "two"],
      ["one", "two"],
    ]);
    expect([backlogOf("one"), backlogOf("two")]).toEqual([0, 0]);
  });

  it("writes no more of them at once than a batch holds", async () => {
    const names = Array.from({ length: 130 }, (_, n) => `pool-${n}`);
    await keep(names);
    names.forEach(wait);
    await keeper.write(true);
    expect(ledger.operations.map(({ length }) => length)).toEqual([100, 30]);
  });

  it("writes them all, though instances write one of them all the time", async () => {
    await keep(["one", "two", "three"]);
    for (const name of ["one", "two", "three"]) wait(name);
    const before = requests();
    for (let n = 0; n < 4; n++) ledger.instances.push((pool) => takeFrom(pool, 1, 0));
    await keeper.write(true);
    expect(Math.min(...["one", "two", "three"].map(backlogOf))).toBeGreaterThan(clock.now());
    expect(requests().level).toBe(before.level - 4);
    expect(ledger.operations.map((pools) => pools.join())).toEqual([
      ...["one,two,three", "one,two", "three", "one", "two", "one", "one"],
    ]);
  });
});

it("expects nothing to be there of a pool that no answer has told of", async () => {
  ledger.items.clear();
  await keep(["one"]);
  const room = () => {
    const pool = scheduler.pools.get("one");
    return pool !== undefined && poolHasRoom(poolAt(pool, clock.now()), 1, clock.now());
  };
  expect(room()).toBe(false);
  // Ten flow in a second.
  clock.advance(300);
  expect(room()).toBe(true);
});
