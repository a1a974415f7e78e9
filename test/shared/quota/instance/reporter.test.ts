import { expect, it } from "vitest";
import { takenOf } from "../../../../shared/quota/belief/pool.ts";
import { Reporter } from "../../../../shared/quota/instance/reporter.ts";
import type { CallNews, Report, Reports } from "../../../../shared/quota/ports.ts";
import { silent, TestClock } from "../../world.ts";

function setUp() {
  const written: Report[] = [];
  const reports: Reports = {
    write: (report) => {
      written.push(report);
      return Promise.resolve();
    },
    since: () => Promise.resolve(written),
  };
  const clock = new TestClock();
  return { written, clock, reporter: new Reporter({ reports, clock, log: silent, instance: "one" }) };
}

const free = { requests: null, tokens: null, not_before_ms: 0 };
const news = (jobId: string, outcome: CallNews["outcome"] = "ok"): CallNews => ({
  ...{ deployment: "one", job_id: jobId, taken: takenOf(free, 10, 0), outcome, latency_ms: 1, sent_ms: 0 },
  ...{ headers: { requests: null, tokens: null }, retry_after_ms: null },
});
/** Writes follow each other: all that was due has been begun. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

it("tells of several calls a second after the first, of fewer with those of another second", async () => {
  const { written, clock, reporter } = setUp();
  for (const id of ["a", "b", "c", "d"]) void reporter.heard(news(id));
  clock.advance(1_000);
  await settled();
  expect(written.map((report) => report.news.length)).toEqual([4]);
  void reporter.heard(news("e"));
  clock.advance(1_500);
  await settled();
  expect(written).toHaveLength(1);
  void reporter.heard(news("f"));
  clock.advance(2_499);
  await settled();
  expect(written).toHaveLength(1);
  clock.advance(1);
  await settled();
  expect(written.map(({ news: told }) => told.at(-1)?.job_id)).toEqual(["d", "f"]);
  clock.advance(10_000);
  await settled();
  expect(written).toHaveLength(2);
});

it("keeps what is not worth a report of its own for the next one", async () => {
  const { written, clock, reporter } = setUp();
  reporter.keep(news("a"));
  clock.advance(60_000);
  await reporter.flush();
  expect(written).toEqual([]);
  await reporter.heard(news("b", "failed"));
  expect(written.map(({ news: told }) => told.map(({ job_id }) => job_id))).toEqual([["a", "b"]]);
});

it("tells what it has left when it is asked to, and that once", async () => {
  const { written, clock, reporter } = setUp();
  void reporter.heard(news("a"));
  await reporter.flush();
  await reporter.flush();
  clock.advance(10_000);
  await settled();
  expect(written).toHaveLength(1);
});

it("tells at once of a call that went wrong, and of all before it", async () => {
  const { written, reporter } = setUp();
  void reporter.heard(news("a"));
  await reporter.heard(news("b", "refused"));
  expect(written.map(({ news: told }) => told.map(({ job_id }) => job_id))).toEqual([["a", "b"]]);
});
