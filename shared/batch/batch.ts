import type { Page } from "../files/file.ts";
import { addCosts, type Cost } from "../model/cost.ts";
import type { Endpoint } from "../model/endpoint.ts";
import type { Usage } from "../model/usage.ts";
import { sha256Hex } from "../sha256.ts";

/** Names a batch: it is its tenant's alone. */
export interface BatchKey {
  readonly tenant_id: string;
  readonly batch_id: string;
}

/** As OpenAI has them. */
export const BATCH_STATUSES = [
  ...(["validating", "in_progress", "finalizing", "cancelling"] as const),
  ...(["completed", "failed", "expired", "cancelled"] as const),
] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** What is wrong with a line of its input; `line` from 1. */
export interface BatchFault {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  readonly line: number | null;
}

/** A batch as a client sees it. Times in Unix ms; each stays once it is set. */
export interface Batch extends BatchKey {
  readonly endpoint: Endpoint;
  readonly input_file_id: string;
  /** The batch whose failed lines these are; absent: none. */
  readonly retries?: string;
  readonly completion_window: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Who made it, for the records of its lines. */
  readonly actor: string;
  readonly status: BatchStatus;
  readonly times: Readonly<Partial<Record<`${BatchStatus}_at_ms`, number>>>;
  readonly created_at_ms: number;
  readonly expires_at_ms: number;
  /** Answers are checked against the JSON schemas that its lines ask for; absent: they are not. */
  readonly validate?: true;
  /** Seconds that its results are kept; absent: 30 days. */
  readonly output_expires_after?: number;
  /** Lines of its input; 0 until they are found valid. */
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  /** Those that had not ended in time. */
  readonly expired: number;
  /** Of the lines that have ended; each absent until one told it. */
  readonly usage: BatchUsage;
  /** One for each currency. */
  readonly costs: readonly Cost[];
  /** Lines with a call whose cost is not known. */
  readonly unknown_costs: number;
  /** The lines' states are those of then. */
  readonly counts_as_of_ms: number | null;
  readonly faults: readonly BatchFault[];
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  /** Its turn: a message for another is an old one. */
  readonly turn: number;
}

export interface BatchUsage {
  readonly input_tokens: number;
  readonly cached_tokens: number;
  readonly output_tokens: number;
  readonly reasoning_tokens: number;
  readonly total_tokens: number;
}

export const NO_USAGE: BatchUsage = {
  ...{ input_tokens: 0, cached_tokens: 0, output_tokens: 0, reasoning_tokens: 0, total_tokens: 0 },
};

/** How far a batch has come; it is stored beside it, for it may be large. */
export interface Progress {
  /** Where the next line of its input begins: byte, line from 1, and how many lines came before. */
  readonly cursor: Cursor;
  /** All of its input has been read. */
  readonly isRead: boolean;
  /** Which lines are in one of the two files. */
  readonly reported: LineSet;
  /** What the two files are made of so far. */
  readonly output: readonly Page[];
  readonly errors: readonly Page[];
  /** Lines that ended before were looked at: the store's time, Unix seconds. */
  readonly seen_ts: number;
  /** When lines that are not reported were last looked at, or some were found; Unix ms. */
  readonly checked_at_ms: number;
  /** Which of them is looked at next. */
  readonly check_from: number;
}

export interface Cursor {
  readonly offset: number;
  readonly line: number;
  readonly lines: number;
}

/** Lines by their number from 0: a bit each, so that 100,000 take 12.5 KB. */
export class LineSet {
  readonly #bits: Uint8Array;

  constructor(bits: Uint8Array = new Uint8Array()) {
    this.#bits = bits;
  }

  static of(base64: string): LineSet {
    return new LineSet(Buffer.from(base64, "base64"));
  }

