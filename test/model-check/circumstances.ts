import type { Circumstances } from "../../shared/job/advance.ts";
import type { EndedCall } from "../../shared/job/after-call.ts";
import { acceptJob } from "../../shared/job/intake/accept.ts";
import { parseCatalogue } from "../../shared/model/catalogue.ts";
import type { Outcome } from "../../shared/model/outcome.ts";
import { readAsk } from "../../shared/model/protocol/protocols.ts";
import { by, submission } from "../shared/job/samples.ts";
import { tenantsWith } from "../shared/world.ts";
import { DEADLINE_MS, GRACE_MS, type Model, type State } from "./state.ts";

/** The one job of the model, as submit makes it. */
export const accepted = acceptJob({ ...submission, model: "m", deadlineMs: DEADLINE_MS }, by);
const ask = readAsk(submission.endpoint, () => JSON.parse(submission.bodyText));
const tenant = tenantsWith().get("team-a");
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

export function outcomeOf(kind: string, attempt: number): Outcome {
  const usage = { input_tokens: 10, output_tokens: 5, total_tokens: 15 };
  const answer = { statusCode: 200, requestId: null, body: `{"attempt":${attempt}}` };
  if (kind === "completed") return { kind, ...answer, usage };
  if (kind === "rejected")
    return { kind, code: "content_filtered", ...answer, statusCode: 400, message: "no", usage: null };
  if (kind === "aborted") return { kind, reason: "deadline", billed: "maybe" };
  const fault = { statusCode: 500, message: "no", retryAfterMs: null };
  return kind === "rate_limited"
    ? { kind, cause: "rate", ...fault }
    : { kind: "retry", reason: "server_error", billed: "maybe", usage: null, ...fault };
}

export const endedCall = (outcome: Outcome): EndedCall => {
  if (deployment === undefined) throw new Error("no deployment");
  return { outcome, deployment, ask, latencyMs: 1 };
};

/** @param isGranted the dispatcher has let the job go */
export function circumstances(s: State, model: Model, isGranted = false): Circumstances {
  return {
    ...{ nowMs: s.nowMs, actor: "worker:1", catalogue, tenant, ask, maxAttempts: model.maxAttempts },
    // Lost ones have an allowance of their own; as small a one, so that the states have an end.
    ...{ maxLostAttempts: model.maxAttempts },
    ...{ leaseSeconds: 3, nudgeGraceMs: GRACE_MS, random: () => 0 },
    dispatch: { granted: isGranted ? "d" : undefined, late: false, tokens: 1 },
    ...{ over: undefined, callsAnew: false },
    waitCause: () => (s.isLimited && !isGranted ? "rate_limited" : undefined),
    hasServedOthers: () => false,
    latencyMs: () => undefined,
    requestSha256: () => "0".repeat(64),
    newClaimId: () => `claim-${s.claims}`,
  };
}
