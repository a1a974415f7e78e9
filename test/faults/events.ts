import type { JobDocument } from "../../shared/azure/cosmos/job-document.ts";
import { hasEnded } from "../../shared/status.ts";
import type { Evidence, Promised } from "./evidence.ts";
import { type Events, type ReceivedEvent, TENANTS } from "./receiver.ts";

const BATCH_ENDS = new Set(["completed", "failed", "expired", "cancelled"]);

/** What is to be told of a job: its type and the id that its owner knows; undefined: nothing, or it has not ended. */
export function toldOf(job: JobDocument): { readonly type: string; readonly about: string } | undefined {
  const { status, job_id, as_response, incomplete } = job as JobDocument & { readonly incomplete?: string };
  const isPart = job.coalesce !== undefined || job.batch_line !== undefined || job.comparison !== undefined;
  if (!hasEnded(status) || isPart) return undefined;
  if (as_response === undefined) return { type: `job.${status}`, about: job_id };
  if (!as_response.background) return undefined;
  const ended = status === "completed" ? (incomplete === undefined ? status : "incomplete") : status;
  const end = ended === "expired" ? "failed" : ended;
  return { type: `response.${end}`, about: job_id.replace("job_", "resp_") };
}

/** Names of the events that are due, and the job or batch of each. */
function dueOf(stored: Evidence["stored"], { batches }: Events): Map<string, string> {
  const due = new Map<string, string>();
  for (const { job } of stored) {
    const told = toldOf(job);
    if (told !== undefined && TENANTS.includes(job.tenant_id))
      due.set(`${job.tenant_id} ${told.type} ${told.about}`, job.job_id);
  }
  for (const { tenant_id, batch_id, status } of batches)
    if (TENANTS.includes(tenant_id) && BATCH_ENDS.has(status))
      due.set(`${tenant_id} batch.${status} ${batch_id}`, batch_id);
  return due;
}

/** Every end is told, or stands as failed where its owner sees it; nothing else is, and twice only by the same id. */
export function checkEvents(
  { stored, events }: Evidence,
  say: (promise: Promised, jobId: string | null, why: string) => void,
): void {
  if (events === undefined) return;
  const due = dueOf(stored, events);
  const nameOf = ({ tenant, type, about }: ReceivedEvent): string => `${tenant} ${type} ${about}`;
  const heard = Map.groupBy(events.received, nameOf);
  for (const [name, all] of heard) {
    const [first] = all;
    const jobId = first?.about.replace("resp_", "job_") ?? null;
    if (!due.has(name)) say("events_are_true", jobId, `${name} was told, and did not happen`);
    if (all.some(({ isSigned }) => !isSigned)) say("events_are_true", jobId, `${name} came unsigned`);
    if (new Set(all.map(({ id }) => id)).size > 1)
      say("events_are_true", jobId, `${name} came as ${all.map(({ id }) => id).join(", ")}`);
  }
  const failed = new Set(
    events.stored.filter(({ status }) => status === "failed").map(({ job_id }) => job_id),
  );
  for (const [name, jobId] of due)
    if (!heard.has(name) && !failed.has(jobId)) say("events_are_told", jobId, `${name} was never told`);
  for (const { kind, job_id, event, status } of events.stored)
    if (kind === "outbox" || status === "pending")
      say("events_are_told", job_id, `${event} still waits to be told (${kind})`);
}
