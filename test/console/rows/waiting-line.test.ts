import { expect, it } from "vitest";
import type { Job, Waiting } from "../../../console/resources.ts";
import {
  alarmsOf,
  lanesOf,
  MAX_LINE_JOBS,
  oldestFirst,
  readLine,
  remedyOf,
  type Status,
  startOf,
} from "../../../console/rows/waiting-line.ts";

const job = (id: string, waiting: Partial<Waiting> | null, more: Partial<Job> = {}): Job =>
  ({
    ...{ id, tenant_id: "team-a", status: "queued", model: "gpt", priority: "standard", created_at: 50 },
    waiting: waiting && {
      reason: "quota",
      deployment: "east",
      since: 100,
      until: null,
      ahead: null,
      ...waiting,
    },
    ...more,
  }) as Job;

const quota = (perMinute: number | null) => ({
  pool: "east",
  requests: perMinute === null ? null : { per_minute: perMinute, left: 0 },
  tokens: null,
});

it("jobs of one tenant and priority that wait for the same are a lane, told by the one that waits longest", () => {
  const lanes = lanesOf([
    job("late", { since: 300 }),
    job("early", { since: 200 }),
    job("other", { since: 100 }, { tenant_id: "team-b" }),
    job("high", { since: 400 }, { priority: "high" }),
    job("new", null),
  ]);
  expect(
    lanes.map(({ tenant, priority, jobs, since, first }) => [tenant, priority, jobs, since, first]),
  ).toEqual([
    ["team-a", "standard", 1, 50, "new"],
    ["team-b", "standard", 1, 100, "other"],
    ["team-a", "standard", 2, 200, "early"],
    ["team-a", "high", 1, 400, "high"],
  ]);
});

it("a start is told as far as anybody can know it", () => {
  expect(startOf(job("a", null))).toEqual({ kind: "next" });
  expect(startOf(job("a", { ahead: 0 }))).toEqual({ kind: "next" });
  expect(startOf(job("a", { ahead: 3 }))).toEqual({ kind: "unknown" });
  expect(startOf(job("a", { reason: "back_off", until: 130 }))).toEqual({ kind: "at", at: 130 });
});

it("lanes that wait for one deployment share its requests a minute", () => {
  const jobs = [job("a", {}), job("b", {}), job("c", { since: 101 }, { tenant_id: "team-b" })];
  const starts = (perMinute: number | null) =>
    lanesOf(jobs, [{ name: "east", quota: quota(perMinute) }]).map(({ start }) => start);
  const within = { kind: "within", seconds: 3 };
  expect(starts(60)).toEqual([within, within]);
  expect(starts(null)).toEqual([{ kind: "unknown" }, { kind: "unknown" }]);
  expect(lanesOf(jobs)[0]?.start).toEqual({ kind: "unknown" });
});

it("the longest wait is first, and the jobs are left as they are", () => {
  const jobs = [job("b", { since: 9 }), job("a", { since: 3 })];
  expect(oldestFirst(jobs).map(({ id }) => id)).toEqual(["a", "b"]);
  expect(jobs.map(({ id }) => id)).toEqual(["b", "a"]);
});

it("a wait leads to where something can be done about it", () => {
  const lane = { deployment: "a/b", tenant: "team-a" };
  expect(remedyOf({ ...lane, reason: "budget" })?.href).toBe("/console/usage?tenant=team-a");
  expect(remedyOf({ ...lane, reason: "credential_refused" })?.href).toBe("/console/labs/a%2Fb");
  expect(remedyOf({ ...lane, reason: "scheduled" })).toBeUndefined();
});

it("what is wrong with the service itself is said, and nothing else", () => {
  const well: Status = {
    ...{ at: 0, not_read: [], running: 0, lost_leases: 0, dead_letters: { untouched: 0 } },
    backlog: { queued: 0, oldest_wait_seconds: null, exact: true, jobs_read: 0, by_tenant_and_model: [] },
    sweeper: { age_seconds: 3, failure: null },
  };
  expect(alarmsOf(well)).toEqual([]);
  const ill = alarmsOf({
    ...well,
    ...{ not_read: ["dead_letters"], lost_leases: 2, dead_letters: { untouched: 4 } },
    sweeper: { age_seconds: 300, failure: "store" },
  });
  expect(ill).toHaveLength(5);
});

it("a line is read page after page, to its end or to a bound", async () => {
  const lineOf = (jobs: number) => {
    const all = Array.from({ length: jobs }, (_, at) => job(String(at), null));
    return readLine(async (after, limit) => {
      const from = after === undefined ? 0 : Number(after) + 1;
      const data = all.slice(from, from + limit);
      return { data, last_id: data.at(-1)?.id ?? null, has_more: from + limit < jobs };
    });
  };
  expect((await lineOf(0)).jobs).toEqual([]);
  const short = await lineOf(250);
  expect([short.jobs.length, short.hasMore]).toEqual([250, false]);
  const long = await lineOf(MAX_LINE_JOBS + 1);
  expect([long.jobs.length, long.hasMore]).toEqual([MAX_LINE_JOBS, true]);
});
