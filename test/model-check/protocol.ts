import type { AuditRecord } from "../../shared/audit/record.ts";
import { acceptJob } from "../../shared/job/accept.ts";
import { advance, type Circumstances, type Plan } from "../../shared/job/advance.ts";
import { afterCall, callFacts, type EndedCall } from "../../shared/job/after-call.ts";
import { hasEnded, type Job, type Lease } from "../../shared/job/job.ts";
import {
  type Draft,
  deleteContent,
  draftOf,
  end,
  renewLease,
  supersedeAttempt,
} from "../../shared/job/life-cycle.ts";
import { movedOn } from "../../shared/job/sweep.ts";
import { takeOver } from "../../shared/job/take-over.ts";
import { parseCatalogue } from "../../shared/model/catalogue.ts";
import type { Outcome } from "../../shared/model/outcome.ts";
import { readAsk } from "../../shared/model/request-ask.ts";
import { by, NOW_MS, submission } from "../shared/job/samples.ts";
import { someTenants } from "../shared/world.ts";
import { isApplied, type Store, violation, write } from "./store.ts";

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
] as const;
export type Mutant = (typeof MUTANTS)[number];

/** One nudge: with the dead lease it names, if it does. */
type Nudge = { readonly claim_id: string; readonly renewals: number } | null;

interface Held {
  readonly job: Job;
  readonly version: number;
}
interface Claim {
  readonly nudge: Nudge;
  readonly held: Held;
  readonly attempt: number;
  readonly lease: Lease;
  readonly superseded: boolean;
}
/** What a write is for: what its process does once it knows what became of it. */
type Purpose =
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

export interface State extends Store {
  readonly nowMs: number;
  readonly nudges: readonly Nudge[];
  readonly processes: readonly Process[];
  /** The sweeper's memory: the lease it saw last. */
  readonly seen: Nudge;
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
  readonly outcomes: readonly ("retry" | "rate_limited" | "rejected")[];
  /** Nudges in the queue at a time. */
  readonly maxNudges: number;
  readonly mutant?: Mutant;
}

const CLIENT = 2;
const IDLE: Process = { at: "idle" };
const GRACE_MS = 10_000;
/** Longer than any lease, back-off or grace. */
const TICK_MS = 100_000_000;
const DEADLINE_MS = NOW_MS + 1e12;

const accepted = acceptJob({ ...submission, model: "m", deadlineMs: DEADLINE_MS }, by);
const ask = readAsk(submission.endpoint, JSON.parse(submission.bodyText));
const tenant = someTenants().get("team-a");
const parsed = parseCatalogue(
  {
    deployments: [
      {
        ...{ name: "d", provider: "openai", model: "m", base_url: "http://127.0.0.1:1/v1" },
        ...{ auth: { kind: "none" }, endpoints: ["/v1/chat/completions"], capabilities: [] },
        price: { currency: "USD", input_per_million: 1, output_per_million: 2 },
        simulated: true,
      },
    ],
    routes: [],
  },
  { settings: {} },
);
if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
const { catalogue } = parsed;
const deployment = catalogue.model("m")?.targets[0]?.deployment;

export function initial(model: Model): State {
  return {
    ...{ nowMs: NOW_MS, job: undefined, version: 0, trail: [], answeredBy: undefined },
    ...{ nudges: [], processes: [IDLE, IDLE, IDLE], seen: null, claims: 0, sent: [], owed: [], underWay: [] },
    budget: model.budget,
  };
}

function outcomeOf(kind: string, attempt: number): Outcome {
  const usage = { input_tokens: 10, output_tokens: 5, total_tokens: 15 };
  const answer = { statusCode: 200, requestId: null, body: `{"attempt":${attempt}}` };
  if (kind === "completed") return { kind, ...answer, usage };
  if (kind === "rejected")
    return { kind, code: "content_filtered", ...answer, statusCode: 400, message: "no", usage: null };
  if (kind === "aborted") return { kind, reason: "deadline" };
  const fault = { statusCode: 500, message: "no", retryAfterMs: null };
  return kind === "rate_limited" ? { kind, ...fault } : { kind: "retry", reason: "server_error", ...fault };
}

