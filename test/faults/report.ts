import { hasEnded } from "../../shared/status.ts";
import { AtWork } from "./at-work.ts";
import type { CampaignReport } from "./campaign.ts";
import type { Evidence, StoredJob } from "./evidence.ts";
import { acceptedOf, KINDS, notShown } from "./kinds.ts";

/** Violations printed of a run: the first ones say what the others say. */
const MAX_LINES = 40;

const KNOWN = new Set(KINDS.map(({ name }) => name));

/** A run's summary as a table of lines: every kind of fault with its count, what came of it, what was broken. */
export function printReport(
  seed: number,
  report: CampaignReport,
  say: (line: string) => void,
  isLong = false,
): void {
  const { evidence, tally, violations, latencies, seconds } = report;
  const row = (name: string, value: string | number) => say(`  ${name.padEnd(66)} ${value}`);
  say(`seed ${seed}, ${seconds.toFixed(0)} s`);
  for (const { name, times } of KINDS) row(name, times(report));
  for (const [name, times] of [...tally.counts].sort()) if (!KNOWN.has(name)) row(name, times);
  row("jobs wanted / accepted", `${evidence.submissions.length} / ${acceptedOf(evidence)}`);
  row(
    "submits unanswered or answered 5xx",
    evidence.submissions.flatMap((s) => s.answers).filter(isLost).length,
  );
  const byStatus = Map.groupBy(evidence.stored, ({ job }) => job.status);
  row("jobs by end", [...byStatus].map(([status, jobs]) => `${jobs.length} ${status}`).join(", "));
  row("jobs that have not ended", evidence.stored.filter(({ job }) => !hasEnded(job.status)).length);
  const events = Map.groupBy(
    evidence.stored.flatMap(({ trail }) => trail),
    (record) => record.event,
  );
  for (const event of ["attempt_started", "attempt_failed", "waiting"] as const)
    row(`records ${event}`, events.get(event)?.length ?? 0);
  row("calls the models counted", evidence.calls.length);
  const at = (share: number) =>
    `${((latencies[Math.floor(latencies.length * share)] ?? 0) / 1000).toFixed(1)} s`;
  row("from 202 to the end, p50 / p95 / longest", `${at(0.5)} / ${at(0.95)} / ${at(0.9999)}`);
  const lost = lostAttempts(evidence);
  const atWork = new AtWork(report.output);
  const found = [
    ["lost attempts, from start to found", lost.map(({ from, to }) => to - from)],
    ["of that, with a host and the emulators up", lost.map(({ from, to }) => atWork.seconds(from, to))],
  ] as const;
  for (const [what, seconds] of found) row(`${what}, p50 / p95 / longest`, shares(seconds));
  for (const line of lastToEnd(evidence)) say(`    ${line}`);
  row("promises broken", violations.length);
  for (const { promise, jobId, why } of violations.slice(0, MAX_LINES))
    say(`    ${promise}: ${jobId ?? ""} ${why}`);
  if (isLong) row("not shown", notShown(report).join("; ") || "nothing");
}

/** Jobs whose history is printed: what held up the end of a run. */
const LAST_JOBS = 8;

/** The jobs that ended last, with the seconds from their acceptance to each record. */
function lastToEnd({ stored }: Evidence): string[] {
  const endOf = ({ storedAt }: StoredJob) => storedAt.at(-1) ?? 0;
  const last = [...stored].sort((a, b) => endOf(b) - endOf(a)).slice(0, LAST_JOBS);
  const [latest] = last;
  return last.map((each) => {
    const { trail, storedAt, job } = each;
    const steps = trail.map(({ event, reason }, at) => {
      const seconds = (storedAt[at] ?? 0) - (storedAt[0] ?? 0);
      return `${seconds} ${event}${event === "waiting" ? ` (${reason})` : ""}`;
    });
    const before = latest === undefined ? 0 : endOf(latest) - endOf(each);
    return `${job.model}, ${before} s before the last: ${steps.join(", ")}`;
  });
}

/** From a lost attempt's start until it was found lost, by the store's clock: its call until the kill, and the recovery. */
function lostAttempts({ stored }: Evidence): { from: number; to: number }[] {
  return stored.flatMap(({ trail, storedAt }) =>
    trail.flatMap((lost, at) => {
      if (lost.event !== "attempt_lost") return [];
      const start = trail.findIndex((r) => r.event === "attempt_started" && r.attempt === lost.attempt);
      const [from, to] = [storedAt[start], storedAt[at]];
      return from !== undefined && to !== undefined ? [{ from, to }] : [];
    }),
  );
}

function shares(seconds: readonly number[]): string {
  const sorted = [...seconds].sort((a, b) => a - b);
  const at = (share: number) => `${(sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(0)} s`;
  return `${at(0.5)} / ${at(0.95)} / ${at(0.9999)}`;
}

const isLost = ({ status }: { status: number | null }) => status === null || status >= 500;
