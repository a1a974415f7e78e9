import { beforeEach, expect, it } from "vitest";
import type { Limited } from "../../../shared/quota/instance-quota.ts";
import { giveBackTo, newPool, type Pool, poolAt, takeFrom } from "../../../shared/quota/pool.ts";
import { PoolKeeper } from "../../../shared/quota/pool-keeper.ts";
import type { PoolRecord, QuotaLedger, Replaced } from "../../../shared/quota/ports.ts";
import { Scheduler } from "../../../shared/quota/scheduler.ts";
import { TestClock } from "../world.ts";

const deployment: Limited = { name: "one", pool: "one", limits: { requests_per_minute: 600 } };

/** One item; before a write is looked at, an instance may have written its own. */
class Ledger implements QuotaLedger {
  item: { value: PoolRecord; etag: string } | undefined;
  /** What instances do to the pool, each just before the keeper's next write. */
  readonly instances: ((pool: Pool) => Pool)[] = [];
  #writes = 0;

  read() {
    return Promise.resolve(this.item);
  }

  write(_pool: string, value: PoolRecord, etag: string | undefined): Promise<Replaced> {
    const instance = this.instances.shift();
    if (instance !== undefined && this.item !== undefined) {
      const { value: before } = this.item;
      this.item = { value: { ...before, pool: instance(before.pool) }, etag: String(++this.#writes) };
    }
    if (this.item?.etag !== etag) return Promise.resolve({ kind: "superseded" });
    this.item = { value, etag: String(++this.#writes) };
    return Promise.resolve({ kind: "written", etag: this.item.etag });
  }
}

let clock: TestClock;
let ledger: Ledger;
let scheduler: Scheduler;
let keeper: PoolKeeper;

beforeEach(async () => {
  clock = new TestClock();
  ledger = new Ledger();
  ledger.item = {
    value: { pool: newPool(deployment.limits, clock.now()), breakers: {}, backlog_until_ms: 0 },
    etag: "0",
  };
  scheduler = new Scheduler(() => 1);
  scheduler.serve([{ name: "one", pool: "one", concurrency: undefined }]);
  keeper = new PoolKeeper({ ledger, clock }, scheduler);
  await keeper.read([deployment]);
  scheduler.queue.add({
    ...{ tenant_id: "a", job_id: "job-1", priority: "standard", tokens: 10, deployments: ["one"] },
    ...{ since_ms: clock.now(), deadline_ms: clock.now() + 86_400_000 },
  });
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
  expect(ledger.item?.value.backlog_until_ms).toBeGreaterThan(clock.now());
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
