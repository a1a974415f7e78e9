import { type Endpoint, isEnded, type Job } from "../job/job.ts";
import { addCosts, type Cost } from "../model/cost.ts";
import type { Priority } from "../priority.ts";
import { sha256Hex } from "../sha256.ts";
import type { JobKey } from "../store.ts";

export const MIN_MODELS = 2;
export const MAX_MODELS = 8;

/** One body that is sent to several models: a job for each. Times in Unix ms. */
export interface Comparison extends JobKey {
  /** `cmp_` and 32 hex digits; as the store has it, the name of its place. */
  readonly job_id: string;
  readonly endpoint: Endpoint;
  readonly models: readonly string[];
  readonly priority: Priority;
  readonly metadata: Readonly<Record<string, string>>;
  /** SHA-256 of what was sent, compared when an idempotency key is repeated. */
  readonly envelope_sha256: string;
  /** Who made it, and in whose name its jobs are made. */
  readonly actor: string;
  /** Its jobs say whether their answers hold the body's JSON schema. */
  readonly validated: boolean;
  readonly created_at_ms: number;
  readonly deadline_ms: number;
  readonly content_until_ms: number;
  /** Who cancelled it: whatever of it has not ended is cancelled too. Absent: nobody. */
  readonly cancelled_by?: string;
  /** Absent: its own turn has not seen its end yet. */
  readonly end?: ComparisonEnd;
  /** Who erased it: its request is gone, and the content of its jobs goes. Absent: nobody. */
  readonly erased_by?: string;
  /** When it has its next turn; absent: nothing is left to do. */
  readonly wake_at_ms?: number;
}

export interface ComparisonEnd {
  readonly at_ms: number;
  readonly completed: number;
  readonly failed: number;
  /** Null: not known, or of several currencies. */
  readonly cost: Cost | null;
}

export function comparisonIdOfKey(tenantId: string, idempotencyKey: string): string {
  return `cmp_${sha256Hex(`comparison\u0000${tenantId}\u0000${idempotencyKey}`).slice(0, 32)}`;
}

/** The job of one of its models: always the same, so that making it a second time meets it. */
export function memberKey({ tenant_id, job_id }: JobKey, model: string): JobKey {
  const digest = sha256Hex(JSON.stringify(["member", tenant_id, job_id, model]));
  return { tenant_id, job_id: `job_${digest.slice(0, 32)}` };
}

/** One is counted once it has ended; all but those that completed have failed. */
export function countsOf(jobs: readonly (Job | undefined)[]): Pick<ComparisonEnd, "completed" | "failed"> {
  const ended = jobs.filter((job) => job !== undefined && isEnded(job));
  const completed = ended.filter((job) => job?.status === "completed").length;
  return { completed, failed: ended.length - completed };
}

/** What all of them have cost so far; null: nothing is known, or they are of several currencies. */
export function costOf(jobs: readonly (Job | undefined)[]): Cost | null {
  const costs: (Cost | null)[] = jobs.flatMap((job) => (job?.cost ? [job.cost] : []));
  const currencies = new Set(costs.map((cost) => cost?.currency));
  return currencies.size > 1 ? null : costs.reduce((sum, cost) => addCosts(sum, cost), null);
}
