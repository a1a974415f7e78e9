import { describe, expect, it } from "vitest";
import type { QuotaHeaders } from "../../../../shared/model/quota-headers.ts";
import { newPool } from "../../../../shared/quota/belief/pool.ts";
import { type Release, Scheduler } from "../../../../shared/quota/dispatch/scheduler.ts";
import type { CallNews } from "../../../../shared/quota/ports.ts";
import type { Waiting } from "../../../../shared/quota/turns/fair-queue.ts";

const NOW = 1_000_000;
const NONE: QuotaHeaders = { requests: null, tokens: null };

function scheduler(
  limits: Record<string, { requests_per_minute?: number; concurrency?: number }>,
): Scheduler {
  const made = new Scheduler(() => 1);
  made.serve(Object.entries(limits).map(([name, each]) => ({ name, pool: name, limits: each })));
  for (const [name, each] of Object.entries(limits)) made.pools.set(name, newPool(each, NOW));
  return made;
}

/** Calls that run, all of one tenant's. */
const calls = (...ids: string[]) => new Map(ids.map((id) => [id, "a"]));

let count = 0;
const job = (deployments: readonly string[], change: Partial<Waiting> = {}): Waiting => ({
  ...{ tenant_id: "a", job_id: `job-${++count}`, priority: "standard", tokens: 10, deployments },
  ...{ since_ms: NOW, deadline_ms: NOW + 86_400_000, ...change },
});

const news = (release: Release, outcome: CallNews["outcome"], change: Partial<CallNews> = {}): CallNews => ({
  ...{ deployment: release.deployment, job_id: release.job.job_id, taken: release.taken, outcome },
  ...{ latency_ms: 300, sent_ms: null, headers: NONE, retry_after_ms: null, ...change },
});

const names = (made: { releases: readonly Release[] }) => made.releases.map(({ deployment }) => deployment);

it("fills the preferred deployment first, then the others, and says when to look again", () => {
  const s = scheduler({ one: { requests_per_minute: 60 }, two: {} });
  for (let n = 0; n < 3; n++) s.queue.add(job(["one", "two"]));
  expect(names(s.decide(NOW, 100))).toEqual(["one", "two", "two"]);
  s.queue.add(job(["one"]));
  const decision = s.decide(NOW, 100);
  expect(decision.releases).toEqual([]);
  expect(decision.nextAtMs).toBeGreaterThan(NOW);
  expect(decision.nextAtMs).toBeLessThan(NOW + 3_000);
  expect(names(s.decide(decision.nextAtMs, 100))).toEqual(["one"]);
});

it("is not held up by jobs that prefer each other's deployments", () => {
  const s = scheduler({ one: {}, two: {} });
  s.queue.add(job(["two", "one"], { tenant_id: "a" }));
  s.queue.add(job(["one", "two"], { tenant_id: "b" }));
  expect(s.decide(NOW, 100).releases).toHaveLength(2);
});

it("lets no more calls run at the same time than a deployment bears", () => {
  const s = scheduler({ one: { concurrency: 2 } });
  for (let n = 0; n < 5; n++) s.queue.add(job(["one"]));
  // Before anybody has counted what runs, nothing is let go.
  expect(s.decide(NOW, 100).releases).toEqual([]);
  s.count("one", calls(), 0, NOW);
  const [first] = s.decide(NOW, 100).releases;
  expect(s.queue.size).toBe(3);
  expect(s.hindranceOf("one", NOW)).toBe("concurrency");
  if (first === undefined) throw new Error("nothing was released");
  s.heard(news(first, "ok"), NOW + 300);
  expect(s.decide(NOW + 300, 100).releases).toHaveLength(1);
});

