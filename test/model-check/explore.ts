import { hasEnded } from "../../shared/status.ts";
import { Graph } from "./graph.ts";
import { normalForm } from "./normal-form.ts";
import { steps } from "./protocol.ts";
import { reducedKeyOf } from "./reduced-key.ts";
import { initial, type Model, type State, type Step } from "./state.ts";
import { keyOf } from "./state-key.ts";
import { Violation } from "./store.ts";

/** Which states count as one. */
export interface Reduction {
  /** Explored in the state's stead. */
  readonly form: (s: State) => State;
  readonly key: (s: State) => string;
}

/** Only states that are the same but for names and clock readings. */
export const IN_FULL: Reduction = { form: (s) => s, key: keyOf };
/** Also those between which nothing that may still happen can tell. */
export const REDUCED: Reduction = { form: normalForm, key: reducedKeyOf };

export interface Exploration {
  readonly states: number;
  readonly edges: number;
  readonly depth: number;
  /** The first promise that did not hold, and the steps that led there. */
  readonly violation: { readonly what: string; readonly trace: readonly string[] } | undefined;
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
export function explore(
  model: Model,
  { form, key }: Reduction = IN_FULL,
  onState: (s: State) => void = () => undefined,
): Exploration {
  const graph = new Graph();
  let edges = 0;
  let depth = 0;
  const result = (what?: string, trace: readonly string[] = []): Exploration => ({
    ...{ states: graph.size, edges, depth },
    violation: what === undefined ? undefined : { what, trace },
  });
  const meet = (state: State, from: number, label: string) => {
    const ended = state.job !== undefined && hasEnded(state.job.status);
    const met = graph.meet(key(state), ended, from, label);
    if (met.fresh) onState(state);
    return met;
  };
  const first = initial(model);
  let frontier = [{ state: first, id: meet(first, 0, "").id }];
  for (; frontier.length > 0; depth++) {
    const next: typeof frontier = [];
    for (const { state, id } of frontier) {
      const allowed = stepsOrFault(state, model);
      if (typeof allowed === "string") return result(allowed, graph.traceOf(id));
      for (const step of allowed) {
        edges++;
        const following = form(step.state);
        const met = meet(following, id, step.label);
        if (met.fresh) next.push({ state: following, id: met.id });
        if (step.progress) graph.leads(id, met.id);
      }
    }
    frontier = next;
  }
  const stuck = graph.stuck();
  return stuck === -1 ? result() : result("the job cannot end from here by itself", graph.traceOf(stuck));
}

/** The promise that does not hold in this state or in a step from it, else its steps. */
function stepsOrFault(state: State, model: Model): readonly Step[] | string {
  const fault = quietFault(state);
  if (fault !== undefined) return fault;
  if ((state.job?.attempts_spent ?? 0) > model.maxAttempts) return "more attempts than there may be";
  try {
    return steps(state, model);
  } catch (thrown) {
    // The steps of a state are made together: the trace ends with the state before the broken one.
    if (thrown instanceof Violation) return thrown.message;
    throw thrown;
  }
}