const endedCall = (outcome: Outcome): EndedCall => {
  if (deployment === undefined) throw new Error("no deployment");
  return { outcome, deployment, latencyMs: 1 };
};

function circumstances(s: State, model: Model): Circumstances {
  return {
    ...{ nowMs: s.nowMs, actor: "worker:1", catalogue, tenant, ask, maxAttempts: model.maxAttempts },
    ...{ leaseSeconds: 3, nudgeGraceMs: GRACE_MS, random: () => 0 },
    coolingUntilMs: () => undefined,
    latencyMs: () => undefined,
    requestSha256: () => "0".repeat(64),
    newClaimId: () => `claim-${s.claims}`,
  };
}

const set = (s: State, index: number, process: Process, change: Partial<State> = {}): State => ({
  ...s,
  ...change,
  processes: s.processes.map((each, at) => (at === index ? process : each)),
});
const spend = (s: State, what: keyof Budget): Budget => ({ ...s.budget, [what]: s.budget[what] - 1 });

/** Every step that the state allows. */
export function steps(s: State, model: Model): Step[] {
  const found: Step[] = [...surroundings(s, model)];
  s.processes.forEach((process, index) => {
    const name = index === CLIENT ? "client" : `worker ${index + 1}`;
    const add = (what: string, progress: boolean, state: State) =>
      found.push({ label: `${name}: ${what}`, progress, state });
    processSteps(s, model, process, index, add);
    if (index === CLIENT || process.at === "idle" || s.budget.crashes === 0) return;
    // Its nudge's lock lapses, so that it comes again; what it was owed nobody knows.
    const nudge = nudgeOf(process);
    const owed = s.owed.filter((attempt) => attempt !== attemptOf(process));
    add("dies", false, {
      ...set(s, index, IDLE, { budget: spend(s, "crashes"), owed }),
      nudges: [...s.nudges, nudge],
    });
  });
  return found;
}

function claimOf(p: Process): Claim | undefined {
  if (p.at === "call" || p.at === "late_read") return p.claim;
  if ((p.at === "write" || p.at === "check") && "claim" in p.purpose) return p.purpose.claim;
  return undefined;
}
const attemptOf = (p: Process) => claimOf(p)?.attempt;
function nudgeOf(p: Process): Nudge {
  if (p.at === "read") return p.nudge;
  if ((p.at === "write" || p.at === "check") && p.purpose.kind === "claim") return p.purpose.nudge;
  return claimOf(p)?.nudge ?? null;
}

function* surroundings(s: State, model: Model): Generator<Step> {
  const { job, budget, nudges } = s;
  const room = nudges.length < model.maxNudges;
  if (job === undefined) {
    yield { label: "client: submits", progress: true, state: create(s) };
    return;
  }
  if (budget.repeatedSubmits > 0) {
    const again = { ...s, budget: spend(s, "repeatedSubmits") };
    const anew = model.mutant === "repeated_submit_starts_anew" ? create(again) : again;
    yield { label: "client: submits again, with the same key", progress: false, state: anew };
  }
  for (const [what, left] of [["cancel", "cancels"] as const, ["erase", "erasures"] as const]) {
    if (budget[left] > 0 && s.processes[CLIENT]?.at === "idle")
      yield {
        label: `client: asks to ${what}`,
        progress: false,
        state: set(s, CLIENT, { at: "client_read", what }, { budget: spend(s, left) }),
      };
  }
  for (const [at] of nudges.entries()) {
    const rest = nudges.filter((_, index) => index !== at);
    if (budget.lostNudges > 0)
      yield {
        label: "a nudge is lost",
        progress: false,
        state: { ...s, nudges: rest, budget: spend(s, "lostNudges") },
      };
    if (budget.doubledNudges > 0 && room)
      yield {
        label: "a nudge is doubled",
        progress: false,
        state: { ...s, nudges: [...nudges, nudges[at] ?? null], budget: spend(s, "doubledNudges") },
      };
  }
  for (const [at, pending] of s.underWay.entries()) {
    const underWay = s.underWay.filter((_, index) => index !== at);
    const written = write({ ...s, underWay }, pending.draft, pending.version, model);
    yield {
      label: "a write that was given up arrives",
      progress: false,
      state: written ?? { ...s, underWay },
    };
  }
  if (s.nowMs < DEADLINE_MS) {
    yield { label: "the deadline passes", progress: false, state: { ...s, nowMs: DEADLINE_MS } };
    const due = Math.max(job.retry_at_ms ?? 0, job.wake_at_ms ?? 0);
    if (due > s.nowMs && due < DEADLINE_MS)
      yield {
        label: "time passes",
        progress: true,
        state: { ...s, nowMs: Math.max(due, s.nowMs + TICK_MS) },
      };
  } else if ((job.wake_at_ms ?? 0) > s.nowMs) {
    yield { label: "time passes", progress: true, state: { ...s, nowMs: job.wake_at_ms ?? 0 } };
  }
  if (model.mutant !== "no_sweeper" && room && job.wake_at_ms !== undefined && job.wake_at_ms <= s.nowMs)
    yield { label: "the sweeper looks", progress: true, state: sweep(s, job, model) };
}

