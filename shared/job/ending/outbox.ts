import type { EventType } from "../../event-type.ts";
import type { Ended } from "../job.ts";

/** Something that is to be told of an end, stored in the very batch that ends it and told later by whoever finds it. */
export interface OutboxItem {
  readonly event: EventType;
  /** What it is about, by the id that its owner knows it by. */
  readonly about: string;
  readonly at_ms: number;
}

/**
 * What there is to tell of a job that has ended. A client that waits for the answer on its connection hears of it there,
 * and the end of one of several jobs is told by what they belong to.
 */
export function eventsOf(job: Ended): readonly OutboxItem[] {
  if (job.coalesce !== undefined || job.comparison !== undefined || job.batch_line !== undefined) return [];
  return [{ event: `job.${job.status}`, about: job.job_id, at_ms: job.completed_at_ms }];
}
