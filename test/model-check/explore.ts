import { hasEnded } from "../../shared/job/job.ts";
import { initial, type Model, type Process, type State, steps } from "./protocol.ts";
import { isApplied, Violation } from "./store.ts";

export interface Exploration {
  readonly states: number;
  readonly edges: number;
  readonly depth: number;
  /** The first promise that did not hold, and the steps that led there. */
  readonly violation: { readonly what: string; readonly trace: readonly string[] } | undefined;
}

/**
 * What tells two states apart for all that can still happen. Times count only as «has come» or «has not», versions as
 * «is the one stored» or «is not», claims by the order in which they are met, hashes not at all.
 */
function keyOf(s: State): string {
  const names = new Map<string, number>();
  const name = (id: string | undefined) => {
    if (id === undefined) return "";
    const known = names.get(id) ?? names.size;
    names.set(id, known);
    return `${known}`;
  };
  const job = (j: State["job"]) =>
    j === undefined
      ? ""
      : [
          ...[j.status, j.attempts, j.attempts_spent, name(j.lease?.claim_id), j.lease?.renewals],
          ...[
            (j.retry_at_ms ?? 0) > s.nowMs,
            (j.wake_at_ms ?? Infinity) > s.nowMs,
            j.wake_at_ms === undefined,
          ],
          ...[j.has_response, j.content_deleted, j.audit_seq],
        ].join();
  const nudge = (n: State["seen"]) => (n === null ? "-" : `${name(n.claim_id)}.${n.renewals}`);
  const process = (p: Process): string => {
    if (p.at === "idle") return "";
    if (p.at === "read") return `r${nudge(p.nudge)}`;
    if (p.at === "client_read") return p.what;
    const at = p.at === "check" ? `check${p.lost}` : p.at;
    const parts = [at];
    if ("draft" in p) {
      const applied = isApplied(s, p.draft);
      parts.push(job(p.draft.job), p.draft.records.map(({ event, attempt }) => `${event}${attempt}`).join());
      parts.push(`${p.version === s.version}${applied}${p.purpose.kind}`);
    }
    const claim = "claim" in p ? p.claim : "draft" in p && "claim" in p.purpose ? p.purpose.claim : undefined;
    if (claim !== undefined) {
      const { held, superseded, attempt } = claim;
      parts.push(`${held.version === s.version}${superseded}${attempt}${nudge(claim.nudge)}`, job(held.job));
    }
    if ("draft" in p && p.purpose.kind === "claim")
      parts.push(nudge(p.purpose.nudge), p.purpose.plan.next.kind);
    if ("draft" in p && p.purpose.kind === "settle") parts.push(p.purpose.plan.next.kind);
    const outcome =
      "outcome" in p ? p.outcome : "draft" in p && "outcome" in p.purpose ? p.purpose.outcome : undefined;
    if (outcome !== undefined) parts.push(outcome.kind);
    return parts.join(":");
  };
  return [
    job(s.job),
    s.trail.map(({ event, attempt, cost }) => `${event}${attempt}${cost === null ? "" : "$"}`).join(),
    s.answeredBy,
    s.job !== undefined && s.nowMs >= s.job.deadline_ms,
    s.processes.map(process).join("/"),
    s.underWay.map((w) => `${w.version === s.version}${job(w.draft.job)}`).join("/"),
    s.nudges.map(nudge).sort().join(),
    nudge(s.seen),
    ...[s.sent.join(), s.owed.join(), Object.values(s.budget).join()],
  ].join("|");
}

/** Nothing is on its way, and nobody is at work. */
const isQuiet = (s: State) => s.processes.every(({ at }) => at === "idle") && s.underWay.length === 0;

function quietFault(s: State): string | undefined {
  if (s.job === undefined || !hasEnded(s.job.status) || !isQuiet(s)) return undefined;
  const told = (attempt: number) =>
    s.trail.some((record) => record.attempt === attempt && record.event !== "attempt_started");
  const untold = s.sent.find((attempt) => !told(attempt));
  if (untold !== undefined) return `attempt ${untold} was sent, and no record says what became of it`;
  if (s.owed.length > 0) return `attempt ${s.owed[0]} was answered, and its cost is in no record`;
  return undefined;
}

/**
 * Explores every state that can be reached, breadth first, so that a trace is as short as it can be. Then, backwards
 * from the states in which the job has ended: whether there is one from which it cannot end without a client's, a
 * fault's or the deadline's doing.
 */
export function explore(model: Model): Exploration {
  const known = new Map<string, number>();
  const parents: { from: number; label: string }[] = [];
  const backwards: number[][] = [];
  const ended: number[] = [];
  let frontier: { state: State; id: number }[] = [];
  let edges = 0;
  let depth = 0;
  const traceOf = (id: number, last?: string) => {
    const trace = last === undefined ? [] : [last];
    for (let at = id; at > 0; at = parents[at]?.from ?? 0) trace.unshift(parents[at]?.label ?? "");
    return trace;
  };
  const meet = (state: State, from: number, label: string): { id: number; fresh: boolean } => {
    const key = keyOf(state);
    const before = known.get(key);
    if (before !== undefined) return { id: before, fresh: false };
    const id = known.size;
    known.set(key, id);
    parents.push({ from, label });
    backwards.push([]);
    if (state.job !== undefined && hasEnded(state.job.status)) ended.push(id);
    return { id, fresh: true };
  };
  const result = (what?: string, trace: readonly string[] = []): Exploration => ({
    ...{ states: known.size, edges, depth },
    violation: what === undefined ? undefined : { what, trace },
  });
  const first = initial(model);
  frontier.push({ state: first, id: meet(first, 0, "").id });
  for (; frontier.length > 0; depth++) {
    const next: typeof frontier = [];
    for (const { state, id } of frontier) {
      const fault = quietFault(state);
      if (fault !== undefined) return result(fault, traceOf(id));
      if ((state.job?.attempts_spent ?? 0) > model.maxAttempts)
        return result("more attempts than there may be", traceOf(id));
      let following: ReturnType<typeof steps>;
      try {
        following = steps(state, model);
      } catch (thrown) {
        // The steps of a state are made together: the trace ends with the state before the broken one.
        if (thrown instanceof Violation) return result(thrown.message, traceOf(id));
        throw thrown;
      }
      for (const step of following) {
        edges++;
        const met = meet(step.state, id, step.label);
        if (met.fresh) next.push({ state: step.state, id: met.id });
        if (step.progress) backwards[met.id]?.push(id);
      }
    }
    frontier = next;
  }
  const canEnd = new Uint8Array(known.size);
  const stack = [...ended];
  for (const id of ended) canEnd[id] = 1;
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    for (const before of backwards[id] ?? []) {
      if (canEnd[before] === 1) continue;
      canEnd[before] = 1;
      stack.push(before);
    }
  }
  const stuck = canEnd.indexOf(0);
  return stuck === -1 ? result() : result("the job cannot end from here by itself", traceOf(stuck));
}
