import type { OutboxItem } from "../job/ending/outbox.ts";
import type { StoredRequest } from "../job/job.ts";
import type { JobKey, Stored, WriteResult } from "../store.ts";
import type { Comparison } from "./comparison.ts";

/** Every method throws StoreUnavailable, those that read one item UnreadableItem. */
export interface ComparisonStore {
  /** Comparison and request in one batch. */
  create(comparison: Comparison, request: StoredRequest): Promise<WriteResult | { readonly kind: "exists" }>;
  read(key: JobKey): Promise<Stored<Comparison> | undefined>;
  /** Undefined: it was erased, or its time is over. */
  readRequest(key: JobKey): Promise<StoredRequest | undefined>;
  /** The comparison, and in the same batch what is told of its end. */
  write(comparison: Comparison, etag: string, outbox: readonly OutboxItem[]): Promise<WriteResult>;
  /** Whether or not it is still there. */
  eraseRequest(key: JobKey): Promise<void>;
  /** A tenant's, the newest first. @param after only those that come after this one */
  list(
    tenantId: string,
    page: { readonly limit: number; readonly after?: Comparison | undefined },
  ): Promise<{ readonly comparisons: readonly Comparison[]; readonly hasMore: boolean }>;
}
