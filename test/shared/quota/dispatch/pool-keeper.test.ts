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
import type { Limited } from "../../../../shared/quota/instance/instance-quota.ts";
import type { DispatcherLedger, PoolRecord, PoolWrite, ReplacedAll } from "../../../../shared/quota/ports.ts";
import type { WriteResult } from "../../../../shared/store.ts";
import { TestClock } from "../../world.ts";

const deployment: Limited = { name: "one", pool: "one", limits: { requests_per_minute: 600 } };

/** Items by pool; before a write is looked at, an instance may have written its own. */
class Ledger implements DispatcherLedger {
  readonly items = new Map<string, { value: PoolRecord; etag: string }>();
  /** What instances do to the pools that are written, each just before the keeper's next write. */
  readonly instances: ((pool: Pool) => Pool)[] = [];
  /** Pools of each operation that was asked for. */
  readonly operations: string[][] = [];
  #etags = 0;

  read(pool: string) {
    return Promise.resolve(this.items.get(pool));
  }

  async write(pool: string, record: PoolRecord, etag: string | undefined): Promise<WriteResult> {
    const written = await this.writeAll([{ pool, record, etag }]);
    return written.kind === "written"
      ? { kind: "written", etag: written.etags[0] ?? "" }
      : { kind: "superseded" };
  }

  writeAll(writes: readonly PoolWrite[]): Promise<ReplacedAll> {
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
  return { ...pool, requests: pool.requests === null ? null : { ...pool.requests, seen } };
};

function wait(name: string): void {
  scheduler.queue.add({
    ...{ tenant_id: "a", job_id: `job-${name}`, priority: "standard", tokens: 10, deployments: [name] },
    ...{ since_ms: clock.now(), deadline_ms: clock.now() + 86_400_000 },
  });
}

async function keep(names: readonly string[]): Promise<void> {
  scheduler = new Scheduler(() => 1);
  scheduler.serve(names.map((name) => ({ name, pool: name, concurrency: undefined })));
  keeper = new PoolKeeper({ ledger, clock }, scheduler);
  await keeper.read(names.map((name) => ({ ...deployment, name, pool: name })));
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

it("believes an instance that has learnt how the pool is limited, and counts its own calls on top", async () => {
  const pool = scheduler.pools.get("one");
  if (pool === undefined) throw new Error("the pool is gone");
  scheduler.pools.set("one", takeFrom(pool, 2, 0));
  ledger.instances.push(({ requests: belief, ...rest }) => ({
    ...rest,
    requests:
      belief === null
        ? null
        : { ...belief, shape: "window", capacity: 200, level: 150, spent: belief.spent + 50 },
  }));
  await keeper.write(true);
  expect(requests()).toMatchObject({ shape: "window", level: 148, spent: 52 });
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
