import type { AuditRecord } from "../../shared/audit/record.ts";
import type { Plan } from "../../shared/job/advance.ts";
import type { InProgress, Job } from "../../shared/job/job.ts";
import type { Draft } from "../../shared/job/life-cycle.ts";
import type { Outcome } from "../../shared/model/outcome.ts";
import { NOW_MS } from "../shared/job/samples.ts";

/** What may still happen; each of these is used up. */
export interface Budget {
  readonly crashes: number;
  /** Writes whose answer is lost: not applied, applied, or applied later. */
  readonly lostAnswers: number;
  readonly lostNudges: number;
  readonly doubledNudges: number;
  readonly renewals: number;
  readonly cancels: number;
  readonly erasures: number;
  readonly repeatedSubmits: number;
  /** Calls refused with 429. */
  readonly refusals: number;
}

/** A fault seeded into the model, so that the check itself is checked. */
export const MUTANTS = [
  "writes_ignore_etags",
  "lost_claim_counts_as_written",
  "claim_is_stored_after_the_call",
  "settles_whoever_holds_the_claim",
  "late_answers_are_dropped",
  "records_are_known_at_the_head_only",
  "cancels_what_has_ended",
  "repeated_submit_starts_anew",
  "no_sweeper",
  "dead_leases_are_not_named",
  "no_dispatcher",
] as const;
export type Mutant = (typeof MUTANTS)[number];

/** One nudge: with the dead lease it names, or the dispatcher's grant, if it has one. */
export type Nudge = LeaseName | "grant" | null;
export interface LeaseName {
  readonly claim_id: string;
  readonly renewals: number;
}

export interface StoredJob {
  readonly job: InProgress;
  readonly version: number;
}
export interface Claim {
  readonly nudge: Nudge;
  readonly stored: StoredJob;
  readonly attempt: number;
  readonly lease: InProgress["lease"];
  readonly superseded: boolean;
}
/** What a write is for: what its process does once it knows what became of it. */
export type Purpose =
  | { readonly kind: "claim"; readonly nudge: Nudge; readonly plan: Plan }
  | { readonly kind: "renew"; readonly claim: Claim }
  | { readonly kind: "settle"; readonly claim: Claim; readonly plan: Plan; readonly outcome: Outcome }
  | { readonly kind: "late"; readonly claim: Claim; readonly outcome: Outcome }
  | { readonly kind: "client"; readonly what: "cancel" | "erase" };

/** Where a process stands between two of its steps; two workers, and the client. */
export type Process =
  | { readonly at: "idle" }
  | { readonly at: "read"; readonly nudge: Nudge }
  | { readonly at: "call"; readonly claim: Claim }
  | {
      readonly at: "late_read";
      readonly claim: Claim;
      readonly outcome: Outcome;
      /** The record of a write before this one, which may have been stored all the same. */
      readonly tried?: AuditRecord | undefined;
    }
  | { readonly at: "client_read"; readonly what: "cancel" | "erase" }
  | { readonly at: "write"; readonly draft: Draft; readonly version: number; readonly purpose: Purpose }
  | {
      readonly at: "check";
      readonly lost: boolean;
      readonly draft: Draft;
      readonly version: number;
      readonly purpose: Purpose;
    };

/** What is stored of the one job. */
export interface Store {
  readonly job: Job | undefined;
  /** The etag. */
  readonly version: number;
  readonly trail: readonly AuditRecord[];
  /** The attempt whose answer is stored. */
  readonly answeredBy: number | undefined;
}

export interface State extends Store {
  readonly nowMs: number;
  readonly nudges: readonly Nudge[];
  readonly processes: readonly Process[];
  /** The sweeper's memory: the lease it saw last. */
  readonly seen: LeaseName | null;
  /** The deployment has refused a call: another needs the dispatcher's grant. */
  readonly isLimited: boolean;
  /** Claims made so far: each has an id of its own. */
  readonly claims: number;
  /** Attempt numbers of the calls that were sent. */
  readonly sent: readonly number[];
  /** Attempts whose answer a worker took in and whose cost is not yet stored; gone when that worker dies. */
  readonly owed: readonly number[];
  /** Writes whose answer was lost and that are still on their way. */
  readonly underWay: readonly { readonly draft: Draft; readonly version: number }[];
  readonly budget: Budget;
}

export interface Step {
  readonly label: string;
  /** False for faults, for what only a client may do, and for the passing of the deadline. */
  readonly progress: boolean;
  readonly state: State;
}

export interface Model {
  readonly budget: Budget;
  readonly maxAttempts: number;
  readonly outcomes: readonly ("retry" | "rejected")[];
  /** Nudges in the queue at a time. */
  readonly maxNudges: number;
  readonly mutant?: Mutant;
}

export const CLIENT = 2;
export const IDLE: Process = { at: "idle" };
export const GRACE_MS = 10_000;
/** Longer than any lease, back-off or grace. */
export const TICK_MS = 100_000_000;
export const DEADLINE_MS = NOW_MS + 1e12;

export function initial(model: Model): State {
  return {
    ...{ nowMs: NOW_MS, job: undefined, version: 0, trail: [], answeredBy: undefined },
    ...{
      nudges: [],
      processes: [IDLE, IDLE, IDLE],
      seen: null,
      isLimited: false,
      claims: 0,
      sent: [],
      owed: [],
      underWay: [],
    },
    budget: model.budget,
  };
}

/** The state with this process elsewhere, and what else changed. */
export const set = (s: State, index: number, process: Process, change: Partial<State> = {}): State => ({
  ...s,
  ...change,
  processes: s.processes.map((each, at) => (at === index ? process : each)),
});
export const spend = (s: State, what: keyof Budget): Budget => ({ ...s.budget, [what]: s.budget[what] - 1 });
