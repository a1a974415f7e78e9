import fc from "fast-check";
import { expect, it } from "vitest";
import { PRIORITIES, type Priority } from "../../../../shared/priority.ts";
import { Dispatcher } from "../../../../shared/quota/dispatch/dispatcher.ts";
import { LineWatch } from "../../../../shared/quota/dispatch/line-watch.ts";
import type { JobInLine, JobsInLine } from "../../../../shared/quota/ports.ts";
import { afterLane, LineHeads, laneOf, placeOf } from "../../../../shared/quota/turns/line.ts";
import { silent, TestClock } from "../../world.ts";

const DAY_MS = 86_400_000;

/** What waits, as the store would find it; counts what it was asked and what it gave. */
class StoredLine implements JobsInLine {
  readonly jobs = new Map<string, JobInLine>();
  reads = 0;
  given = 0;

  join(jobs: readonly JobInLine[]): void {
    for (const job of jobs) this.jobs.set(job.job_id, job);
  }

  #found(by: (job: JobInLine) => string | number, fits: (job: JobInLine) => boolean, limit: number) {
    this.reads++;
    const found = [...this.jobs.values()].filter(fits);
    found.sort((one, other) => (by(one) < by(other) ? -1 : 1));
    const some = found.slice(0, limit);
    this.given += some.length;
    return Promise.resolve(some);
  }

  joinedAfter(joinedMs: number, limit: number) {
    return this.#found(
      (job) => job.joined_ms,
      (job) => job.joined_ms > joinedMs,
      limit,
    );
  }

  inLine({ after, before = "~" }: { after: string; before?: string }, limit: number) {
    return this.#found(
      ({ place }) => place,
      ({ place }) => place > after && place < before,
      limit,
    );
  }

  async latelyServed() {
    return [];
  }

  runningOn() {
    return Promise.resolve(new Map<string, string>());
  }

  dueBefore(deadlineMs: number, limit: number) {
    return this.#found(
      (job) => job.deadline_ms,
      (job) => job.deadline_ms < deadlineMs,
      limit,
    );
  }
}

let count = 0;
function waiting(change: Partial<JobInLine> & { since_ms: number }): JobInLine {
  const job = {
    ...{ tenant_id: "a", job_id: `job-${++count}`, priority: "standard" as Priority, tokens: 10 },
    ...{ deployments: ["one"], deadline_ms: change.since_ms + DAY_MS, joined_ms: change.since_ms, ...change },
  };
  return { ...job, place: placeOf(job) };
}

it("gives each lane's jobs places together, in the order in which they wait", () => {
  const lane = fc.record({
    tenant_id: fc.constantFrom("a", "a.b", "ab", "b-0"),
    priority: fc.constantFrom(...PRIORITIES),
    deployments: fc.constantFrom(["one"], ["one", "two"], ["two", "one"]),
  });
  const since = fc.integer({ min: 0, max: 9_999_999_999_999 });
  fc.assert(
    fc.property(lane, lane, since, since, (one, other, sinceOne, sinceOther) => {
      const a = placeOf({ ...one, job_id: "job-1", since_ms: sinceOne });
      const b = placeOf({ ...other, job_id: "job-2", since_ms: sinceOther });
      const same = JSON.stringify(one) === JSON.stringify(other);
      expect(laneOf(a) === laneOf(b)).toBe(same);
      expect(b > `${laneOf(a)}/` && b < afterLane(laneOf(a))).toBe(same);
      if (same && sinceOne !== sinceOther) expect(a < b).toBe(sinceOne < sinceOther);
    }),
  );
});

it("holds no more of a lane than its share, and asks for the rest from where it was cut off", () => {
  const heads = new LineHeads({ most: 10, least: 2, mostInLane: 4 });
  const places = Array.from({ length: 9 }, (_, n) => waiting({ since_ms: n }).place);
  const hold = (place: string) => {
    const admitted = heads.admits(place);
    if (admitted) heads.taken(place);
    return admitted;
  };
  expect(places.map(hold)).toEqual([true, true, true, true, false, false, false, false, false]);
  expect(heads.refills()).toEqual([]);
  for (const place of places.slice(0, 2)) heads.left(place);
  const [refill] = heads.refills();
  expect(refill).toEqual({ lane: laneOf(places[0] ?? ""), after: places[3], limit: 2 });
  // One that joins again keeps its old place, and is known.
  expect(hold(places[0] ?? "")).toBe(true);
});

it("asks again for a lane in which a job joined while it was being read", () => {
  const heads = new LineHeads({ most: 10, least: 2, mostInLane: 4 });
  const places = Array.from({ length: 6 }, (_, n) => waiting({ since_ms: n }).place);
  for (const place of places.slice(0, 5)) if (heads.admits(place)) heads.taken(place);
  for (const place of places.slice(0, 4)) heads.left(place);
  const [refill] = heads.refills();
  if (refill === undefined) throw new Error("nothing is asked for");
  expect(heads.admits(places[5] ?? "")).toBe(false);
  heads.taken(places[4] ?? "");
  heads.filled(refill, places.slice(4, 5));
  heads.left(places[4] ?? "");
  expect(heads.refills()).toMatchObject([{ after: places[4] }]);
});