  has(line: number): boolean {
    return ((this.#bits[line >> 3] ?? 0) & (1 << (line & 7))) !== 0;
  }

  with(lines: readonly number[]): LineSet {
    const bits = new Uint8Array(Math.max(this.#bits.length, ...lines.map((line) => (line >> 3) + 1)));
    bits.set(this.#bits);
    for (const line of lines) bits[line >> 3] = (bits[line >> 3] ?? 0) | (1 << (line & 7));
    return new LineSet(bits);
  }

  toString(): string {
    return Buffer.from(this.#bits).toString("base64");
  }
}

export const NOTHING_READ: Progress = {
  ...{ cursor: { offset: 0, line: 1, lines: 0 }, isRead: false, reported: new LineSet() },
  ...{ output: [], errors: [], seen_ts: 0, checked_at_ms: 0, check_from: 0 },
};

const ENDED: ReadonlySet<BatchStatus> = new Set(["completed", "failed", "expired", "cancelled"]);
export const hasBatchEnded = ({ status }: Pick<Batch, "status">): boolean => ENDED.has(status);

/** The batch in another state, since now. */
export function entered(batch: Batch, status: BatchStatus, nowMs: number): Batch {
  return { ...batch, status, times: { [`${status}_at_ms`]: nowMs, ...batch.times } };
}

/** How it ends once all its lines are in its files. */
export function finalStatus({ times, expired }: Batch): "cancelled" | "expired" | "completed" {
  if (times.cancelling_at_ms !== undefined) return "cancelled";
  return expired > 0 ? "expired" : "completed";
}

/** What is counted of a line that has ended. */
export interface LineResult {
  readonly line: number;
  readonly isCompleted: boolean;
  readonly isExpired: boolean;
  readonly usage: Usage | null;
  readonly cost: Cost | null;
  readonly hasUnknownCost: boolean;
}

/** The batch with those lines counted; none of them may have been counted before. */
export function counted(batch: Batch, results: readonly LineResult[], nowMs: number): Batch {
  let { completed, failed, expired, usage, costs, unknown_costs } = batch;
  for (const { isCompleted, isExpired, usage: used, cost, hasUnknownCost } of results) {
    if (isCompleted) completed++;
    else failed++;
    if (isExpired) expired++;
    if (hasUnknownCost) unknown_costs++;
    if (cost !== null) costs = withCost(costs, cost);
    if (used !== null) usage = withUsage(usage, used);
  }
  return { ...batch, completed, failed, expired, usage, costs, unknown_costs, counts_as_of_ms: nowMs };
}

function withCost(costs: readonly Cost[], cost: Cost): readonly Cost[] {
  const known = costs.find(({ currency }) => currency === cost.currency);
  const others = costs.filter((each) => each !== known);
  return [...others, addCosts(known ?? null, cost) ?? cost];
}

function withUsage(sum: BatchUsage, used: Usage): BatchUsage {
  const input_tokens = sum.input_tokens + (used.input_tokens ?? 0);
  const output_tokens = sum.output_tokens + (used.output_tokens ?? 0);
  return {
    input_tokens,
    cached_tokens: sum.cached_tokens + (used.cached_input_tokens ?? 0),
    output_tokens,
    reasoning_tokens: sum.reasoning_tokens + (used.reasoning_tokens ?? 0),
    total_tokens: input_tokens + output_tokens,
  };
}

const idOf = (...parts: (string | number)[]) => sha256Hex(parts.join("\u0000")).slice(0, 32);

/** The job of a line: always the same, so that a page of lines that is made again makes no second one. */
export const jobIdOfLine = ({ tenant_id, batch_id }: BatchKey, line: number): string =>
  `job_${idOf("line", tenant_id, batch_id, line)}`;

/** The files of a batch's results. */
export const resultFileId = ({ tenant_id, batch_id }: BatchKey, which: "output" | "error"): string =>
  `file-${idOf(which, tenant_id, batch_id)}`;

/** `24h`, and any number of minutes, hours or days up to `maxSeconds`. @returns seconds; undefined: it is none */
export function windowSeconds(text: string, maxSeconds: number): number | undefined {
  const [, number = "", unit = ""] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? [];
  const seconds = Number(number) * ({ m: 60, h: 3_600, d: 86_400 }[unit] ?? 0);
  return seconds > 0 && seconds <= maxSeconds ? seconds : undefined;
}
