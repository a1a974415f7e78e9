import { beforeEach, describe, expect, it } from "vitest";
import { MemoryStore } from "../../../../bench/simulation/memory-store.ts";
import { Dispatcher } from "../../../../shared/quota/dispatch/dispatcher.ts";
import { InstanceQuota } from "../../../../shared/quota/instance/instance-quota.ts";
import { Reporter } from "../../../../shared/quota/instance/reporter.ts";
import type { Limited } from "../../../../shared/quota/limited.ts";
import type { QuotaLedger } from "../../../../shared/quota/ports.ts";
import { silent, TestClock } from "../../world.ts";

const DEPLOYMENTS: readonly Limited[] = [
  {
    ...{ name: "large", pool: "large" },
    limits: { requests_per_minute: 60_000, tokens_per_minute: 120_000_000, window_seconds: 10 },
  },
  { name: "small", pool: "small", limits: { requests_per_minute: 600 } },
  { name: "free", pool: "free", limits: {} },
  { name: "four", pool: "four", limits: { concurrency: 4 } },
];
let clock: TestClock;
let store: MemoryStore;
let dispatches: number;
let jobs = 0;
/** What else happens here while the ledger is written. */
let meanwhile: () => void;

/** An instance with a part of its own of what all share. */
function instance(name = "one"): InstanceQuota {
  const { leases, line, reports, instanceLedger } = store.of(async () => undefined);
  const ledger: QuotaLedger = {
    read: (pool) => instanceLedger.read(pool),
    write: async (writes) => {
      meanwhile();
      return instanceLedger.write(writes);
    },
  };
  const by = { clock, log: silent, instance: name, reports };
  const releases = {
    release: async () => undefined,
    giveUp: async () => undefined,
    dispatch: async () => void dispatches++,
  };
  const deployments = () => DEPLOYMENTS;
  const dispatcher = new Dispatcher({
    ...{ ...by, leases, ledger, line, releases, deployments, weightOf: () => 1 },
  });
  return new InstanceQuota({
    ...{ ...by, ledger, jobs: line, dispatcher, reporter: new Reporter(by) },
    deployment: (wanted) => DEPLOYMENTS.find((each) => each.name === wanted),
    weightOf: () => 1,
  });
}

beforeEach(() => {
  clock = new TestClock();
  store = new MemoryStore(() => clock.now());
  dispatches = 0;
  meanwhile = () => undefined;
});

/** Takes leave for one call, as a worker does; its job's id. */
async function admit(quota: InstanceQuota, deployment: string): Promise<string | undefined> {
  const waits = () => quota.waits(deployment, 100, "a") !== undefined;
  if (waits() && !(await quota.prepare([deployment], 100, "a"))) return undefined;
  if (waits()) return undefined;
  const jobId = `job-${++jobs}`;
  quota.take(deployment, 100, jobId, "a");
  return jobId;
}

const operations = () => store.asked.reads + store.asked.instances + store.asked.queries;

it("lets all of a burst go where there is quota for it, for a few operations in all", async () => {
  const quota = instance();
  const admitted = await Promise.all(Array.from({ length: 64 }, () => admit(quota, "large")));
  expect(admitted.every((id) => id !== undefined)).toBe(true);
  expect(operations()).toBeLessThan(20);
});

it("never lets instances together use more than there is", async () => {
  const instances = [instance("one"), instance("two"), instance("three")];
  let admitted = 0;
  for (let n = 0; n < 300; n++) {
    const quota = instances[n % 3];
    if (quota !== undefined && (await admit(quota, "small")) !== undefined) admitted++;
    clock.advance(10);
  }
  // Three seconds at ten a second, and what may go at once.
  expect(admitted).toBeLessThanOrEqual(30 + 5);
  expect(admitted).toBeGreaterThan(15);
});

it("leaves a pool that others wait for to the dispatcher, and says so", async () => {
  expect(await admit(instance("one"), "small")).toBeDefined();
  const { dispatcherLedger } = store.of(async () => undefined);
  const stored = await dispatcherLedger.read("small");
  if (stored === undefined) throw new Error("nothing was written");
  const record = { ...stored.value, backlog_until_ms: clock.now() + 5_000 };
  await dispatcherLedger.write([{ pool: "small", record, etag: stored.etag }]);
  const other = instance("two");
  expect(await admit(other, "small")).toBeUndefined();
  expect(other.waits("small", 100, "a")?.cause).toBe("line");
  const before = operations();
  expect(await admit(other, "small")).toBeUndefined();
  expect(operations()).toBe(before);
});

const refused = (quota: InstanceQuota, deployment: string, retryAfterMs: number) => {
  const jobId = `job-${++jobs}`;
  return quota.heard({
    ...{ deployment, jobId, tenantId: "a", taken: quota.take(deployment, 100, jobId, "a"), granted: false },
    ...{ sentMs: clock.now(), latencyMs: 5 },
    outcome: { kind: "rate_limited", cause: "rate", statusCode: 429, message: "too many", retryAfterMs },
  });
};

