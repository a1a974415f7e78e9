import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { backlogOf, type LiveJob } from "../../../shared/job/backlog.ts";
import { end } from "../../../shared/job/ending/end.ts";
import { acceptJob } from "../../../shared/job/intake/accept.ts";
import { draftOf, startAttempt } from "../../../shared/job/life-cycle.ts";
import { change } from "../../../shared/job/saving.ts";
import { type SweepRound, toldRounds } from "../../../shared/job/sweep/round.ts";
import type { SweepReport } from "../../../shared/job/sweep/sweep.ts";
import { StoreUnavailable } from "../../../shared/store.ts";
import { silent, World } from "../world.ts";
import { by, inState, submission } from "./samples.ts";

const world = await World.open();
const { clock } = world;
const { store, liveJobs, sweepRounds: rounds } = world.ports;
const NOW_MS = 1_800_000_000_000;
const live = (change: Partial<LiveJob> = {}): LiveJob => ({
  ...{ tenant_id: "a", job_id: "j", model: "m", status: "queued", waiting: null },
  ...{ created_at_ms: NOW_MS - 5_000, not_before_ms: null, wake_at_ms: NOW_MS + 1_000 },
  ...change,
});

describe("the backlog", () => {
  it("tells waiting, scheduled and running apart, and the longest wait of those that may run", () => {
    const backlog = backlogOf(
      [
        live(),
        live({ created_at_ms: NOW_MS - 90_000, not_before_ms: NOW_MS - 9_500 }),
        live({ created_at_ms: NOW_MS - 90_000, not_before_ms: NOW_MS + 1 }),
        live({ tenant_id: "b", status: "in_progress" }),
        live({ tenant_id: "b", status: "in_progress", wake_at_ms: NOW_MS - 1 }),
        live({ tenant_id: "b", model: "n", created_at_ms: NOW_MS - 20_000 }),
      ],
      NOW_MS,
    );
    expect(backlog).toEqual({
      rows: [
        { tenant_id: "b", model: "n", waiting: 1, scheduled: 0, running: 0, oldest_wait_seconds: 20 },
        { tenant_id: "a", model: "m", waiting: 2, scheduled: 1, running: 0, oldest_wait_seconds: 9 },
        { tenant_id: "b", model: "m", waiting: 0, scheduled: 0, running: 2, oldest_wait_seconds: null },
      ],
      oldestWaitSeconds: 20,
      waiting: { scheduled: 1 },
      lostLeases: 1,
    });
  });

  it("counts every job in exactly one place", () => {
    const job = fc.record({
      tenant_id: fc.constantFrom("a", "b", '["a'),
      model: fc.constantFrom("m", '"]', "__proto__"),
      status: fc.constantFrom("queued" as const, "in_progress" as const),
      created_at_ms: fc.integer({ min: NOW_MS - 100_000, max: NOW_MS + 100_000 }),
      not_before_ms: fc.option(fc.integer({ min: NOW_MS - 100_000, max: NOW_MS + 100_000 })),
      wake_at_ms: fc.integer({ min: 0, max: 2 * NOW_MS }),
      job_id: fc.constant("j"),
      waiting: fc.constant(null),
    });
    fc.assert(
      fc.property(fc.array(job), (jobs) => {
        const { rows } = backlogOf(jobs, NOW_MS);
        const sum = rows.reduce((total, row) => total + row.waiting + row.scheduled + row.running, 0);
        expect(sum).toBe(jobs.length);
        expect(new Set(rows.map((row) => `${row.tenant_id} ${row.model}`)).size).toBe(rows.length);
      }),
    );
  });
});

describe("in the store", () => {
  afterAll(() => world.close());

  it("only live jobs are counted and read, those first whose time comes first", async () => {
    const nowMs = clock.now();
    const key = async (n: number, wakeMs: number) => {
      const jobId = `job_${String(n).padStart(32, "0")}`;
      const tenantId = n % 2 === 0 ? "team-a" : "team-b";
      const accepted = acceptJob(
        { ...submission, deadlineMs: nowMs + 1e6 },
        { ...by, tenantId, jobId, nowMs, nudgeGraceMs: wakeMs },
      );
      await store.create(accepted, nowMs);
      return accepted.job;
    };
    const jobs = await Promise.all([5, 3, 4, 1, 2].map((n) => key(n, n * 1000)));
    const [ended, started] = jobs;
    if (ended === undefined || started === undefined) throw new Error("no jobs");
    await change(store, ended, clock, (job) =>
      end(draftOf(inState(job, "queued")), { status: "cancelled", nowMs, actor: "c" }),
    );
    await change(store, started, clock, (job) =>
      startAttempt(draftOf(inState(job, "queued")), {
        claimId: "c",
        deployment: { name: "d", provider: "openai", simulated: true },
        requestSha256: "0".repeat(64),
        leaseSeconds: 30,
        nowMs,
        actor: "worker:1",
        reason: null,
      }),
    );
    expect(await liveJobs.count()).toEqual({ queued: 3, running: 1 });
    const soonest = await liveJobs.soonest(10);
    expect(soonest.map((job) => (job.wake_at_ms - nowMs) / 1000)).toEqual([1, 2, 4, 30]);
    expect(soonest[0]).toEqual({
      tenant_id: "team-b",
      job_id: soonest[0]?.job_id,
      waiting: null,
      model: "gpt-sim",
      status: "queued",
      created_at_ms: nowMs,
      not_before_ms: null,
      wake_at_ms: nowMs + 1000,
    });
    expect(await liveJobs.soonest(2)).toEqual(soonest.slice(0, 2));
  });

  it("the sweeper's last round is kept when something happened, and else every five seconds", async () => {
    expect(await rounds.last()).toBeUndefined();
    const quiet: SweepReport = { overdue: 0, nudged: 0, watched: 0, lostLeases: 0 };
    let next: SweepReport | Error = quiet;
    const sweep = toldRounds({
      sweep: () => (next instanceof Error ? Promise.reject(next) : Promise.resolve(next)),
      ...{ rounds, clock, instance: "i" },
    });
    const roundAfter = async (
      seconds: number,
      report: SweepReport | Error,
    ): Promise<SweepRound | undefined> => {
      clock.advance(seconds * 1000);
      next = report;
      await sweep(silent).catch((thrown) => expect(thrown).toBe(report));
      return rounds.last();
    };
    const first = await roundAfter(0, quiet);
    expect(first).toEqual({ at_ms: clock.now(), took_ms: 0, instance: "i", report: quiet, failure: null });
    expect(await roundAfter(4, quiet)).toEqual(first);
    expect((await roundAfter(1, quiet))?.at_ms).toBe(clock.now());
    const busy = { ...quiet, nudged: 3 };
    expect(await roundAfter(1, busy)).toMatchObject({ at_ms: clock.now(), report: busy });
    expect(await roundAfter(1, new StoreUnavailable("away"))).toMatchObject({
      report: null,
      failure: "StoreUnavailable: away",
    });
  });
});
