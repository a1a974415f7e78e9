import { addCosts, type Cost } from "../model/cost.ts";
import type { Usage } from "../model/usage.ts";
import type { Status } from "../status.ts";
import { isBilled } from "./billed.ts";
import { isTerminal } from "./chain.ts";
import type { AuditRecord } from "./record.ts";

/** What a job's item says that its records say too. Times in Unix ms. */
export interface JobFigures {
  readonly status: Status;
  readonly model: string;
  readonly envelope_sha256: string;
  readonly created_at_ms: number;
  readonly completed_at_ms: number | null;
  readonly attempts: number;
  readonly deployment: string | null;
  readonly provider: string | null;
  readonly simulated: boolean;
  readonly usage: Usage | null;
  readonly cost: Cost | null;
  readonly has_response: boolean;
  readonly content_deleted: boolean;
}

/** A record, and what is stored beside it so that usage reports find it: not hashed, because it follows from the record. */
export interface ReportedRecord {
  readonly record: AuditRecord;
  readonly billed: unknown;
}

interface Fault {
  readonly seq: number;
  readonly why: string;
}

/** The first figure of the job that its records do not give. @param records of a chain that holds, not empty */
export function figuresFault(job: JobFigures, records: readonly ReportedRecord[]): Fault | undefined {
  const trail = records.map(({ record }) => record);
  const last = trail.at(-1);
  if (last === undefined) return undefined;
  for (const { record, billed } of records) {
    const reported = isBilled(record) ? { at: record.at, model: job.model } : undefined;
    if (!isSame(billed, reported))
      return { seq: record.seq, why: "its `billed` is not what it says of its call" };
  }
  const told = figuresOf(trail);
  const own: Record<keyof typeof told, unknown> = {
    ...job,
    created_at: Math.floor(job.created_at_ms / 1000),
    completed_at: job.completed_at_ms === null ? null : Math.floor(job.completed_at_ms / 1000),
  };
  for (const [name, value] of Object.entries(told))
    if (!isSame(own[name as keyof typeof told], value))
      return { seq: last.seq, why: `the job's ${name} is not what its records give` };
  if (job.status === "completed" && job.has_response === job.content_deleted)
    return { seq: last.seq, why: "the job is completed, and its response neither kept nor erased" };
  return undefined;
}

function figuresOf(trail: readonly AuditRecord[]) {
  const start = trail.findLast(({ event }) => event === "attempt_started");
  const end = trail.find(isTerminal);
  return {
    envelope_sha256: trail[0]?.request_sha256,
    created_at: trail[0]?.at,
    completed_at: end?.at ?? null,
    attempts: trail.filter(({ event }) => event === "attempt_started").length,
    deployment: start?.deployment ?? null,
    provider: start?.provider ?? null,
    simulated: start?.simulated ?? false,
    usage: end?.usage ?? null,
    cost: trail.reduce<Cost | null>((sum, { cost }) => addCosts(sum, cost), null),
    content_deleted: trail.some(({ event }) => event === "content_deleted"),
  };
}

/** By their JSON, whatever the order of fields. What is absent and null is the same. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null)
    return (a ?? null) === (b ?? null);
  const [left, right] = [a, b] as [Record<string, unknown>, Record<string, unknown>];
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].every((name) =>
    isSame(left[name], right[name]),
  );
}
