import { isEnded, type Job, type Live } from "../../shared/job/job.ts";
import { draftOf } from "../../shared/job/life-cycle.ts";
import { movedOn } from "../../shared/job/sweep/sweep.ts";
import { accepted } from "./circumstances.ts";
import {
  CLIENT,
  DEADLINE_MS,
  GRACE_MS,
  type Model,
  type State,
  type Step,
  set,
  spend,
  TICK_MS,
} from "./state.ts";
import { write } from "./store.ts";

/** What happens around the workers: what the client asks, what becomes of nudges and writes, and the passing of time. */
export function* surroundings(s: State, model: Model): Generator<Step> {
  const { job } = s;
  if (job === undefined) {
    yield { label: "client: submits", progress: true, state: create(s) };
    return;
  }
  yield* asked(s, model);
  yield* nudgesLostOrDoubled(s, model);
  yield* writesArriving(s, model);
  yield* timePassing(s, job);
  const room = s.nudges.length < model.maxNudges;
  if (!room || isEnded(job)) return;
  if (model.mutant !== "no_sweeper" && job.wake_at_ms <= s.nowMs)
    yield { label: "the sweeper looks", progress: true, state: sweep(s, job, model) };
  if (model.mutant !== "no_dispatcher" && job.status === "queued" && job.waiting?.for === "quota")
    yield {
      label: "the dispatcher lets it go",
      progress: true,
      state: { ...s, nudges: [...s.nudges, "grant"] },
    };
}

function* asked(s: State, model: Model): Generator<Step> {
  const { budget } = s;
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
}

function* nudgesLostOrDoubled(s: State, model: Model): Generator<Step> {
  const { budget, nudges } = s;
  const room = nudges.length < model.maxNudges;
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
}

function* writesArriving(s: State, model: Model): Generator<Step> {
  for (const [at, pending] of s.underWay.entries()) {
    const underWay = s.underWay.filter((_, index) => index !== at);
    const written = write({ ...s, underWay }, pending.draft, pending.version, model);
    yield {
      label: "a write that was given up arrives",
      progress: false,
      state: written ?? { ...s, underWay },
    };
  }
}

function* timePassing(s: State, job: Job): Generator<Step> {
  if (s.nowMs < DEADLINE_MS) {
    yield { label: "the deadline passes", progress: false, state: { ...s, nowMs: DEADLINE_MS } };
    const retryMs = job.status === "queued" && job.waiting?.for === "time" ? job.waiting.until_ms : 0;
    const due = isEnded(job) ? 0 : Math.max(retryMs, job.wake_at_ms);
    if (due > s.nowMs && due < DEADLINE_MS)
      yield {
        label: "time passes",
        progress: true,
        state: { ...s, nowMs: Math.max(due, s.nowMs + TICK_MS) },
      };
  } else if (!isEnded(job) && job.wake_at_ms > s.nowMs) {
    yield { label: "time passes", progress: true, state: { ...s, nowMs: job.wake_at_ms } };
  }
}

function create(s: State): State {
  const { job, records } = accepted;
  return { ...s, job, trail: records, version: s.version + 1, nudges: [...s.nudges, null] };
}

function sweep(s: State, job: Live, model: Model): State {
  if (job.status === "queued") {
    const moved = write(s, draftOf(movedOn(job, s.nowMs, GRACE_MS)), s.version, model) ?? s;
    return { ...moved, nudges: [...s.nudges, null] };
  }
  const { claim_id, renewals } = job.lease;
  const seen = { claim_id, renewals };
  if (s.seen?.claim_id !== seen.claim_id || s.seen.renewals !== seen.renewals) return { ...s, seen };
  const nudge = model.mutant === "dead_leases_are_not_named" ? null : seen;
  return { ...s, nudges: [...s.nudges, nudge] };
}
