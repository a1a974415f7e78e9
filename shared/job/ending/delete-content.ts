import { Problem } from "../../errors.ts";
import type { EventLogs } from "../../events/event-logs.ts";
import type { JobKey } from "../../store.ts";
import { isEnded } from "../job.ts";
import { deleteContent, draftOf } from "../life-cycle.ts";
import { change } from "../saving.ts";
import { type EndingDeps, jobNotFound } from "./cancel.ts";

/**
 * Erases an ended job's request and response; the audit trail stays. A second time is no error.
 * @throws Problem job_not_found, job_not_ended
 */
export async function deleteJobContent(
  deps: EndingDeps & { readonly events: Pick<EventLogs, "erase"> },
  key: JobKey,
  actor: string,
): Promise<void> {
  const result = await change(deps.store, key, deps.clock, (job) => {
    if (!isEnded(job)) {
      throw new Problem("job_not_ended", `${key.job_id} is ${job.status}; only ended jobs can be deleted.`);
    }
    return job.content_deleted ? undefined : deleteContent(draftOf(job), { nowMs: deps.clock.now(), actor });
  });
  if (result === undefined) throw jobNotFound(key);
  if (result.changed && result.job.streamed === true) await deps.events.erase(key);
}