/** A watch with what it holds, and the releases of whoever it works for. */
class World {
  readonly clock = new TestClock();
  readonly store = new StoredLine();
  readonly here = new Map<string, JobInLine>();
  readonly watch: LineWatch;
  last: JobInLine | undefined;

  constructor() {
    const { clock, store: line, here } = this;
    this.watch = new LineWatch({ line, clock, sizes: { most: 12, least: 3, mostInLane: 8 } }, (job) => {
      if (here.has(job.job_id)) return false;
      here.set(job.job_id, job);
      return true;
    });
  }

  join(tenant_id: string, jobs: number, told: boolean): void {
    const made = Array.from({ length: jobs }, (_, n) =>
      waiting({ tenant_id, since_ms: this.clock.now() + n }),
    );
    this.store.join(made);
    if (told) for (const job of made) this.watch.heard(job);
  }

  /** The longest waiting of those here; none of its lane that waits in the store goes before it. */
  async release(most: number): Promise<void> {
    for (let n = 0; n < most && this.here.size > 0; n++) {
      const all = [...this.here.values()];
      const next = all.reduce((one, other) => (other.since_ms < one.since_ms ? other : one));
      const lane = [...this.store.jobs.values()].filter(({ place }) => laneOf(place) === laneOf(next.place));
      expect(lane.every(({ since_ms }) => since_ms >= next.since_ms)).toBe(true);
      this.here.delete(next.job_id);
      this.store.jobs.delete(next.job_id);
      this.watch.left(next.place);
      this.last = next;
      if (this.here.size === 0) await this.watch.look();
    }
  }

  joinAgain(): void {
    if (this.last === undefined || this.store.jobs.has(this.last.job_id)) return;
    const again = { ...this.last, joined_ms: this.clock.now() };
    this.store.join([again]);
    this.watch.heard(again);
  }
}

it("lets every job come up, in order, whatever joins, is released or joins again meanwhile", async () => {
  const joins = fc.tuple(fc.constantFrom("a", "b"), fc.integer({ min: 1, max: 40 }), fc.boolean());
  const step = fc.oneof(
    joins.map((args) => async (world: World) => world.join(...args)),
    fc.integer({ min: 1, max: 30 }).map((most) => (world: World) => world.release(most)),
    fc.constant(async (world: World) => world.joinAgain()),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new World();
      for (const act of steps) {
        world.clock.advance(1_000);
        await act(world);
        await world.watch.look();
        // Two lanes of 8, and what joined again.
        expect(world.here.size).toBeLessThanOrEqual(16 + steps.length);
      }
      for (let looks = 0; looks < 200 && world.store.jobs.size > 0; looks++) {
        await world.release(Infinity);
        world.clock.advance(1_000);
        await world.watch.look();
      }
      expect(world.store.jobs.size).toBe(0);
    }),
    { numRuns: process.env.LONG === "1" ? 2_000 : 60 },
  );
});

it("finds what was missed, and what has a deadline near, however long the line before it is", async () => {
  const clock = new TestClock();
  const store = new StoredLine();
  const here: JobInLine[] = [];
  const watch = new LineWatch({ line: store, clock }, (job) => {
    here.push(job);
    return true;
  });
  store.join(Array.from({ length: 3_000 }, (_, n) => waiting({ since_ms: clock.now() - 10_000 + n })));
  const urgent = waiting({ since_ms: clock.now(), deadline_ms: clock.now() + 20_000 });
  store.join([urgent]);
  await watch.look();
  expect(here).toContain(urgent);
  // By the clock of an instance that is far behind: no look at what joined lately sees it.
  const missed = waiting({ tenant_id: "b", since_ms: clock.now(), joined_ms: clock.now() - 500_000 });
  store.jobs.delete(urgent.job_id);
  store.join([missed]);
  clock.advance(61_000);
  await watch.look();
  expect(here).toContain(missed);
});

it("begins with a bounded part of a backlog of 20,000, every tenant's first jobs in it", async () => {
  const clock = new TestClock();
  const store = new StoredLine();
  store.join(
    Array.from({ length: 20_000 }, (_, n) =>
      waiting({
        tenant_id: n % 200 === 0 ? `small-${n % 1_000}` : "big",
        since_ms: clock.now() - 50_000 + n,
      }),
    ),
  );
  const tenants = new Set<string>();
  const dispatcher = new Dispatcher({
    ...{ clock, instance: "one", log: silent, line: store, weightOf: () => 1 },
    leases: { read: async () => undefined, write: async () => ({ kind: "written", etag: "1" }) },
    ledger: {
      read: async () => undefined,
      write: async (writes) => ({ kind: "written", etags: writes.map(() => "1") }),
    },
    reports: { write: async () => undefined, since: async () => [] },
    releases: {
      release: async (jobs) => {
        for (const { key } of jobs) tenants.add(key.tenant_id);
      },
      giveUp: async () => undefined,
      dispatch: async () => undefined,
    },
    deployments: () => [{ name: "one", pool: "one", limits: { requests_per_minute: 600 } }],
  });
  void dispatcher.run();
  for (let turns = 0; turns < 200 && tenants.size < 6; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(50);
  }
  expect(tenants).toEqual(new Set(["big", "small-0", "small-200", "small-400", "small-600", "small-800"]));
  expect(dispatcher.jobs).toBeLessThan(1_200);
});
