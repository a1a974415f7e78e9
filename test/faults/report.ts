import { hasEnded } from "../../shared/job/job.ts";
import type { CampaignReport } from "./campaign.ts";
import type { Evidence } from "./evidence.ts";

/** Violations printed of a run: the first ones say what the others say. */
const MAX_LINES = 40;

/** A run's summary as a table of lines. */
export function printReport(seed: number, report: CampaignReport, say: (line: string) => void): void {
  const { evidence, tally, violations, latencies, seconds } = report;
  const row = (name: string, value: string | number) => say(`  ${name.padEnd(52)} ${value}`);
  say(`seed ${seed}, ${seconds.toFixed(0)} s`);
  for (const [name, times] of [...tally.counts].sort()) row(name, times);
  row("processes killed", tally.kills);
  const accepted = evidence.submissions.filter((s) => s.answers.some((a) => a.status === 202));
  row("jobs wanted / accepted", `${evidence.submissions.length} / ${accepted.length}`);
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
  for (const event of [
    "attempt_started",
    "attempt_failed",
    "attempt_lost",
    "attempt_superseded",
    "waiting",
  ] as const)
    row(`records ${event}`, events.get(event)?.length ?? 0);
  row("calls the models counted", evidence.calls.length);
  const at = (share: number) =>
    `${((latencies[Math.floor(latencies.length * share)] ?? 0) / 1000).toFixed(1)} s`;
  row("from 202 to the end, p50 / p95 / longest", `${at(0.5)} / ${at(0.95)} / ${at(0.9999)}`);
  const lost = lostSeconds(evidence).sort((a, b) => a - b);
  const lostAt = (share: number) => `${lost[Math.floor(lost.length * share)] ?? 0} s`;
  row(
    "lost attempts, from start to found, p50 / p95 / longest",
    `${lostAt(0.5)} / ${lostAt(0.95)} / ${lostAt(0.9999)}`,
  );
  row("promises broken", violations.length);
  for (const { promise, jobId, why } of violations.slice(0, MAX_LINES))
    say(`    ${promise}: ${jobId ?? ""} ${why}`);
}

/** From a lost attempt's start until it was found lost: its call until the kill, and the recovery. */
function lostSeconds({ stored }: Evidence): number[] {
  return stored.flatMap(({ trail }) =>
    trail.flatMap((lost) => {
      const started = trail.find((r) => r.event === "attempt_started" && r.attempt === lost.attempt);
      return lost.event === "attempt_lost" && started !== undefined ? [lost.at - started.at] : [];
    }),
  );
}

const isLost = ({ status }: { status: number | null }) => status === null || status >= 500;