describe("of a deployment that bears three calls at a time", () => {
  const none = calls();
  function three() {
    const s = scheduler({ one: { concurrency: 3 } });
    for (let n = 0; n < 9; n++) s.queue.add(job(["one"]));
    return s;
  }
  const ids = (s: Scheduler, atMs: number) => s.decide(atMs, 100).releases.map((each) => each.job.job_id);

  it("counts calls that others let go, and those that instances may begin by themselves", () => {
    const s = three();
    s.count("one", calls("another"), 1, NOW);
    expect(ids(s, NOW)).toHaveLength(1);
    s.count("one", calls("another"), 0, NOW + 100);
    expect(ids(s, NOW + 100)).toHaveLength(1);
    s.uncount("one");
    s.count("one", none, undefined, NOW + 200);
    expect(ids(s, NOW + 200)).toEqual([]);
  });

  it("counts a call until the store says that it runs no more, however long that is", () => {
    const s = three();
    s.count("one", none, 0, NOW);
    const running = ids(s, NOW);
    expect(running).toHaveLength(3);
    // On their way to a worker.
    s.count("one", none, 0, NOW + 5_000);
    expect(ids(s, NOW + 5_000)).toEqual([]);
    for (let ms = 10_000; ms < 3_600_000; ms += 60_000) {
      s.count("one", calls(...running), 0, NOW + ms);
      expect(ids(s, NOW + ms)).toEqual([]);
    }
    // One of them was lost with its worker, and nobody told.
    s.count("one", calls(...running.slice(1)), 0, NOW + 3_600_000);
    expect(ids(s, NOW + 3_600_000)).toHaveLength(1);
  });

  it("forgets a call whose grant has lapsed and that nobody has begun", () => {
    const s = three();
    s.count("one", none, 0, NOW);
    expect(ids(s, NOW)).toHaveLength(3);
    s.count("one", none, 0, NOW + 14_000);
    expect(ids(s, NOW + 14_000)).toEqual([]);
    s.count("one", none, 0, NOW + 16_000);
    expect(ids(s, NOW + 16_000)).toHaveLength(3);
  });

  it("reckons with calls that another let go before it was gone, until they can be on their way no more", () => {
    const s = three();
    s.count("one", calls("a"), 0, NOW, NOW - 6_000);
    expect(ids(s, NOW)).toEqual([]);
    // One of them has begun, and another ends.
    s.count("one", calls("a", "b"), 0, NOW + 1_000, NOW - 6_000);
    expect(ids(s, NOW + 1_000)).toEqual([]);
    s.count("one", calls("b"), 0, NOW + 2_000, NOW - 6_000);
    const own = ids(s, NOW + 2_000);
    expect(own).toHaveLength(1);
    s.count("one", calls("b", ...own), 0, NOW + 10_000, NOW - 6_000);
    expect(ids(s, NOW + 10_000)).toHaveLength(1);
  });

  it("does not count a call again that has ended and is stored as running for a moment more", () => {
    const s = three();
    s.count("one", none, 0, NOW);
    const [first] = s.decide(NOW, 1).releases;
    if (first === undefined) throw new Error("nothing was released");
    s.heard(news(first, "ok"), NOW + 300);
    s.count("one", calls(first.job.job_id), 0, NOW + 310);
    expect(ids(s, NOW + 310)).toHaveLength(3);
  });
});

it("goes on with what is left when a decision lets no more go", () => {
  const s = scheduler({ one: {} });
  for (let n = 0; n < 5; n++) s.queue.add(job(["one"]));
  expect(s.decide(NOW, 3)).toMatchObject({ nextAtMs: NOW });
  expect(s.decide(NOW, 3).releases).toHaveLength(2);
});

it("leaves a deployment alone for as long as a refusal asks", () => {
  const s = scheduler({ one: { requests_per_minute: 6_000 } });
  s.queue.add(job(["one"]));
  const [first] = s.decide(NOW, 100).releases;
  if (first === undefined) throw new Error("nothing was released");
  s.heard(news(first, "refused", { retry_after_ms: 7_000 }), NOW + 10);
  s.queue.add(first.job);
  expect(s.decide(NOW + 7_000, 100).releases).toEqual([]);
  expect(s.hindranceOf("one", NOW + 6_000)).toBe("rate_limited");
  expect(s.hindranceOf("one", NOW + 8_000)).toBeUndefined();
  expect(s.decide(NOW + 7_250, 100).releases).toHaveLength(1);
});