function create(s: State): State {
  const { job, records } = accepted;
  return { ...s, job, trail: records, version: s.version + 1, nudges: [...s.nudges, null] };
}

function sweep(s: State, job: Job, model: Model): State {
  const { lease } = job;
  if (lease === null) {
    const moved = write(s, draftOf(movedOn(job, s.nowMs, GRACE_MS)), s.version, model) ?? s;
    return { ...moved, nudges: [...s.nudges, null] };
  }
  const seen = { claim_id: lease.claim_id, renewals: lease.renewals };
  if (s.seen?.claim_id !== seen.claim_id || s.seen.renewals !== seen.renewals) return { ...s, seen };
  const nudge = model.mutant === "dead_leases_are_not_named" ? null : seen;
  return { ...s, nudges: [...s.nudges, nudge] };
}

type Add = (what: string, progress: boolean, state: State) => void;

function processSteps(s: State, model: Model, p: Process, index: number, add: Add): void {
  switch (p.at) {
    case "idle":
      if (index === CLIENT) return;
      for (const [at, nudge] of s.nudges.entries()) {
        const rest = s.nudges.filter((_, each) => each !== at);
        add("takes a nudge", true, set(s, index, { at: "read", nudge }, { nudges: rest }));
      }
      return;
    case "read":
      add("reads and decides", true, decide(s, model, index, p.nudge));
      return;
    case "call":
      callSteps(s, model, index, p.claim, add);
      return;
    case "late_read":
      add("reads for a late record", true, lateDraft(s, model, index, p));
      return;
    case "client_read":
      add(`reads to ${p.what}`, true, clientDraft(s, model, index, p.what));
      return;
    case "write":
      writeSteps(s, model, index, p, add);
      return;
    case "check":
      add("reads what became of its write", true, checked(s, model, index, p));
      return;
  }
}

function decide(s: State, model: Model, index: number, nudge: Nudge): State {
  const { job } = s;
  if (job === undefined || hasEnded(job.status)) return set(s, index, IDLE);
  const dead = nudge === null ? {} : { dead_lease: nudge };
  const start = takeOver(job, dead, { nowMs: s.nowMs, actor: "worker:1", nudgeGraceMs: GRACE_MS });
  if (start === undefined) return set(s, index, IDLE);
  const plan = advance(start, circumstances(s, model));
  if (plan.draft.records.length === 0) return set(s, index, IDLE, { nudges: [...s.nudges, nudge] });
  const purpose: Purpose = { kind: "claim", nudge, plan };
  const next = { ...s, claims: s.claims + 1 };
  if (model.mutant === "claim_is_stored_after_the_call" && plan.next.kind === "call")
    return carryOut(next, index, nudge, plan, s.version);
  return set(next, index, { at: "write", draft: plan.draft, version: s.version, purpose });
}

