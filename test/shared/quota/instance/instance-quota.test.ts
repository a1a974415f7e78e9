import { beforeEach, expect, it } from "vitest";
import type { CallNews } from "../../../../shared/quota/dispatch/scheduler.ts";
import { InstanceQuota, type Limited } from "../../../../shared/quota/instance/instance-quota.ts";
import type { PoolRecord, QuotaLedger } from "../../../../shared/quota/ports.ts";
import type { WriteResult } from "../../../../shared/store.ts";
import { silent, TestClock } from "../../world.ts";

/** One item for each pool, replaced by etag, and how often it was asked. */
class Ledger implements QuotaLedger {
  readonly items = new Map<string, { value: PoolRecord; etag: string }>();
  operations = 0;

  read(pool: string) {
    this.operations++;
    return Promise.resolve(this.items.get(pool));
  }

  write(pool: string, value: PoolRecord, etag: string | undefined): Promise<WriteResult> {
    this.operations++;
    if (this.items.get(pool)?.etag !== etag) return Promise.resolve({ kind: "superseded" });
    const next = String(this.operations);
    this.items.set(pool, { value, etag: next });
    return Promise.resolve({ kind: "written", etag: next });
  }
}

const large: Limited = {
  name: "large",
  pool: "large",
  limits: { requests_per_minute: 60_000, tokens_per_minute: 120_000_000, window_seconds: 10 },
};
const small: Limited = { name: "small", pool: "small", limits: { requests_per_minute: 600 } };
let clock: TestClock;
let ledger: Ledger;
const instance = () => new InstanceQuota({ ledger, clock, log: silent });

beforeEach(() => {
  clock = new TestClock();
  ledger = new Ledger();
});

/** Takes leave for one call, as a worker does. */
async function admit(quota: InstanceQuota, deployment: Limited): Promise<boolean> {
  if (quota.waitCause(deployment, 100) !== undefined && !(await quota.prepare([deployment], 100)))
    return false;
  if (quota.waitCause(deployment, 100) !== undefined) return false;
  quota.take(deployment, 100);
  return true;
}

it("lets all of a burst go where there is quota for it, for a few operations in all", async () => {
  const quota = instance();
  const admitted = await Promise.all(Array.from({ length: 64 }, () => admit(quota, large)));
  expect(admitted.every(Boolean)).toBe(true);
  expect(ledger.operations).toBeLessThan(20);
});

it("never lets instances together use more than there is", async () => {
  const instances = [instance(), instance(), instance()];
  let admitted = 0;
  for (let n = 0; n < 300; n++) {
    const quota = instances[n % 3];
    if (quota !== undefined && (await admit(quota, small))) admitted++;
    clock.advance(10);
  }
  // Three seconds at ten a second, and what may go at once.
  expect(admitted).toBeLessThanOrEqual(30 + 5);
  expect(admitted).toBeGreaterThan(15);
});

it("leaves a pool that others wait for to the dispatcher", async () => {
  const quota = instance();
  expect(await admit(quota, small)).toBe(true);
  const item = ledger.items.get("small");
  if (item === undefined) throw new Error("nothing was written");
  ledger.items.set("small", { value: { ...item.value, backlog_until_ms: clock.now() + 5_000 }, etag: "d" });
  const other = instance();
  expect(await admit(other, small)).toBe(false);
  const { operations } = ledger;
  expect(await admit(other, small)).toBe(false);
  expect(ledger.operations).toBe(operations);
});

it("costs nothing where there is no limit, until there is a refusal", async () => {
  const quota = instance();
  const free: Limited = { name: "free", pool: "free", limits: {} };
  for (let n = 0; n < 100; n++) expect(await admit(quota, free)).toBe(true);
  expect(ledger.operations).toBe(0);
  const taken = quota.take(free, 100);
  const news: CallNews = {
    ...{ deployment: "free", job_id: "job-1", taken, outcome: "refused", latency_ms: 5 },
    ...{ sent_ms: clock.now(), headers: { requests: null, tokens: null }, retry_after_ms: 2_000 },
  };
  await quota.heard(free, news, false);
  expect(ledger.operations).toBeGreaterThan(0);
  expect(await admit(quota, free)).toBe(false);
});
