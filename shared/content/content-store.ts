import type { JobKey } from "../store.ts";

/** Where the chunks of a body are, and what they make together. */
export interface Manifest {
  readonly content_id: string;
  readonly count: number;
  /** Of the body as UTF-8. */
  readonly bytes: number;
  /** The same, lower-case hex. */
  readonly sha256: string;
}

/** What a content's item says of its body: the body itself, or its chunks. */
export type BodyFields = { readonly body: string } | { readonly chunks: Manifest };

export interface Put {
  readonly fields: BodyFields;
  /** Chunks that no item names yet: whoever commits them takes their `writing` item away in the same batch. Absent: none. */
  readonly uncommitted?: string;
}

/**
 * Where the bytes of requests and answers lie. Only the store of jobs asks it: a content's item (request or response)
 * goes into the batch that stores its job, is erased in a batch, and lapses by its TTL, whatever this store does.
 */
export interface ContentStore {
  /**
   * Before the batch: stores what has to be there first, and answers what the content's item says of the body. Called
   * again for the same body when the batch is tried again: nothing is then stored twice.
   * @param ttlSeconds from now until the content lapses
   * @throws StoreUnavailable
   */
  put(owner: JobKey, body: string, ttlSeconds: number): Promise<Put>;
  /** What was put before is not to be committed any more: another try stores it anew. */
  forget(contentId: string): void;
  /** The whole body, by what its item says. @throws StoreUnavailable, UnreadableItem where chunks are missing or others */
  read(owner: JobKey, fields: BodyFields): Promise<string>;
  /** Chunks that no item names any more. A second time is no error. @throws StoreUnavailable */
  remove(owner: JobKey, contentId: string): Promise<void>;
}
