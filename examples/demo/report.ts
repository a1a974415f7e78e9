import type { AuditRecord, Batch, Comparison } from "./api.ts";
import { chainFaults } from "./audit-chain.ts";
import { shown, sum } from "./money.ts";
import { answerOf, latencyOf, type Outcome } from "./outcome.ts";
import { type Column, table } from "./table.ts";

const MONEY_DECIMALS = 6;
const SHOWN_HASH_CHARS = 8;

const ANSWERS: readonly Column[] = [
  { title: "prompt" },
  { title: "lab" },
  { title: "answer", flexible: true },
  { title: "latency", align: "right" },
  { title: "tokens", align: "right" },
  { title: "cost", align: "right" },
];

/** Every answer, shortened; a prompt's name stands once. */
export function answersTable(outcomes: readonly Outcome[], width: number): string {
  let last = "";
  const rows = outcomes.map(({ prompt, lab, job, audit }) => {
    const name = prompt.id === last ? "" : prompt.id;
    last = prompt.id;
    const answer = job.status === "completed" ? answerOf(job) : `${job.status}: ${job.error?.message ?? ""}`;
    return [
      name,
      lab,
      answer,
      seconds(latencyOf(audit)),
      String(job.usage?.total_tokens ?? "–"),
      money(job.cost?.amount),
    ];
  });
  return table(ANSWERS, rows, width);
}

const LABS: readonly Column[] = [
  { title: "lab" },
  { title: "deployment" },
  { title: "completed", align: "right" },
  { title: "median", align: "right" },
  { title: "slowest", align: "right" },
  { title: "input tokens", align: "right" },
  { title: "output tokens", align: "right" },
  { title: "cost", align: "right" },
];

/** A line for each lab, and their sums. */
export function labsTable(outcomes: readonly Outcome[], width: number): string {
  const labs = [...new Set(outcomes.map((outcome) => outcome.lab))];
  const rows = labs.map((lab) =>
    labRow(
      lab,
      outcomes.filter((outcome) => outcome.lab === lab),
    ),
  );
  return table(LABS, [...rows, labRow("all", outcomes)], width);
}

function labRow(lab: string, outcomes: readonly Outcome[]): string[] {
  const deployments = [...new Set(outcomes.map(({ job }) => job.deployment ?? "–"))];
  const completed = outcomes.filter(({ job }) => job.status === "completed").length;
  const latencies = outcomes
    .map(({ audit }) => latencyOf(audit))
    .filter((each) => each !== undefined)
    .sort((a, b) => a - b);
  const total = (of: (outcome: Outcome) => number | null | undefined) =>
    outcomes.reduce((tokens, outcome) => tokens + (of(outcome) ?? 0), 0).toLocaleString("en-US");
  return [
    lab,
    lab === "all" ? "" : deployments.join(", "),
    `${completed}/${outcomes.length}`,
    seconds(latencies[Math.floor(latencies.length / 2)]),
    seconds(latencies.at(-1)),
    total(({ job }) => job.usage?.input_tokens),
    total(({ job }) => job.usage?.output_tokens),
    money(costOf(outcomes)),
  ];
}

/** The sum of jobs in one currency, which all of the demo's have. */
export function costOf(outcomes: readonly Outcome[]): string {
  return sum(outcomes.flatMap(({ job }) => (job.cost === null ? [] : [job.cost.amount])));
}

const COMPARED: readonly Column[] = [
  { title: "model" },
  { title: "answer", flexible: true },
  { title: "latency", align: "right" },
  { title: "tokens", align: "right" },
  { title: "cost", align: "right" },
  { title: "holds the schema" },
];

/** The answers of a comparison side by side. */
export function comparisonTable({ jobs, cost }: Comparison, width: number): string {
  const rows = jobs.map(({ model, job, latency_ms, holds_schema }) => [
    model,
    job === null ? "–" : answerOf(job),
    seconds(latency_ms ?? undefined),
    String(job?.usage?.output_tokens ?? "–"),
    money(job?.cost?.amount),
    holds_schema === null ? "–" : holds_schema ? "yes" : "NO",
  ]);
  return table(COMPARED, [...rows, ["all", "", "", "", money(cost?.amount), ""]], width);
}

/** What came of a batch. */
export function batchSentence({ id, request_counts: counts, costs }: Batch): string {
  const cost = costs.map(({ amount }) => money(amount)).join(", ");
  return `The batch ${id} (simulated): ${counts.total} lines, ${counts.completed} answered, ${counts.failed} failed; they would have cost ${cost}.`;
}

const AUDIT: readonly Column[] = [
  { title: "seq", align: "right" },
  { title: "at" },
  { title: "event" },
  { title: "actor", flexible: true },
  { title: "deployment" },
  { title: "lab" },
  { title: "tokens", align: "right" },
  { title: "cost", align: "right" },
  { title: "follows" },
  { title: "hash" },
  { title: "verified" },
];

/** One job's history; `follows` and `hash` show how each record holds on to the one before. */
export function auditTable(records: readonly AuditRecord[], width: number): string {
  const faults = chainFaults(records);
  const rows = records.map((record, index) => [
    String(record.seq),
    new Date(record.at * 1000).toISOString().slice(11, 19),
    record.event,
    record.actor,
    record.deployment ?? "",
    record.provider ?? "",
    record.usage === null ? "" : String(record.usage.total_tokens),
    record.cost === null ? "" : money(record.cost.amount),
    record.prev_hash.slice(0, SHOWN_HASH_CHARS),
    record.hash.slice(0, SHOWN_HASH_CHARS),
    faults[index] === undefined ? "yes" : "NO",
  ]);
  return table(AUDIT, rows, width);
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? "–" : `${(ms / 1000).toFixed(2)} s`;
}

function money(amount: string | undefined): string {
  return amount === undefined ? "–" : `$${shown(amount, MONEY_DECIMALS)}`;
}
