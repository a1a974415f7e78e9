import { isEnded, type Job, leaseOf } from "../../shared/job/job.ts";
import type { Claim, Nudge, Process, State } from "./state.ts";
import { applied } from "./store.ts";

/**
 * What tells two states apart for all that can still happen. Times count only as «has come» or «has not», versions as
 * «is the one stored» or «is not», claims by the order in which they are met, hashes not at all.
 */
export function keyOf(s: State): string {
  const names = new Map<string, number>();
  const name = (id: string) => {
    const known = names.get(id) ?? names.size;
    names.set(id, known);
    return `${known}`;
  };
  return [
    jobKey(s.job, s, name),
    s.trail.map(({ event, attempt, cost }) => `${event}${attempt}${cost === null ? "" : "$"}`).join(),
    s.answeredBy,
    s.job !== undefined && s.nowMs >= s.job.deadline_ms,
    s.processes.map((process) => processKey(process, s, name)).join("/"),
    s.underWay.map((w) => `${w.version === s.version}${jobKey(w.draft.job, s, name)}`).join("/"),
    s.nudges
      .map((nudge) => nudgeKey(nudge, name))
      .sort()
      .join(),
    nudgeKey(s.seen, name),
    ...[s.sent.join(), s.owed.join(), s.isLimited, Object.values(s.budget).join()],
  ].join("|");
}

type Name = (id: string) => string;

function jobKey(job: Job | undefined, s: State, name: Name): string {
  if (job === undefined) return "";
  const lease = leaseOf(job);
  const wait = job.status === "queued" ? job.waiting : null;
  return [
    ...[
      job.status,
      job.attempts,
      job.attempts_spent,
      job.attempts_lost,
      lease && name(lease.claim_id),
      lease?.renewals,
    ],
    ...[wait?.for === "time" && wait.until_ms > s.nowMs, wait?.for === "quota", job.audit_seq],
    ...(isEnded(job) ? [job.has_response, job.content_deleted] : [job.wake_at_ms > s.nowMs]),
  ].join();
}

const nudgeKey = (nudge: Nudge, name: Name) =>
  nudge === null || nudge === "grant" ? (nudge ?? "-") : `${name(nudge.claim_id)}.${nudge.renewals}`;

function processKey(p: Process, s: State, name: Name): string {
  switch (p.at) {
    case "idle":
      return "";
    case "read":
      return `r${nudgeKey(p.nudge, name)}`;
    case "client_read":
      return p.what;
    case "call":
      return ["call", ...claimKey(p.claim, s, name)].join(":");
    case "late_read":
      return ["late_read", ...claimKey(p.claim, s, name), p.outcome.kind].join(":");
    case "write":
      return ["write", ...writeKey(p, s, name)].join(":");
    case "check":
      return [`check${p.lost}`, ...writeKey(p, s, name)].join(":");
  }
}

function claimKey({ stored, superseded, attempt, nudge }: Claim, s: State, name: Name): string[] {
  return [
    `${stored.version === s.version}${superseded}${attempt}${nudgeKey(nudge, name)}`,
    jobKey(stored.job, s, name),
  ];
}

function writeKey(p: Extract<Process, { at: "write" | "check" }>, s: State, name: Name): string[] {
  const { draft, purpose } = p;
  const parts = [
    jobKey(draft.job, s, name),
    draft.records.map(({ event, attempt }) => `${event}${attempt}`).join(),
    `${p.version === s.version}${applied(s, draft)}${purpose.kind}`,
  ];
  if ("claim" in purpose) parts.push(...claimKey(purpose.claim, s, name));
  if (purpose.kind === "claim") parts.push(nudgeKey(purpose.nudge, name));
  if ("plan" in purpose) parts.push(purpose.plan.next);
  if ("outcome" in purpose) parts.push(purpose.outcome.kind);
  return parts;
}
