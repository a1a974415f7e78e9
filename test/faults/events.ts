import type { JobDocument } from "../../shared/azure/cosmos/job-document.ts";
import { hasEnded } from "../../shared/status.ts";
import type { Evidence, Promised } from "./evidence.ts";
import type { ReceivedEvent } from "./receiver.ts";

/** What is to be told of a job: its type and the id that its owner knows; undefined: nothing, or it has not ended. */
export function toldOf(job: JobDocument): { readonly type: string; readonly about: string } | undefined {
  const { status, job_id, as_response, incomplete } = job as JobDocument & { readonly incomplete?: string };
  if (!hasEnded(status) || job.coalesce !== undefined) return undefined;
  if (as_response === undefined) return { type: `job.${status}`, about: job_id };
  if (!as_response.background) return undefined;
  const ended = status === "completed" ? (incomplete === undefined ? status : "incomplete") : status;
  const end = ended === "expired" ? "failed" : ended;
  return { type: `response.${end}`, about: job_id.replace("job_", "resp_") };
}

/** Every end is told, or stands as failed where its owner sees it; nothing else is, and twice only by the same id. */
export function checkEvents(
  { stored, events }: Evidence,
  say: (promise: Promised, jobId: string | null, why: string) => void,
): void {
  if (events === undefined) return;
  const due = new Map(
    stored.flatMap(({ job }): [string, string][] => {
      const told = toldOf(job);
      return told === undefined ? [] : [[`${job.tenant_id} ${told.type} ${told.about}`, job.job_id]];
    }),
  );
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
