import { describe, expect, it } from "vitest";
import type { Job, Page } from "../../../console/resources.ts";
import { progressOf } from "../../../console/rows/batch-progress.ts";
import { cancelBody, listParameters } from "../../../console/rows/job-filter.ts";
import { NO_JOBS, refreshed, rowsInView, tookWords, waitWords } from "../../../console/rows/job-list.ts";

const jobs = (...ids: number[]) => ids.map((id) => ({ id: String(id) }) as Job);
const page = (has_more: boolean, ...ids: number[]): Page<Job> => ({
  ...{ data: jobs(...ids), has_more, last_id: ids.length === 0 ? null : String(ids.at(-1)) },
});
const idsOf = (list: { jobs: readonly Job[] }) => list.jobs.map(({ id }) => Number(id));

describe("a list that is read page by page, and again", () => {
  const two = refreshed(refreshed(NO_JOBS, page(true, 9, 8, 7), undefined), page(true, 6, 5, 4), "7");

  it("goes on after its last job", () => {
    expect(idsOf(two)).toEqual([9, 8, 7, 6, 5, 4]);
    expect(two.hasMore).toBe(true);
  });

  it("takes in what is new, and lets go what is no more of it", () => {
    expect(idsOf(refreshed(two, page(true, 11, 10, 9, 7), undefined))).toEqual([11, 10, 9, 7, 6, 5, 4]);
    expect(idsOf(refreshed(two, page(true, 6, 4), "7"))).toEqual([9, 8, 7, 6, 4]);
  });

  it("ends where a page says so, and begins anew where there is a gap", () => {
    expect(refreshed(two, page(false, 6), "7")).toEqual({ jobs: jobs(9, 8, 7, 6), hasMore: false });
    expect(refreshed(two, page(true, 30, 29, 28), undefined)).toEqual({
      jobs: jobs(30, 29, 28),
      hasMore: true,
    });
  });
});

it("only rows in view are in the page, with some to spare", () => {
  expect(rowsInView(0, 360, 36, 10_000)).toEqual({ from: 0, to: 20 });
  expect(rowsInView(36 * 5_000, 360, 36, 10_000)).toEqual({ from: 4_990, to: 5_020 });
  expect(rowsInView(36 * 10_000, 360, 36, 10_000)).toEqual({ from: 9_989, to: 10_000 });
  expect(rowsInView(0, 360, 36, 0)).toEqual({ from: 0, to: 0 });
});

it("a job whose seconds are the same took less than one, and not nothing", () => {
  expect(tookWords({ created_at: 5, completed_at: 5 })).toBe("under 1 s");
  expect(tookWords({ created_at: 5, completed_at: 75 })).toBe("1 min 10 s");
});

it("a wait is told with its deployment", () => {
  const waiting = { reason: "account_empty", deployment: "gpt", since: 0, until: null, ahead: null };
  expect(waitWords({ waiting })).toBe("our account at the lab is empty (gpt)");
  expect(waitWords({ waiting: { ...waiting, reason: "a_new_one", deployment: null } })).toBe("a_new_one");
});

const ANY = { status: "", model: "", tenant: "", batch: "", metadata: "", made: "" };

it("a filter asks for what its visitor may ask", () => {
  const filter = { ...ANY, made: "in the last hour", metadata: "team=search", tenant: "team-a" };
  expect(listParameters(filter, false, 10_000)).toMatchObject({
    created_after: "6400",
    "metadata.team": "search",
  });
  expect(listParameters(filter, true, 10_000)).toEqual({ status: "", model: "", tenant: "team-a" });
});

it("all of a filter may be cancelled, where it is of live jobs and not of all that a tenant has", () => {
  expect(cancelBody({ ...ANY, status: "completed" }, true, 0)).toBeUndefined();
  expect(cancelBody(ANY, false, 0)).toBeUndefined();
  expect(cancelBody({ ...ANY, metadata: "team=search" }, false, 0)).toEqual({ metadata: { team: "search" } });
  expect(cancelBody({ ...ANY, tenant: "team-a" }, true, 0)).toEqual({ filter: { tenant: "team-a" } });
});

it("a batch ends when its pace says, as far as anybody can tell", () => {
  const counts = (completed: number, failed: number) => ({ total: 100, completed, failed });
  const batch = { status: "in_progress", in_progress_at: 0, request_counts: counts(20, 5) };
  expect(progressOf(batch, 50)).toMatchObject({ waiting: 75, secondsLeft: 150 });
  expect(progressOf({ ...batch, request_counts: counts(0, 0) }, 50).secondsLeft).toBeUndefined();
  expect(progressOf({ ...batch, status: "cancelled" }, 50).secondsLeft).toBeUndefined();
});
