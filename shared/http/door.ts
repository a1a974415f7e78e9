import type { z } from "zod";
import type { Problem, ProblemCode } from "../errors.ts";
import type { Answer } from "./answer.ts";

/** A set of routes that speaks one contract: one form of refusals, below paths of its own. */
export interface Door {
  /** The first segments of its paths, `api` or `openai/v1`. */
  readonly prefixes: readonly string[];
  /** Whether the JSON of its reads has an ETag, whatever the route. */
  readonly hasEtags: boolean;
  refusal(problem: Problem, requestId: string): Answer;
  /** What the contract says of its refusals. */
  readonly refusals: {
    readonly type: string;
    readonly schema: z.ZodType;
    readonly statusOf: (code: ProblemCode) => number;
  };
}
