/** What an answer's headers say of one kind of quota. */
export interface LimitHeaders {
  readonly per_minute: number | null;
  readonly left: number;
  /** Until all is there again, rounded up to seconds as the headers are; null where they do not say. */
  readonly reset_ms: number | null;
}

/** What an answer says of the quota it was let in by, or refused for. */
export interface QuotaHeaders {
  readonly requests: LimitHeaders | null;
  readonly tokens: LimitHeaders | null;
}
