import type { OutboxItem } from "../job/ending/outbox.ts";
import type { Ended } from "../job/job.ts";
import type { Batch, BatchKey, Progress } from "./batch.ts";

/** Batches as they are stored. Every method throws StoreUnavailable; reads of one also UnreadableItem. */
export interface BatchStore {
  /** False: there is one of this id. @param dueMs when the sweeper looks at it */
  create(batch: Batch, dueMs: number): Promise<boolean>;
  read(key: BatchKey): Promise<StoredBatch | undefined>;
  readProgress(key: BatchKey): Promise<StoredProgress>;
  /** All in one batch; `superseded`: one of them is another by now. @param dueMs null: it has ended */
  write(
    from: StoredBatch,
    batch: Batch,
    dueMs: number | null,
    more?: {
      readonly progress?: { readonly from: StoredProgress; readonly to: Progress } | undefined;
      /** What is told of its end. */
      readonly outbox?: readonly OutboxItem[];
    },
  ): Promise<Written | "superseded">;
  /** Newest first. */
  list(
    tenantId: string,
    filter: {
      readonly limit: number;
      readonly after?: Pick<Batch, "batch_id" | "created_at_ms"> | undefined;
    },
  ): Promise<{ batches: readonly Batch[]; hasMore: boolean }>;
  /** Jobs of lines that have ended since the store's time `sinceTs`, and some before; pages of some hundred. */
  ended(key: BatchKey, sinceTs: number): AsyncGenerator<readonly EndedLine[]>;
  /** Batches whose time has come. */
  due(nowMs: number, limit: number): Promise<readonly StoredBatch[]>;
}

export interface StoredBatch {
  readonly batch: Batch;
  readonly etag: string;
}

export interface StoredProgress {
  readonly progress: Progress;
  /** Undefined: none is stored yet. */
  readonly etag: string | undefined;
}

export interface Written {
  readonly batch: StoredBatch;
  readonly progress: StoredProgress | undefined;
}

export interface EndedLine {
  readonly job: Ended;
  readonly line: number;
  readonly customId: string;
  /** When it was last written, by the store's clock; Unix seconds. */
  readonly writtenTs: number;
}

/** Messages that say «this batch's turn has come». */
export interface BatchTurns {
  /** Throws when Service Bus does not take it. */
  send(turn: BatchTurn, atMs?: number): Promise<void>;
}

export interface BatchTurn extends BatchKey {
  readonly v: number;
  readonly turn: number;
}