describe("a tenant among others", () => {
  /** Runs for so many seconds; `answer` says what becomes of a call. How many calls of each tenant were served. */
  function run(
    s: Scheduler,
    seconds: number,
    waiting: () => readonly Waiting[],
    answer: (release: Release) => Partial<CallNews> & { outcome: CallNews["outcome"] },
  ): Record<string, number> {
    const served: Record<string, number> = {};
    for (const each of waiting()) s.queue.add(each);
    for (let nowMs = NOW; nowMs < NOW + seconds * 1000; nowMs += 50)
      for (const release of s.decide(nowMs, 100).releases) {
        const { outcome, ...change } = answer(release);
        const { tenant_id } = release.job;
        s.heard(news(release, outcome, { tenant_id, sent_ms: nowMs, latency_ms: 20, ...change }), nowMs);
        if (outcome === "ok") served[tenant_id] = (served[tenant_id] ?? 0) + 1;
        else s.queue.add(release.job);
      }
    return served;
  }
  const many = (tenant_id: string, jobs: number, change: Partial<Waiting> = {}) =>
    Array.from({ length: jobs }, () => job(["one"], { tenant_id, ...change }));

  it("with a job that is always refused does not keep the others from it", () => {
    const s = scheduler({ one: { requests_per_minute: 600 } });
    const [poison] = many("a", 1);
    const waiting = () => [...(poison === undefined ? [] : [poison]), ...many("b", 200), ...many("c", 200)];
    const served = run(s, 30, waiting, ({ job: each }) =>
      each === poison ? { outcome: "refused", retry_after_ms: 20_000 } : { outcome: "ok" },
    );
    // Ten a second are allowed, of which the first goes before anything is known.
    expect((served.b ?? 0) + (served.c ?? 0)).toBeGreaterThan(180);
  });

  it("whose prompts fail waits by itself", () => {
    const s = scheduler({ one: { requests_per_minute: 600 } });
    const waiting = () => [...many("a", 300), ...many("b", 300)];
    const served = run(s, 30, waiting, ({ job: { tenant_id } }) => ({
      outcome: tenant_id === "a" ? "failed" : "ok",
    }));
    expect(served.b).toBeGreaterThan(250);
  });

  it("whose calls count no tokens has no more of them than another", () => {
    const s = scheduler({ one: { requests_per_minute: 120 } });
    const waiting = () => [...many("a", 120, { tokens: 0 }), ...many("b", 20, { tokens: 1_000 })];
    const served = run(s, 30, waiting, () => ({ outcome: "ok" }));
    expect(served.b).toBe(20);
  });

  it("that hides what its calls use is charged for it once answers tell", () => {
    const s = scheduler({ one: {} });
    s.pools.set("one", newPool({ tokens_per_minute: 60_000 }, NOW));
    const waiting = () => [...many("a", 600, { tokens: 10 }), ...many("b", 600, { tokens: 100 })];
    const served = run(s, 30, waiting, ({ job: { tenant_id } }) => ({
      outcome: "ok",
      used_tokens: tenant_id === "a" ? 1_000 : 100,
    }));
    expect((served.b ?? 0) / (served.a ?? 1)).toBeGreaterThan(5);
  });
});

