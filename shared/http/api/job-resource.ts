import { isEnded, type Job, type StoredResponse } from "../../job/job.ts";

const seconds = (ms: number): number => Math.floor(ms / 1000);
const secondsOrNull = (ms: number | null): number | null => (ms === null ? null : seconds(ms));

/** A job as a client sees it, without its response. Times in Unix seconds. */
export function jobResource(job: Job) {
  const path = `/api/jobs/${job.job_id}`;
  const ended = isEnded(job) ? job : undefined;
  return {
    id: job.job_id,
    object: "job",
    status: job.status,
    endpoint: job.endpoint,
    model: job.model,
    priority: job.priority,
    deployment: job.deployment,
    provider: job.provider,
    simulated: job.simulated,
    attempts: job.attempts,
    created_at: seconds(job.created_at_ms),
    not_before: secondsOrNull(job.not_before_ms),
    started_at: secondsOrNull(job.started_at_ms),
    completed_at: secondsOrNull(ended?.completed_at_ms ?? null),
    deadline: seconds(job.deadline_ms),
    usage: ended?.usage ?? null,
    cost: job.cost,
    error: ended?.error ?? null,
    metadata: job.metadata,
    redriven_from: job.redriven_from ?? null,
    redriven_to: ended?.redriven_to ?? null,
    urls: { get: path, cancel: `${path}/cancel`, audit: `${path}/audit` },
  };
}

/**
 * The whole job as JSON text. The deployment's answer is put in as it came, never parsed and written again, so that
 * its numbers and its hash stay what they were.
 */
export function jobJson(job: Job, response: StoredResponse | null): string {
  const head = JSON.stringify(jobResource(job));
  return `${head.slice(0, -1)},"response":${responseJson(response)}}`;
}

function responseJson(response: StoredResponse | null): string {
  if (response === null) return "null";
  const { status_code, request_id, body } = response;
  return `{"status_code":${status_code},"request_id":${JSON.stringify(request_id)},"body":${body}}`;
}

/** The stored version's etag as HTTP wants it, in quotes. */
export function etagOf(storedEtag: string): string {
  return storedEtag.startsWith('"') ? storedEtag : `"${storedEtag}"`;
}

/** If-None-Match, by RFC 9110: `*`, or a list of tags compared weakly. */
export function matchesEtag(ifNoneMatch: string | null, etag: string): boolean {
  if (ifNoneMatch === null) return false;
  if (ifNoneMatch.trim() === "*") return true;
  const strong = (tag: string) => tag.replace(/^W\//, "");
  return (ifNoneMatch.match(/(?:W\/)?"[^"]*"/g) ?? []).some((tag) => strong(tag) === strong(etag));
}

const POLL_SECONDS = 1;
const MAX_POLL_SECONDS = 60;

/** When to ask again: soon for a job that may end any moment, later for one that waits for a known time. */
export function retryAfterSeconds(job: Job, nowMs: number): number {
  if (isEnded(job)) return 0;
  const retryMs = job.status === "queued" && job.waiting?.for === "time" ? job.waiting.until_ms : 0;
  const dueMs = Math.max(job.not_before_ms ?? 0, retryMs);
  return Math.min(Math.max(Math.ceil((dueMs - nowMs) / 1000), POLL_SECONDS), MAX_POLL_SECONDS);
}
