import { expect, it } from "vitest";
import { campaign } from "./campaign.ts";
import { printReport } from "./report.ts";

/** The short form of `npm run test:faults`: some of every kind of fault, in a time that every test run can bear. */
it("keeps every promise while its processes are killed at random moments", {
  timeout: 240_000,
  tags: ["long"],
}, async () => {
  // The same plan in every run, so that a failure is a change's doing; `npm run test:faults` takes a fresh seed.
  const seed = 1;
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const report = await campaign({
    ...{ seed, jobs: 30, kills: 3, others: 2, instances: 3 },
    ...{ inFlight: 24, paceMs: 0, isLong: false, say },
  });
  printReport(seed, report, say);
  const what = report.violations.length === 0 ? "" : `${lines.join("\n")}\n${report.output}`;
  expect(report.violations, what).toEqual([]);
  expect(report.tally.kills).toBeGreaterThan(0);
  expect(report.evidence.calls.length).toBeGreaterThan(0);
});
