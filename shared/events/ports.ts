import type { JobKey, Stored, WriteResult } from "../store.ts";

/** One event of a stream, as a door will show it or make others of it. */
export interface NewEvent {
  /** JSON. */
  readonly data: string;
  /** It holds nothing but the usage. */
  readonly isUsage: boolean;
}

/** An event as it stands in the log: its number never changes. */
export interface LoggedEvent {
  /** From 0, without a gap. */
  readonly number: number;
  /** The attempt that it comes from. */
  readonly attempt: number;
  /** Null: the events of that attempt are not gone on with. What it left open is closed here. */
  readonly event: NewEvent | null;
}

/** The end of a log, by whose etag its writers and readers agree. */
export interface LogHead {
  /** Whose it is: another's may not add to it. */
  readonly claim_id: string;
  readonly attempt: number;
  /** The number of the next event. */
  readonly next: number;
  /** Nothing is added any more. */
  readonly ended?: true;
  /** It is being erased: whoever sweeps looks at it from then on. Unix ms. */
  readonly wake_at_ms?: number;
}

/** Where event logs are kept, each beside its job. Every method throws StoreUnavailable; `head` and `read` UnreadableItem. */
export interface EventLogStore {
  head(job: JobKey): Promise<Stored<LogHead> | undefined>;
  /**
   * Events and the head that counts them, in one batch.
   * @param etag of the head that is replaced; undefined: there is none
   * @param untilMs when they lapse, Unix ms
   */
  append(
    job: JobKey,
    head: LogHead,
    events: readonly LoggedEvent[],
    etag: string | undefined,
    untilMs: number,
  ): Promise<WriteResult>;
  /** The next events from this number on, in their order: all of them, or the first of many. */
  read(job: JobKey, from: number): Promise<readonly LoggedEvent[]>;
  /** Removes events of a log that is marked as erased, and the mark with the last of them. */
  erase(job: JobKey): Promise<void>;
  /** Logs that are marked so, and since when. */
  erasing(nowMs: number, limit: number): Promise<readonly JobKey[]>;
}