describe("a deployment that fails", () => {
  function failing() {
    const s = scheduler({ one: {}, two: {} });
    for (let n = 0; n < 6; n++) s.queue.add(job(["one"]));
    for (const release of s.decide(NOW, 100).releases) s.heard(news(release, "failed"), NOW + 10);
    return s;
  }

  it("gets nothing more, and its jobs go elsewhere", () => {
    const s = failing();
    for (let n = 0; n < 6; n++) s.queue.add(job(["one", "two"]));
    expect(new Set(names(s.decide(NOW + 20, 100)))).toEqual(new Set(["two"]));
    expect([s.hindranceOf("one", NOW + 20), s.hindranceOf("two", NOW + 20)]).toEqual([
      "deployment_failing",
      undefined,
    ]);
  });

  it("gets one probe, then a few calls, then all", () => {
    const s = failing();
    for (let n = 0; n < 200; n++) s.queue.add(job(["one"]));
    const { nextAtMs } = s.decide(NOW + 20, 100);
    const [probe, ...more] = s.decide(nextAtMs, 100).releases;
    expect(more).toEqual([]);
    if (probe === undefined) throw new Error("there was no probe");
    expect(s.decide(nextAtMs + 100, 100).releases).toEqual([]);
    s.heard(news(probe, "ok"), nextAtMs + 300);
    expect(s.decide(nextAtMs + 300, 100).releases).toHaveLength(1);
    expect(s.decide(nextAtMs + 60_000, 1_000).releases).toHaveLength(198);
  });
});

it("gives up jobs in time whose deadline leaves no room for a call", () => {
  const s = scheduler({ one: { requests_per_minute: 60 } });
  s.queue.add(job(["one"]));
  const [first] = s.decide(NOW, 100).releases;
  if (first === undefined) throw new Error("nothing was released");
  s.heard(news(first, "ok", { latency_ms: 8_000 }), NOW + 8_000);
  const hopeless = job(["one"], { deadline_ms: NOW + 11_000 });
  const fine = job(["one"], { deadline_ms: NOW + 25_000 });
  s.queue.add(hopeless);
  s.queue.add(fine);
  const decision = s.decide(NOW + 8_500, 0);
  expect(decision.late).toEqual([hopeless]);
  expect(s.queue.get(fine.job_id)).toBeDefined();
});

it("has back what was taken for a call that was not made", () => {
  const s = scheduler({ one: { requests_per_minute: 60, concurrency: 1 } });
  s.count("one", calls(), 0, NOW);
  for (let n = 0; n < 2; n++) s.queue.add(job(["one"]));
  const [first] = s.decide(NOW, 100).releases;
  if (first === undefined) throw new Error("nothing was released");
  expect(s.decide(NOW + 10, 100).releases).toEqual([]);
  s.heard(news(first, "unused"), NOW + 20);
  expect(s.decide(NOW + 20, 100).releases).toHaveLength(1);
});

it("lets nothing go to a deployment that is switched off, and those go elsewhere that can", () => {
  const s = scheduler({ one: {}, two: {} });
  const serve = (off: boolean) =>
    s.serve(
      ["one", "two"].map((name) => ({
        name,
        pool: name,
        limits: {},
        off: off && name === "one",
      })),
    );
  serve(true);
  s.queue.add(job(["one", "two"]));
  s.queue.add(job(["one"]));
  expect(names(s.decide(NOW, 100))).toEqual(["two"]);
  expect(s.decide(NOW, 100)).toMatchObject({ releases: [], nextAtMs: Infinity });
  serve(false);
  expect(names(s.decide(NOW, 100))).toEqual(["one"]);
});

it("gives up jobs in time that cannot come up before their deadline, and none that can", () => {
  const s = scheduler({});
  s.serve([{ name: "one", pool: "one", limits: {} }]);
  s.pools.set("one", newPool({ tokens_per_minute: 6_000 }, NOW));
  // 100 tokens a second: within 20 s there is room for some 20 of these, and in no case for 40.
  const jobs = Array.from({ length: 40 }, (_, n) =>
    job(["one"], { tokens: 100, deadline_ms: NOW + 20_000 + n }),
  );
  for (const each of jobs) s.queue.add(each);
  const { late } = s.decide(NOW + 1_000, 0);
  expect(late).toEqual(jobs.slice(-late.length));
  expect(late.length).toBeGreaterThanOrEqual(18);
  expect(late.length).toBeLessThanOrEqual(20);
});
