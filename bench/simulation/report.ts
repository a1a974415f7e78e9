import { head, percentile, row } from "../measure.ts";
import { CLASSES, PRIORITIES } from "./figures.ts";
import type { Run } from "./run.ts";

const seconds = (value: number) => (value < 100 ? value.toFixed(1) : value.toFixed(0));
const percent = (value: number) => (Number.isNaN(value) ? "-" : `${(value * 100).toFixed(1)} %`);
const index = (value: number) => (Number.isNaN(value) ? "-" : value.toFixed(3));

/** All that a run shows, as Markdown. */
export function report(run: Run): void {
  const { scenario, counts, figures } = run;
  const each = (count: number, digits = 2) => (count / scenario.jobs).toFixed(digits);
  console.log(`\n### ${scenario.name}, seed ${run.seed}: ${scenario.what}\n`);
  head("measure", "value");
  row("jobs, tenants, deployments, instances", sizesOf(run));
  row("completed, failed, expired early", `${counts.done}, ${counts.failed}, ${counts.late}`);
  row("took (virtual)", `${(run.seconds / 60).toFixed(1)} min`);
  row("most jobs waiting at once", run.mostWaiting);
  row("quota used while jobs waited for it", percent(run.utilisation));
  row("calls refused (429) a job", each(counts.refused, 4));
  row("calls failed a job", each(counts.failedCalls, 4));
  row("fairness (Jain): lowest, median", `${index(run.jainLowest)}, ${index(run.jainMedian)}`);
  row("of so many windows", figures.jain.length);
  row("Cosmos writes a job: jobs' own", each(counts.jobWrites));
  row("quota's share; items in its batches", `${each(counts.quotaWrites)}; ${each(counts.poolItems)}`);
  row(
    "Cosmos reads a job: workers', dispatcher's queries",
    `${each(counts.jobReads)}, ${each(counts.queries)}`,
  );
  row("Service Bus messages sent a job", each(counts.nudges));
  row("CPU of the scheduler a job (this machine)", `${(run.schedulerCpuMs / scenario.jobs).toFixed(4)} ms`);
  console.log("");
  waits(run);
}

function sizesOf({ scenario }: Run): string {
  const { jobs, tenants, deployments, instances } = scenario;
  return [jobs, tenants, deployments, instances].map((each) => each.toLocaleString("en")).join(", ");
}

function waits({ figures }: Run): void {
  head("waiting, s", "jobs", "p50", "p95", "p99");
  const classes = CLASSES.flatMap((each) => [each, ...PRIORITIES.map((priority) => `${each}, ${priority}`)]);
  for (const name of ["all", ...classes]) {
    const sorted = (figures.waits[name] ?? []).toSorted((a, b) => a - b);
    if (sorted.length === 0) continue;
    const at = (share: number) => seconds(percentile(sorted, share));
    row(name, sorted.length, at(0.5), at(0.95), at(0.99));
  }
}

/** One line a run: whether cost a job stays the same. */
export function scaleHead(): void {
  head(
    "jobs",
    "deployments, instances",
    "most waiting",
    "took, virtual min",
    "quota used",
    "refused a job",
    "Jain lowest",
    "Cosmos writes a job (quota's share)",
    "items in its batches",
    "queries a job",
    "messages a job",
    "scheduler CPU ms a job",
  );
}

export function scaleRow(run: Run): void {
  const { counts, scenario } = run;
  const each = (count: number, digits = 2) => (count / scenario.jobs).toFixed(digits);
  row(
    `${scenario.jobs.toLocaleString("en")}${scenario.bucketsFull === true ? ", buckets full" : ""}`,
    `${scenario.deployments}, ${scenario.instances}`,
    run.mostWaiting.toLocaleString("en"),
    (run.seconds / 60).toFixed(1),
    percent(run.utilisation),
    each(counts.refused, 4),
    index(run.jainLowest),
    `${each(counts.jobWrites + counts.quotaWrites)} (${each(counts.quotaWrites)})`,
    each(counts.poolItems),
    each(counts.queries),
    each(counts.nudges),
    (run.schedulerCpuMs / scenario.jobs).toFixed(4),
  );
}
