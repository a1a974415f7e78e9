import type { JobKey } from "../store.ts";

/** What a content's item says of its body. Inline: the body itself. */
export interface BodyFields {
  readonly body: string;
}

/**
 * Where the bytes of requests and answers lie. Only the store of jobs asks it: a content's item (request or response)
 * goes into the batch that stores its job, is erased in a batch, and lapses by its TTL, whatever this store does.
 */
export interface ContentStore {
  /**
   * Before the batch: stores what has to be there first, and answers what the content's item says of the body. Called
   * again for the same body when the batch is tried again.
   * @param ttlSeconds from now until the content lapses
   * @throws StoreUnavailable
   */
  put(owner: JobKey, body: string, ttlSeconds: number): Promise<BodyFields>;
  /** The whole body, by what its item says. @throws StoreUnavailable, UnreadableItem */
  read(owner: JobKey, fields: BodyFields): Promise<string>;
}

/** All bodies in their items: two million bytes at most, which bytesTooMany keeps to. */
export const inlineContent: ContentStore = {
  put: (_owner, body) => Promise.resolve({ body }),
  read: (_owner, { body }) => Promise.resolve(body),
};
