import { isEnded, type Job, leaseOf } from "../../shared/job/job.ts";
import type { Claim, Nudge, Process, State } from "./state.ts";
import { applied } from "./store.ts";

/**
 * What tells two states in normal form apart for all that can still happen. Times count only as «has come» or «has
 * not», versions as «is the one stored» or «is not», claims by the order in which they are met, hashes not at all. Of
 * the trail what is asked of it later: which attempts were told of, and which were paid for. The two workers may
 * change places.
 */
export function reducedKeyOf(s: State): string {
  const [one, other, client] = s.processes;
  if (one === undefined || other === undefined || client === undefined) throw new Error("no two workers");
  if (one.at === "idle" || other.at === "idle")
    return keyWith(s, one.at === "idle" ? [other, one, client] : s.processes);
  const [first, second] = [keyWith(s, s.processes), keyWith(s, [other, one, client])];
  return first < second ? first : second;
}

function keyWith(s: State, processes: readonly Process[]): string {
  const names = new Map<string, number>();
  const name = (id: string) => {
    const known = names.get(id) ?? names.size;
    names.set(id, known);
    return `${known}`;
  };
  return [
    jobKey(s.job, s, name),
    trailKey(s),
    s.answeredBy,
    s.job !== undefined && s.nowMs >= s.job.deadline_ms ? "late" : "",
    processes.map((process) => processKey(process, s, name)).join("/"),
    s.underWay.map((w) => `${w.version === s.version ? "=" : ""}${jobKey(w.draft.job, s, name)}`).join("/"),
    s.nudges
      .map((nudge) => nudgeKey(nudge, name))
      .sort()
      .join(""),
    nudgeKey(s.seen, name),
    ...[s.owed.toSorted().join(""), Number(s.isLimited)],
    Object.values(s.budget).join(""),
  ].join("|");
}

type Name = (id: string) => string;

/** By attempt. Whether one was sent matters until it is told of, and as long as it might be sent again. */
function trailKey(s: State): string {
  const attempts = s.job?.attempts ?? 0;
  let key = "";
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const records = s.trail.filter((record) => record.attempt === attempt);
    const told = records.some(({ event }) => event !== "attempt_started");
    const paid = records.some(({ cost }) => cost !== null);
    const sent = (!told || attempt === attempts) && s.sent.includes(attempt);
    key += `${Number(told) + 2 * Number(paid) + 4 * Number(sent)}`;
  }
  return key;
}

function jobKey(job: Job | undefined, s: State, name: Name): string {
  if (job === undefined) return "";
  if (isEnded(job)) return `${job.status}${Number(job.has_response)}${Number(job.content_deleted)}`;
  const lease = leaseOf(job);
  const holder = lease === null ? "" : `${name(lease.claim_id)}.${lease.renewals}`;
  const wait = job.status === "queued" ? job.waiting : null;
  const retry = wait?.for === "time" && wait.until_ms > s.nowMs;
  const times = Number(retry) + 2 * Number(job.wake_at_ms > s.nowMs) + 4 * Number(wait?.for === "quota");
  return `${job.status}${job.attempts}.${job.attempts_spent}.${job.attempts_lost ?? 0}:${holder}:${times}`;
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
      return `call${claimKey(p.claim, s, name)}`;
    case "late_read":
      return `late${claimKey(p.claim, s, name)}${p.outcome.kind === "completed"}`;
    case "write":
      return `w${writeKey(p, s, name)}`;
    case "check":
      return `c${Number(p.lost)}${writeKey(p, s, name)}`;
  }
}

/** What a superseded claim holds is asked for no more; what a current one holds is the job as it is stored. */
function claimKey({ stored, superseded, attempt, nudge, lease }: Claim, s: State, name: Name): string {
  const who = `${attempt}${nudgeKey(nudge, name)}`;
  if (superseded) return `x${who}`;
  const what = stored.version === s.version ? "=" : jobKey(stored.job, s, name);
  return `${who}:${name(lease.claim_id)}:${what}`;
}

function writeKey(p: Extract<Process, { at: "write" | "check" }>, s: State, name: Name): string {
  const { draft, purpose } = p;
  const parts: string[] = [
    purpose.kind,
    jobKey(draft.job, s, name),
    draft.records.map(({ event, attempt, cost }) => `${event}${attempt}${cost === null ? "" : "$"}`).join(),
    `${Number(p.version === s.version)}${Number(applied(s, draft))}`,
  ];
  if ("claim" in purpose) parts.push(claimKey(purpose.claim, s, name));
  if (purpose.kind === "claim") parts.push(nudgeKey(purpose.nudge, name));
  if ("plan" in purpose) parts.push(purpose.plan.next);
  if (purpose.kind === "settle") parts.push(purpose.outcome.kind);
  return parts.join(":");
}
