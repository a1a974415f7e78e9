import type { EventType } from "../../event-type.ts";
import type { Ended } from "../job.ts";
import { responseEndOf, responseIdOf } from "../response.ts";

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
  const { job_id, status, as_response, completed_at_ms: at_ms } = job;
  const isPart = job.comparison !== undefined || job.batch_line !== undefined;
  if (job.coalesce !== undefined || isPart) return [];
  if (as_response === undefined) return [{ event: `job.${status}`, about: job_id, at_ms }];
  if (!as_response.background) return [];
  return [{ event: `response.${responseEndOf(job)}`, about: responseIdOf(job_id), at_ms }];
}
