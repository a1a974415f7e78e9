import type { Problem } from "../errors.ts";
import type { Answer } from "./answer.ts";

/** A set of routes that speaks one contract: one form of refusals, below paths of its own. */
export interface Door {
  /** The first segments of its paths, `api` or `openai/v1`. */
  readonly prefixes: readonly string[];
  refusal(problem: Problem, requestId: string): Answer;
}
