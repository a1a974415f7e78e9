import { z } from "zod";
import { MAX_TIME_MS } from "../bounds.ts";
import type { JobKey, Stored, WriteResult } from "../store.ts";

/** What an operator asked for of many jobs or letters at once. It goes on by itself, and can be followed. */
export const OPERATION_KINDS = ["cancel_jobs", "redrive_dead_letters"] as const;

const timeMs = z.number().max(MAX_TIME_MS);
const text = z.string();
export const operationFields = {
  tenant_id: text,
  job_id: text,
  operation: z.looseObject({
    kind: z.enum(OPERATION_KINDS),
    filter: z.looseObject({
      tenant: text.exactOptional(),
      status: z.enum(["queued", "in_progress"]).exactOptional(),
      model: text.exactOptional(),
      job_id: text.exactOptional(),
      reason: text.exactOptional(),
      /** Only letters older than this. */
      before_ms: timeMs.exactOptional(),
      /** Of ended jobs too, each of which makes a new job. */
      new_jobs: z.boolean().exactOptional(),
    }),
    actor: text,
    reason: text.nullable(),
    /** When it was asked for: what came later is none of its business. */
    at_ms: timeMs,
    ended_at_ms: timeMs.exactOptional(),
    /** The operator who ended it before it was done. */
    stopped_by: text.exactOptional(),
    /** What was done, by what it is called. A page that a crash cut off is not among it. */
    counts: z.record(text, z.int().nonnegative()),
    /** The last letter of the page before. */
    after: text.exactOptional(),
  }),
  /** By which they are listed; absent in those of the version before. */
  created_at_ms: timeMs.exactOptional(),
  /** When its turn comes; absent: it has ended. */
  wake_at_ms: timeMs.exactOptional(),
};

export type Operation = Readonly<z.infer<z.ZodObject<typeof operationFields>>>;
export type OperationKind = (typeof OPERATION_KINDS)[number];

/** No tenant can have this id: they begin with a letter or a digit. */
export const OPERATORS = "_operators";
export const operationKey = (id: string): JobKey => ({ tenant_id: OPERATORS, job_id: id });

/** If nobody has gone on with it for so long, the sweeper sees to it. */
export const TURN_MS = 30_000;

/** Every method throws StoreUnavailable, `read` UnreadableItem. */
export interface OperationStore {
  create(operation: Operation): Promise<WriteResult>;
  read(id: string): Promise<Stored<Operation> | undefined>;
  /** The newest. */
  list(limit: number): Promise<readonly Operation[]>;
  write(operation: Operation, etag: string): Promise<WriteResult>;
}