/** What a stored plan says: a call, which must be in the trail by now, or a nudge, or nothing. */
function carryOut(s: State, index: number, nudge: Nudge, plan: Plan, version: number): State {
  const { job } = plan.draft;
  if (plan.next.kind === "nudge") return set(s, index, IDLE, { nudges: [...s.nudges, null] });
  if (plan.next.kind === "done" || job.lease === null) return set(s, index, IDLE);
  const attempt = job.attempts;
  if (
    !s.trail.some((record: AuditRecord) => record.event === "attempt_started" && record.attempt === attempt)
  )
    violation(`attempt ${attempt} is sent before the record that it will be`);
  if (s.sent.includes(attempt)) violation(`attempt ${attempt} is sent twice`);
  const claim = { nudge, held: { job, version }, attempt, lease: job.lease, superseded: false };
  return set(s, index, { at: "call", claim }, { sent: [...s.sent, attempt] });
}

function callSteps(s: State, model: Model, index: number, claim: Claim, add: Add): void {
  const answered = (kind: string) => {
    const outcome = outcomeOf(kind, claim.attempt);
    const paid = kind === "completed" ? [...s.owed, claim.attempt] : s.owed;
    add(
      `its call ends: ${kind}`,
      kind === "completed" || kind === "aborted",
      settle({ ...s, owed: paid }, model, index, claim, outcome),
    );
  };
  answered("completed");
  if (claim.superseded || s.nowMs >= DEADLINE_MS) answered("aborted");
  for (const kind of model.outcomes) answered(kind);
  if (s.budget.renewals === 0 || claim.superseded) return;
  const draft = draftOf(renewLease(claim.held.job, s.nowMs));
  const purpose: Purpose = { kind: "renew", claim };
  add("renews its lease", false, {
    ...set(s, index, { at: "write", draft, version: claim.held.version, purpose }),
    budget: spend(s, "renewals"),
  });
}

function settle(s: State, model: Model, index: number, claim: Claim, outcome: Outcome): State {
  if (claim.superseded) return late(s, model, index, claim, outcome);
  const plan = afterCall(claim.held.job, endedCall(outcome), circumstances(s, model));
  const purpose: Purpose = { kind: "settle", claim, plan, outcome };
  const next = { ...s, claims: s.claims + 1 };
  return set(next, index, { at: "write", draft: plan.draft, version: claim.held.version, purpose });
}

function late(s: State, model: Model, index: number, claim: Claim, outcome: Outcome): State {
  if (model.mutant === "late_answers_are_dropped") return set(s, index, IDLE);
  return set(s, index, { at: "late_read", claim, outcome });
}

/** As change() does: the record of an earlier try is looked for before another is made. */
function lateDraft(s: State, model: Model, index: number, p: Extract<Process, { at: "late_read" }>): State {
  const { job } = s;
  const { claim, outcome, tried } = p;
  if (job === undefined) return set(s, index, IDLE);
  const known = tried !== undefined && s.trail[tried.seq - 1]?.hash === tried.hash;
  if (known && model.mutant !== "records_are_known_at_the_head_only") return set(s, index, IDLE);
  const { attempt, lease } = claim;
  const facts = { attempt, lease, call: callFacts(endedCall(outcome)), nowMs: s.nowMs, actor: "worker:1" };
  const draft = supersedeAttempt(draftOf(job), { ...facts, reason: "late" });
  const purpose: Purpose = { kind: "late", claim, outcome };
  return set(s, index, { at: "write", draft, version: s.version, purpose });
}

function clientDraft(s: State, model: Model, index: number, what: "cancel" | "erase"): State {
  const { job } = s;
  if (job === undefined) return set(s, index, IDLE);
  const who = { nowMs: s.nowMs, actor: "client" };
  let draft: Draft | undefined;
  if (what === "erase" && hasEnded(job.status) && !job.content_deleted)
    draft = deleteContent(draftOf(job), who);
  if (what === "cancel" && !hasEnded(job.status)) draft = end(draftOf(job), { status: "cancelled", ...who });
  else if (what === "cancel" && model.mutant === "cancels_what_has_ended" && job.status !== "cancelled")
    draft = end(draftOf({ ...job, status: "queued" }), { status: "cancelled", ...who });
  if (draft === undefined) return set(s, index, IDLE);
  return set(s, index, { at: "write", draft, version: s.version, purpose: { kind: "client", what } });
}