it("costs nothing where there is no limit, until there is a refusal, which it remembers and tells", async () => {
  const quota = instance();
  for (let n = 0; n < 100; n++) expect(await admit(quota, "free")).toBeDefined();
  expect(operations()).toBe(0);
  await refused(quota, "free", 2_000);
  expect(store.asked.reports).toBe(1);
  expect(dispatches).toBe(1);
  expect(quota.waits("free", 100, "a")).toEqual({ cause: "rate_limited", untilMs: clock.now() + 2_000 });
  clock.advance(2_000);
  expect(quota.waits("free", 100, "a")?.cause).toBe("no_slice");
});

it("forgets what it was told while its clock was ahead, once that is put right", async () => {
  let aheadMs = 7_200_000;
  class SetClock extends TestClock {
    override now = () => super.now() + aheadMs;
    override monotonic = () => super.now();
  }
  clock = new SetClock();
  const quota = instance();
  for (let n = 0; n < 100; n++) await admit(quota, "small");
  await refused(quota, "free", 600_000);
  expect(quota.waits("free", 100, "a")?.cause).toBe("rate_limited");
  aheadMs = 0;
  clock.advance(2_000);
  expect(quota.waits("free", 100, "a")).toBeUndefined();
  expect(await admit(quota, "small")).toBeDefined();
});

it("learns nothing by itself: what is believed is the dispatcher's business", async () => {
  const quota = instance();
  await admit(quota, "small");
  const ledger = store.of(async () => undefined).dispatcherLedger;
  const believed = async () => {
    const belief = (await ledger.read("small"))?.value.pool.requests;
    return { ...belief, level: undefined, spent: undefined };
  };
  const before = await believed();
  await refused(quota, "small", 1_000);
  expect(await believed()).toEqual(before);
});

it("says why a call must wait", async () => {
  const quota = instance();
  expect(quota.waits("small", 100, "a")?.cause).toBe("no_slice");
  for (let n = 0; n < 20; n++) await admit(quota, "small");
  expect(quota.waits("small", 100, "a")?.cause).toBe("quota");
  for (let n = 0; n < 5; n++) {
    const jobId = `job-${++jobs}`;
    await quota.heard({
      ...{
        deployment: "free",
        jobId,
        tenantId: "a",
        taken: quota.take("free", 100, jobId, "a"),
        granted: true,
      },
      ...{ sentMs: clock.now(), latencyMs: 5 },
      outcome: {
        ...{ kind: "retry", reason: "http_503", statusCode: 503, message: "down", retryAfterMs: null },
        ...{ billed: "no", usage: null },
      },
    });
  }
  expect(quota.waits("free", 100, "a")?.cause).toBe("deployment_failing");
});

describe("of a deployment that bears four calls at a time", () => {
  const stored = (jobId: string) => store.running.set(jobId, { deployment: "four", tenant_id: "a" });

  it("lets no more begin on all instances together, from the moment they are taken", async () => {
    const instances = [instance("one"), instance("two")];
    /** Each tries once; those whose claim is stored count in the store from then on. */
    const all = async (isStored: (n: number) => boolean) => {
      const begun = [];
      for (const quota of instances) {
        const jobId = await admit(quota, "four");
        if (jobId === undefined) continue;
        begun.push(jobId);
        if (isStored(begun.length)) stored(jobId);
      }
      return begun;
    };
    const begun: string[] = [];
    for (let n = 0; n < 10; n++) begun.push(...(await all(() => n % 2 === 0)));
    expect(begun.length).toBeGreaterThan(1);
    expect(begun.length).toBeLessThanOrEqual(4);
    for (const jobId of begun) stored(jobId);
    // However long they run.
    for (let n = 0; n < 200; n++) {
      clock.advance(500);
      await all(() => true);
      expect(store.running.size).toBeLessThanOrEqual(4);
    }
    expect(store.running.size).toBe(4);
    expect(instances.map((quota) => quota.waits("four", 100, "a")?.cause)).toContain("concurrency");
  });

  it("has the place back of a call that was not made, and of one that ended", async () => {
    const quota = instance();
    const ids = [await admit(quota, "four"), await admit(quota, "four")];
    expect(ids).not.toContain(undefined);
    while ((await admit(quota, "four")) !== undefined);
    quota.giveBack("four", { ...quota.take("free", 100, "other", "a"), tokens: 100 }, ids[0] ?? "");
    expect(await admit(quota, "four")).toBeDefined();
    expect(await admit(quota, "four")).toBeUndefined();
  });

  it("has the place back of a call that ended while more slots were asked for", async () => {
    const quota = instance();
    const taken = { ...quota.take("free", 100, "other", "a"), tokens: 100 };
    const begun: string[] = [];
    meanwhile = () => {
      for (const jobId of begun.splice(0)) quota.giveBack("four", taken, jobId);
    };
    for (let n = 0; n < 40; n++) {
      const jobId = await admit(quota, "four");
      expect(jobId, `after ${n} calls`).toBeDefined();
      begun.push(jobId ?? "");
      // Late enough that the next call asks for more.
      clock.advance(1_700);
    }
  });
});
