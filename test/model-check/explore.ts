import { hasEnded } from "../../shared/job/job.ts";
import { steps } from "./protocol.ts";
import { initial, type Model, type State, type Step } from "./state.ts";
import { keyOf } from "./state-key.ts";
import { Violation } from "./store.ts";

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
export function explore(model: Model): Exploration {
  const graph = new Graph();
  let edges = 0;
  let depth = 0;
  const result = (what?: string, trace: readonly string[] = []): Exploration => ({
    ...{ states: graph.size, edges, depth },
    violation: what === undefined ? undefined : { what, trace },
  });
  const first = initial(model);
  let frontier = [{ state: first, id: graph.meet(first, 0, "").id }];
  for (; frontier.length > 0; depth++) {
    const next: typeof frontier = [];
    for (const { state, id } of frontier) {
      const following = stepsOrFault(state, model);
      if (typeof following === "string") return result(following, graph.traceOf(id));
      for (const step of following) {
        edges++;
        const met = graph.meet(step.state, id, step.label);
        if (met.fresh) next.push({ state: step.state, id: met.id });
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

/** The states met, how each was first reached, and which lead to which by progress alone. */
class Graph {
  readonly #known = new Map<string, number>();
  readonly #parents: { readonly from: number; readonly label: string }[] = [];
  readonly #backwards: number[][] = [];
  readonly #ended: number[] = [];

  get size(): number {
    return this.#known.size;
  }

  meet(state: State, from: number, label: string): { readonly id: number; readonly fresh: boolean } {
    const key = keyOf(state);
    const before = this.#known.get(key);
    if (before !== undefined) return { id: before, fresh: false };
    const id = this.#known.size;
    this.#known.set(key, id);
    this.#parents.push({ from, label });
    this.#backwards.push([]);
    if (state.job !== undefined && hasEnded(state.job.status)) this.#ended.push(id);
    return { id, fresh: true };
  }

  leads(from: number, to: number): void {
    this.#backwards[to]?.push(from);
  }

  traceOf(id: number): string[] {
    const trace: string[] = [];
    for (let at = id; at > 0; at = this.#parents[at]?.from ?? 0)
      trace.unshift(this.#parents[at]?.label ?? "");
    return trace;
  }

  /** A state from which no ended one can be reached; -1 without one. */
  stuck(): number {
    const canEnd = new Uint8Array(this.size);
    for (const id of this.#ended) canEnd[id] = 1;
    const stack = [...this.#ended];
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      for (const before of this.#backwards[id] ?? []) {
        if (canEnd[before] === 1) continue;
        canEnd[before] = 1;
        stack.push(before);
      }
    }
    return canEnd.indexOf(0);
  }
}