function writeSteps(
  s: State,
  model: Model,
  index: number,
  p: Extract<Process, { at: "write" }>,
  add: Add,
): void {
  const check = (state: State, lost: boolean) => set(state, index, { ...p, at: "check", lost });
  const written = write(s, p.draft, p.version, model);
  if (written === undefined) add("its write is refused", true, check(s, false));
  else add("its write is stored", true, after(written, model, index, p, { version: written.version }));
  if (s.budget.lostAnswers === 0) return;
  const budget = spend(s, "lostAnswers");
  const blind = model.mutant === "lost_claim_counts_as_written" && p.purpose.kind === "claim";
  const lost = (state: State) =>
    blind ? after(state, model, index, p, { version: state.version }) : check(state, true);
  add("its write is lost", false, lost({ ...s, budget }));
  if (written === undefined) return;
  add("its write's answer is lost", false, lost({ ...written, budget }));
  const underWay = [...s.underWay, { draft: p.draft, version: p.version }];
  add("its write is given up on its way", false, lost({ ...s, budget, underWay }));
}

/** As save() does: reads, and knows its own write again. */
function checked(s: State, model: Model, index: number, p: Extract<Process, { at: "check" }>): State {
  const { version } = s;
  if (isApplied(s, p.draft, model.mutant)) return after(s, model, index, p, { version });
  if (p.lost && version === p.version) return after(s, model, index, p, "unavailable");
  return after(s, model, index, p, "superseded");
}

type Became = { readonly version: number } | "unavailable" | "superseded";

function after(
  s: State,
  model: Model,
  index: number,
  { draft, version, purpose }: { draft: Draft; version: number; purpose: Purpose },
  became: Became,
): State {
  switch (purpose.kind) {
    case "claim":
      if (became === "superseded") return set(s, index, IDLE);
      // It throws, and the nudge comes again.
      if (became === "unavailable") return set(s, index, IDLE, { nudges: [...s.nudges, purpose.nudge] });
      return carryOut(s, index, purpose.nudge, purpose.plan, became.version);
    case "renew":
      if (became === "unavailable") return set(s, index, { at: "call", claim: purpose.claim });
      if (became === "superseded")
        return set(s, index, { at: "call", claim: adopt(s, model, purpose.claim) });
      return set(s, index, {
        at: "call",
        claim: { ...purpose.claim, held: { job: draft.job, version: became.version } },
      });
    case "settle":
      if (became === "unavailable") return set(s, index, { at: "write", draft, version, purpose });
      if (became === "superseded")
        return settle(s, model, index, adopt(s, model, purpose.claim), purpose.outcome);
      return carryOut(s, index, purpose.claim.nudge, purpose.plan, became.version);
    case "late":
      if (became === "superseded")
        return set(s, index, {
          at: "late_read",
          claim: purpose.claim,
          outcome: purpose.outcome,
          tried: draft.records.at(-1),
        });
      if (became !== "unavailable") return set(s, index, IDLE);
      // It throws: what it was owed nobody will store.
      return set(s, index, IDLE, {
        nudges: [...s.nudges, purpose.claim.nudge],
        owed: s.owed.filter((attempt) => attempt !== purpose.claim.attempt),
      });
    case "client":
      if (became === "superseded") return set(s, index, { at: "client_read", what: purpose.what });
      return set(s, index, IDLE);
  }
}

/** As Claim does: goes on with a newer version while it is still this claim's. */
function adopt(s: State, model: Model, claim: Claim): Claim {
  const { job, version } = s;
  const mine = job?.lease?.claim_id === claim.lease.claim_id;
  const whose = model.mutant === "settles_whoever_holds_the_claim" && job?.lease !== null;
  if (job === undefined || !(mine || whose)) return { ...claim, superseded: true };
  return { ...claim, held: { job, version } };
}
