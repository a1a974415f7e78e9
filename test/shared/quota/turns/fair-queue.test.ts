import fc from "fast-check";
import { expect, it } from "vitest";
import { FairQueue, type Waiting } from "../../../../shared/quota/turns/fair-queue.ts";

const NOW = 1_000_000;
let count = 0;
const job = (change: Partial<Waiting> = {}): Waiting => ({
  tenant_id: "a",
  job_id: `job-${++count}`,
  priority: "standard",
  tokens: 100,
  deployments: ["d"],
  since_ms: NOW + count,
  deadline_ms: NOW + 86_400_000,
  ...change,
});

/** The jobs in the order of their turns on a deployment. */
function drain(queue: FairQueue, deployment: string, most = Infinity): Waiting[] {
  const taken: Waiting[] = [];
  for (let next = queue.next(deployment, NOW); next !== undefined && taken.length < most; ) {
    queue.take(next, deployment);
    taken.push(next);
    next = queue.next(deployment, NOW);
  }
  return taken;
}

it("serves a tenant's jobs by priority, then by how long they wait", () => {
  const queue = new FairQueue(() => 1);
  const [late, low, early, high] = [
    job({ since_ms: NOW + 2 }),
    job({ priority: "low", since_ms: NOW }),
    job({ since_ms: NOW + 1 }),
    job({ priority: "high", since_ms: NOW + 3 }),
  ] as const;
  for (const each of [late, low, early, high]) queue.add(each);
  expect(drain(queue, "d")).toEqual([high, early, late, low]);
  expect(queue.size).toBe(0);
});

it("lets no priority starve another for ever", () => {
  const queue = new FairQueue(() => 1);
  queue.add(job({ priority: "low" }));
  for (let n = 0; n < 100; n++) queue.add(job({ priority: "high" }));
  for (let n = 0; n < 100; n++) queue.add(job({ priority: "standard" }));
  const order = drain(queue, "d").map(({ priority }) => priority);
  expect(order.indexOf("low")).toBeLessThan(40);
  expect(order.slice(0, 34).filter((priority) => priority === "standard").length).toBeGreaterThanOrEqual(1);
  expect(order.slice(0, 100).filter((priority) => priority === "high").length).toBeGreaterThan(85);
});

it("lets a job go first whose deadline is near", () => {
  const queue = new FairQueue(() => 1);
  const first = job();
  const urgent = job({ deadline_ms: NOW + 10_000 });
  queue.add(first);
  queue.add(urgent);
  expect(queue.nearDeadline(NOW)).toEqual([urgent]);
  expect(drain(queue, "d")).toEqual([urgent, first]);
});

it("lets a lower priority whose deadline is near wait for a few turns of higher ones only", () => {
  const queue = new FairQueue(() => 1);
  for (let n = 0; n < 100; n++) queue.add(job({ priority: n % 2 === 0 ? "high" : "standard" }));
  for (let n = 0; n < 3; n++) queue.add(job({ priority: "low", deadline_ms: NOW + 10_000 }));
  queue.add(job({ priority: "low" }));
  const order = drain(queue, "d").map(({ priority }) => priority);
  const turns = order.flatMap((priority, n) => (priority === "low" ? [n] : []));
  expect(turns.slice(0, 3)).toEqual([4, 9, 14]);
  // Without a deadline it waits as before; and the higher ones have had all other turns.
  expect(turns[3]).toBe(31);
});

it("lets no priority starve another for ever, nor a near deadline pass, where others can serve them as well", () => {
  const queue = new FairQueue(() => 1);
  const urgent = job({ deployments: ["d", "f"], deadline_ms: NOW + 10_000 });
  const low = job({ priority: "low", deployments: ["d", "e"] });
  for (let n = 0; n < 100; n++) queue.add(job({ priority: n < 50 ? "high" : "standard" }));
  queue.add(urgent);
  queue.add(low);
  const order = drain(queue, "d");
  expect(order.indexOf(urgent)).toBe(4);
  expect(order.indexOf(low)).toBeLessThan(20);
});

it("does not let a tenant that was away catch up on what it did not use", () => {
  const queue = new FairQueue(() => 1);
  for (let n = 0; n < 100; n++) queue.add(job());
  drain(queue, "d", 50);
  for (let n = 0; n < 50; n++) queue.add(job({ tenant_id: "b" }));
  const next = drain(queue, "d", 20).map(({ tenant_id }) => tenant_id);
  expect(next.filter((tenant) => tenant === "b").length).toBe(10);
});

