import fc from "fast-check";
import { expect, it } from "vitest";
import { PRIORITIES, type Priority } from "../../../../shared/priority.ts";
import { Dispatcher } from "../../../../shared/quota/dispatch/dispatcher.ts";
import { LineWatch } from "../../../../shared/quota/dispatch/line-watch.ts";
import type { ParkedJob, ParkedJobs } from "../../../../shared/quota/ports.ts";
import { afterLane, LineHeads, laneOf, placeOf } from "../../../../shared/quota/turns/line.ts";
import { silent, TestClock } from "../../world.ts";

const DAY_MS = 86_400_000;

/** What is parked, as the store would find it; counts what it was asked and what it gave. */
class Parked implements ParkedJobs {
  readonly jobs = new Map<string, ParkedJob>();
  reads = 0;
  given = 0;

  park(jobs: readonly ParkedJob[]): void {
    for (const job of jobs) this.jobs.set(job.job_id, job);
  }

  #found(by: (job: ParkedJob) => string | number, fits: (job: ParkedJob) => boolean, limit: number) {
    this.reads++;
    const found = [...this.jobs.values()].filter(fits);
    found.sort((one, other) => (by(one) < by(other) ? -1 : 1));
    const some = found.slice(0, limit);
    this.given += some.length;
    return Promise.resolve(some);
  }

  parkedAfter(parkedMs: number, limit: number) {
    return this.#found(
      (job) => job.parked_ms,
      (job) => job.parked_ms > parkedMs,
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
function parked(change: Partial<ParkedJob> & { since_ms: number }): ParkedJob {
  const job = {
    ...{ tenant_id: "a", job_id: `job-${++count}`, priority: "standard" as Priority, tokens: 10 },
    ...{ deployments: ["one"], deadline_ms: change.since_ms + DAY_MS, parked_ms: change.since_ms, ...change },
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
  const places = Array.from({ length: 9 }, (_, n) => parked({ since_ms: n }).place);
  const hold = (place: string) => {
    const admitted = heads.admits(place);
    if (admitted) heads.held(place);
    return admitted;
  };
  expect(places.map(hold)).toEqual([true, true, true, true, false, false, false, false, false]);
  expect(heads.refills()).toEqual([]);
  for (const place of places.slice(0, 2)) heads.left(place);
  const [refill] = heads.refills();
  expect(refill).toEqual({ lane: laneOf(places[0] ?? ""), after: places[3], limit: 2 });
  // One that is parked again keeps its old place, and is held.
  expect(hold(places[0] ?? "")).toBe(true);
});

it("asks again for a lane in which a job was parked while it was being read", () => {
  const heads = new LineHeads({ most: 10, least: 2, mostInLane: 4 });
  const places = Array.from({ length: 6 }, (_, n) => parked({ since_ms: n }).place);
  for (const place of places.slice(0, 5)) if (heads.admits(place)) heads.held(place);
  for (const place of places.slice(0, 4)) heads.left(place);
  const [refill] = heads.refills();
  if (refill === undefined) throw new Error("nothing is asked for");
  expect(heads.admits(places[5] ?? "")).toBe(false);
  heads.held(places[4] ?? "");
  heads.filled(refill, places.slice(4, 5));
  heads.left(places[4] ?? "");
  expect(heads.refills()).toMatchObject([{ after: places[4] }]);
});

/** A watch with what it holds, and the releases of whoever it works for. */
class World {
  readonly clock = new TestClock();
  readonly store = new Parked();
  readonly here = new Map<string, ParkedJob>();
  readonly watch: LineWatch;
  last: ParkedJob | undefined;

  constructor() {
    const { clock, store: parked, here } = this;
    this.watch = new LineWatch({ parked, clock, sizes: { most: 12, least: 3, mostInLane: 8 } }, (job) => {
      if (here.has(job.job_id)) return false;
      here.set(job.job_id, job);
      return true;
    });
  }

  park(tenant_id: string, jobs: number, told: boolean): void {
    const made = Array.from({ length: jobs }, (_, n) =>
      parked({ tenant_id, since_ms: this.clock.now() + n }),
    );
    this.store.park(made);
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

  parkAgain(): void {
    if (this.last === undefined || this.store.jobs.has(this.last.job_id)) return;
    const again = { ...this.last, parked_ms: this.clock.now() };
    this.store.park([again]);
    this.watch.heard(again);
  }
}

it("lets every job come up, in order, whatever is parked, released or parked again meanwhile", async () => {
  const parks = fc.tuple(fc.constantFrom("a", "b"), fc.integer({ min: 1, max: 40 }), fc.boolean());
  const step = fc.oneof(
    parks.map((args) => async (world: World) => world.park(...args)),
    fc.integer({ min: 1, max: 30 }).map((most) => (world: World) => world.release(most)),
    fc.constant(async (world: World) => world.parkAgain()),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new World();
      for (const act of steps) {
        world.clock.advance(1_000);
        await act(world);
        await world.watch.look();
        // Two lanes of 8, and what was parked again.
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
  const store = new Parked();
  const here: ParkedJob[] = [];
  const watch = new LineWatch({ parked: store, clock }, (job) => {
    here.push(job);
    return true;
  });
  store.park(Array.from({ length: 3_000 }, (_, n) => parked({ since_ms: clock.now() - 10_000 + n })));
  const urgent = parked({ since_ms: clock.now(), deadline_ms: clock.now() + 20_000 });
  store.park([urgent]);
  await watch.look();
  expect(here).toContain(urgent);
  // By the clock of an instance that is far behind: no look at what was parked lately sees it.
  const missed = parked({ tenant_id: "b", since_ms: clock.now(), parked_ms: clock.now() - 500_000 });
  store.jobs.delete(urgent.job_id);
  store.park([missed]);
  clock.advance(61_000);
  await watch.look();
  expect(here).toContain(missed);
});

it("begins with a bounded part of a backlog of 20,000, every tenant's first jobs in it", async () => {
  const clock = new TestClock();
  const store = new Parked();
  store.park(
    Array.from({ length: 20_000 }, (_, n) =>
      parked({ tenant_id: n % 200 === 0 ? `small-${n % 1_000}` : "big", since_ms: clock.now() - 50_000 + n }),
    ),
  );
  const tenants = new Set<string>();
  const dispatcher = new Dispatcher({
    ...{ clock, instance: "one", log: silent, parked: store, weightOf: () => 1 },
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
  expect(dispatcher.held).toBeLessThan(1_200);
});
