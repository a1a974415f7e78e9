import type { Outcome } from "../../model/outcome.ts";
import type { AnswerChecks } from "../../validation/answer-checks.ts";
import { schemaFault, schemaOf, textsOf } from "../../validation/schema.ts";
import type { Job } from "../job.ts";
import type { PreparedRequest } from "./prepared-request.ts";

/** Longer than any sentence that helps. */
const MAX_WHY_CHARS = 300;
const BROKEN = "the answer does not hold the JSON schema that the request asks for";

/** The outcome, and whether its answer holds the schema that the request asks for, where the job wants to know. */
export async function validated(
  checks: AnswerChecks,
  { validate, endpoint }: Job,
  request: PreparedRequest,
  outcome: Outcome,
): Promise<Outcome> {
  if (validate === undefined || outcome.kind !== "completed") return outcome;
  const schema = schemaOf(endpoint, JSON.parse(request.stored.body));
  if (schemaFault(schema) !== undefined) return { ...outcome, validation: "validation_unavailable" };
  const texts = textsOf(endpoint, JSON.parse(outcome.body));
  const verdict = await checks.check({ schema: JSON.stringify(schema), texts });
  if (verdict.kind === "unavailable") return { ...outcome, validation: "validation_unavailable" };
  if (verdict.kind === "valid" || validate === "tell") return { ...outcome, validation: verdict.kind };
  const { statusCode, usage, quota, answeredMs, responseSha256, labCost } = outcome;
  return {
    ...{ kind: "invalid", statusCode, usage },
    message: `${BROKEN}: ${verdict.why.slice(0, MAX_WHY_CHARS)}`,
    // Where it breaks it is named by the answer itself, which the trail outlives.
    trailMessage: BROKEN,
    ...(quota === undefined ? {} : { quota }),
    ...(answeredMs === undefined ? {} : { answeredMs }),
    ...(responseSha256 === undefined ? {} : { responseSha256 }),
    ...(labCost === undefined ? {} : { labCost }),
  };
}