it("shares calls that count nothing as it shares others, and charges what a call turns out to cost", () => {
  const queue = new FairQueue(() => 1);
  for (let n = 0; n < 40; n++) queue.add(job({ tokens: 0 }));
  for (let n = 0; n < 20; n++) queue.add(job({ tenant_id: "b", tokens: 0 }));
  const served = drain(queue, "d", 40).map(({ tenant_id }) => tenant_id);
  expect(served.filter((tenant) => tenant === "b")).toHaveLength(20);
  // What was said to be small was not: its tenant's next turn comes later.
  const other = new FairQueue(() => 1);
  for (let n = 0; n < 10; n++) other.add(job({ tokens: 10 }));
  for (let n = 0; n < 10; n++) other.add(job({ tenant_id: "b", tokens: 10 }));
  drain(other, "d", 2);
  other.settle("a", "d", 50);
  expect(drain(other, "d", 5).map(({ tenant_id }) => tenant_id)).toEqual(["b", "b", "b", "b", "b"]);
});

it("has a deployment that may be ill tried by the longest waiting job of another tenant, if any waits", () => {
  const queue = new FairQueue(() => 1);
  const all = () => true;
  queue.add(job({ since_ms: NOW }));
  expect(queue.probe("d", NOW, all, "a")?.tenant_id).toBe("a");
  queue.add(job({ tenant_id: "b", since_ms: NOW + 2 }));
  queue.add(job({ tenant_id: "c", since_ms: NOW + 1 }));
  expect(queue.probe("d", NOW, all, "a")?.tenant_id).toBe("c");
  expect(queue.probe("d", NOW, (tenant) => tenant !== "c", "a")?.tenant_id).toBe("b");
  expect(queue.probe("d", NOW, all, undefined)?.tenant_id).toBe("a");
  expect(queue.probe("e", NOW, all, "a")).toBeUndefined();
});

it("serves jobs that several deployments can take from any of them, once", () => {
  const queue = new FairQueue(() => 1);
  const both = job({ deployments: ["d", "e"] });
  queue.add(both);
  queue.add(job({ deployments: ["e"] }));
  expect(queue.next("e", NOW)).toBe(both);
  queue.take(both, "e");
  expect(queue.next("d", NOW)).toBeUndefined();
  expect(queue.remove(both.job_id)).toBeUndefined();
  expect(queue.size).toBe(1);
});

it("shares by weight, to within one job, whatever the sizes", () => {
  const tenant = fc.record({
    weight: fc.constantFrom(1, 2, 5),
    sizes: fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 60, maxLength: 60 }),
  });
  fc.assert(
    fc.property(fc.array(tenant, { minLength: 2, maxLength: 5 }), (tenants) => {
      const queue = new FairQueue((id) => tenants[Number(id)]?.weight ?? 1);
      for (const [n, { sizes }] of tenants.entries())
        for (const tokens of sizes) queue.add(job({ tenant_id: String(n), tokens }));
      const served = tenants.map(() => 0);
      const left = tenants.map(({ sizes }) => sizes.length);
      // As long as all of them have jobs, no two are served apart by more than a job of each.
      while (left.every((jobs) => jobs > 0)) {
        const next = queue.next("d", NOW);
        if (next === undefined) throw new Error("jobs are left");
        queue.take(next, "d");
        const n = Number(next.tenant_id);
        served[n] = (served[n] ?? 0) + Math.max(1, next.tokens) / (tenants[n]?.weight ?? 1);
        left[n] = (left[n] ?? 0) - 1;
        expect(Math.max(...served) - Math.min(...served)).toBeLessThanOrEqual(2_000);
      }
    }),
    { numRuns: process.env.LONG === "1" ? 500 : 30 },
  );
});

const variedJob = (n: number): Waiting =>
  job({
    job_id: `j${n}`,
    tenant_id: `t${n % 3}`,
    since_ms: NOW + ((n * 7) % 13),
    deadline_ms: NOW + (n % 5 === 0 ? 5_000 : 90_000_000 + n),
    deployments: n % 2 === 0 ? ["d"] : ["d", "e"],
  });

it("holds just the jobs that were added and not taken, in any order of events", () => {
  const event = fc.record({ what: fc.constantFrom("add", "take", "remove"), n: fc.nat(30) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const queue = new FairQueue(() => 1);
      const here = new Map<string, Waiting>();
      for (const { what, n } of events) {
        const next = queue.next("d", NOW);
        expect(next === undefined).toBe(here.size === 0);
        if (what === "add") {
          const one = variedJob(n);
          if (!here.has(one.job_id)) here.set(one.job_id, one);
          queue.add(one);
        } else if (what === "remove") {
          const wasHere = here.delete(`j${n}`);
          expect(queue.remove(`j${n}`)?.job_id).toBe(wasHere ? `j${n}` : undefined);
        } else if (next !== undefined) {
          expect(here.delete(next.job_id)).toBe(true);
          queue.take(next, "d");
        }
        expect(queue.size).toBe(here.size);
      }
    }),
    { numRuns: process.env.LONG === "1" ? 1_000 : 60 },
  );
});
