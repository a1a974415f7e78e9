import type { AuditRecord } from "../../shared/audit/record.ts";
import { advance, type Plan } from "../../shared/job/advance.ts";
import { afterCall, callFacts } from "../../shared/job/after-call.ts";
import { end } from "../../shared/job/ending/end.ts";
import { isEnded } from "../../shared/job/job.ts";
import {
  type Draft,
  deleteContent,
  draftOf,
  renewLease,
  supersedeAttempt,
} from "../../shared/job/life-cycle.ts";
import { adopted } from "../../shared/job/run/claim.ts";
import { takeOver } from "../../shared/job/run/take-over.ts";
import type { Outcome } from "../../shared/model/outcome.ts";
import { reopened } from "../shared/job/samples.ts";
import { circumstances, endedCall, outcomeOf } from "./circumstances.ts";
import {
  CLIENT,
  type Claim,
  DEADLINE_MS,
  GRACE_MS,
  IDLE,
  type Model,
  type Nudge,
  type Process,
  type Purpose,
  type State,
  type Step,
  set,
  spend,
} from "./state.ts";
import { isRecorded, verdict, violation, write } from "./store.ts";
import { surroundings } from "./surroundings.ts";

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
  if (job === undefined || isEnded(job)) return set(s, index, IDLE);
  const isGranted = nudge === "grant";
  const dead = nudge === null || isGranted ? {} : { dead_lease: nudge };
  const start = takeOver(job, dead, {
    nowMs: s.nowMs,
    actor: "worker:1",
    nudgeGraceMs: GRACE_MS,
    random: () => 0,
  });
  if (start === undefined) return set(s, index, IDLE);
  const plan = advance(start, circumstances(s, model, isGranted));
  if (plan.next === "nudge" && plan.draft.records.length === 0)
    return set(s, index, IDLE, { nudges: [...s.nudges, nudge] });
  // In its line already: for the dispatcher to let go.
  if (plan.draft.records.length === 0) return set(s, index, IDLE);
  const purpose: Purpose = { kind: "claim", nudge, plan };
  const next = { ...s, claims: s.claims + 1 };
  if (model.mutant === "claim_is_stored_after_the_call" && plan.next === "call")
    return carryOut(next, index, nudge, plan, s.version);
  return set(next, index, { at: "write", draft: plan.draft, version: s.version, purpose });
}

/** What a stored plan says: a call, which must be in the trail by now, or a nudge, or nothing. */
function carryOut(s: State, index: number, nudge: Nudge, plan: Plan, version: number): State {
  if (plan.next === "nudge") return set(s, index, IDLE, { nudges: [...s.nudges, null] });
  if (plan.next !== "call") return set(s, index, IDLE);
  const { job } = plan.draft;
  const attempt = job.attempts;
  if (
    !s.trail.some((record: AuditRecord) => record.event === "attempt_started" && record.attempt === attempt)
  )
    violation(`attempt ${attempt} is sent before the record that it will be`);
  if (s.sent.includes(attempt)) violation(`attempt ${attempt} is sent twice`);
  const claim = { nudge, stored: { job, version }, attempt, lease: job.lease, superseded: false };
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
  if (s.budget.refusals > 0) {
    const refused = { ...s, isLimited: true, budget: spend(s, "refusals") };
    const outcome = outcomeOf("rate_limited", claim.attempt);
    add("its call is refused", false, settle(refused, model, index, claim, outcome));
  }
  if (s.budget.renewals === 0 || claim.superseded) return;
  const draft = draftOf(renewLease(claim.stored.job, s.nowMs));
  const purpose: Purpose = { kind: "renew", claim };
  add("renews its lease", false, {
    ...set(s, index, { at: "write", draft, version: claim.stored.version, purpose }),
    budget: spend(s, "renewals"),
  });
}

function settle(s: State, model: Model, index: number, claim: Claim, outcome: Outcome): State {
  if (claim.superseded) return late(s, model, index, claim, outcome);
  const plan = afterCall(claim.stored.job, endedCall(outcome), circumstances(s, model));
  const purpose: Purpose = { kind: "settle", claim, plan, outcome };
  const next = { ...s, claims: s.claims + 1 };
  return set(next, index, { at: "write", draft: plan.draft, version: claim.stored.version, purpose });
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
  const known = tried !== undefined && isRecorded(s.trail, tried);
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
  if (what === "erase" && isEnded(job) && !job.content_deleted) draft = deleteContent(draftOf(job), who);
  if (what === "cancel" && !isEnded(job)) draft = end(draftOf(job), { status: "cancelled", ...who });
  else if (what === "cancel" && model.mutant === "cancels_what_has_ended" && job.status !== "cancelled")
    draft = end(draftOf(reopened(job)), { status: "cancelled", ...who });
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
  const became = verdict(s, p, model.mutant);
  return after(s, model, index, p, became === "written" ? { version: s.version } : became);
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
      return set(s, index, { at: "call", claim: adopt(s, model, purpose.claim) });
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
  const current = job === undefined ? undefined : { value: job, etag: String(version) };
  const mine = adopted(current, claim.lease.claim_id);
  if (mine !== undefined) return { ...claim, stored: { job: mine.value, version } };
  const whose = model.mutant === "settles_whoever_holds_the_claim" && job?.status === "in_progress";
  return whose ? { ...claim, stored: { job, version } } : { ...claim, superseded: true };
}
