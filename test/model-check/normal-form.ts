import type { AuditRecord } from "../../shared/audit/record.ts";
import { isEnded, leaseOf } from "../../shared/job/job.ts";
import { type Claim, IDLE, type LeaseName, type Nudge, type Process, type State } from "./state.ts";
import { applied, isRecorded } from "./store.ts";

/**
 * The same state without what can make no difference any more, so that many states are explored as one. Each line
 * here rests on something that, once true, stays true, whatever happens next:
 * - a claim that is not the stored one never is again, for each has an id of its own: who waits to read that it is
 *   lost may have read it already, and a nudge or a sweeper's memory that names it says no more than any other;
 * - a write that names an older version is refused for ever: who waits to be told may have been told already;
 * - an ended job stays ended: nudges, and what only concerns live jobs, come to nothing.
 */
export function normalForm(s: State): State {
  const ended = s.job !== undefined && isEnded(s.job);
  const named = (lease: LeaseName | null) => (!ended && isStored(s, lease) ? lease : null);
  const live = (nudge: Nudge) => (nudge === "grant" ? (ended ? null : nudge) : named(nudge));
  const processes = s.processes.map((process) => withNudge(told(process, s, ended), live));
  return {
    ...s,
    processes,
    nudges: ended ? [] : s.nudges.map(live),
    seen: named(s.seen),
    budget: ended
      ? { ...s.budget, lostNudges: 0, doubledNudges: 0, cancels: 0, repeatedSubmits: 0 }
      : s.budget,
  };
}

const storedLease = ({ job }: State) => (job === undefined ? null : leaseOf(job));

function isStored(s: State, name: LeaseName | null): boolean {
  const lease = storedLease(s);
  return name !== null && lease?.claim_id === name.claim_id && lease.renewals === name.renewals;
}

const isKnown = (s: State, record: AuditRecord | undefined) =>
  record !== undefined && isRecorded(s.trail, record);

const isErased = ({ job }: State) => job !== undefined && isEnded(job) && job.content_deleted;

const isLost = (s: State, claim: Claim) => storedLease(s)?.claim_id !== claim.lease.claim_id;

/** The process once it knows what it can learn at any time from here on, with the same result. */
function told(p: Process, s: State, ended: boolean): Process {
  switch (p.at) {
    case "read":
      return ended ? IDLE : p;
    case "client_read":
      return (p.what === "cancel" && ended) || (p.what === "erase" && isErased(s)) ? IDLE : p;
    case "late_read": {
      const { tried, ...rest } = p;
      return isKnown(s, tried) ? IDLE : rest;
    }
    case "call":
      return isLost(s, p.claim) ? { ...p, claim: { ...p.claim, superseded: true } } : p;
    case "write":
    case "check":
      if (p.version === s.version) return p;
      return applied(s, p.draft) ? { ...p, at: "check", lost: false } : refused(p, s, ended);
    case "idle":
      return p;
  }
}

function refused(p: Extract<Process, { at: "write" | "check" }>, s: State, ended: boolean): Process {
  const { purpose } = p;
  switch (purpose.kind) {
    case "claim":
      return IDLE;
    case "client":
      return told({ at: "client_read", what: purpose.what }, s, ended);
    case "late":
      // Stored, with others' records after it, or it never will be.
      if (isKnown(s, p.draft.records.at(-1))) return IDLE;
      return { at: "late_read", claim: purpose.claim, outcome: purpose.outcome };
    case "renew":
    case "settle": {
      if (!isLost(s, purpose.claim)) return { ...p, at: "check", lost: false };
      const claim = { ...purpose.claim, superseded: true };
      if (purpose.kind === "renew") return { at: "call", claim };
      return { at: "late_read", claim, outcome: purpose.outcome };
    }
  }
}

/** The nudge it would leave behind if it died. */
function withNudge(p: Process, live: (nudge: Nudge) => Nudge): Process {
  if (p.at === "read") return { ...p, nudge: live(p.nudge) };
  if (p.at === "call" || p.at === "late_read")
    return { ...p, claim: { ...p.claim, nudge: live(p.claim.nudge) } };
  if (p.at !== "write" && p.at !== "check") return p;
  const { purpose } = p;
  if (purpose.kind === "claim") return { ...p, purpose: { ...purpose, nudge: live(purpose.nudge) } };
  if (purpose.kind === "client") return p;
  return { ...p, purpose: { ...purpose, claim: { ...purpose.claim, nudge: live(purpose.claim.nudge) } } };
}
