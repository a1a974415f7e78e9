import type { ControlRecord, JsonValue } from "../audit/control-record.ts";
import { changeControl } from "../audit/control-trail.ts";
import type { Clock } from "../clock.ts";
import { Problem } from "../errors.ts";
import { billOfCall, mostCostOf } from "../model/bill.ts";
import type { Deployment } from "../model/catalogue.ts";
import type { ModelClient } from "../model/client.ts";
import type { Endpoint } from "../model/endpoint.ts";
import { plausible } from "../model/plausible.ts";
import { protocolFor, readAsk } from "../model/protocol/protocols.ts";
import { sha256Hex } from "../sha256.ts";
import { type Change, type ChangeDeps, OVERRIDES_SCOPE } from "./change-overrides.ts";

export interface TestDeps extends ChangeDeps {
  readonly models: ModelClient;
  readonly clock: Clock;
  readonly newId: () => string;
}

const PROMPT = "Reply with the single word: ok";
/** What is sent, the same for everybody; the model's name is put in as for any job. */
const BODIES: Readonly<Record<Endpoint, (model: string) => object>> = {
  "/v1/chat/completions": (model) => ({ model, messages: [{ role: "user", content: PROMPT }] }),
  "/v1/responses": (model) => ({ model, input: PROMPT }),
  "/v1/embeddings": (model) => ({ model, input: PROMPT }),
};
/** An operator waits for it, and a proxy does not hold a connection for longer than some minutes. */
const PATIENCE_MS = 60_000;

/**
 * Calls a deployment once with a fixed prompt, on the operator's account, whatever is switched off. That it will is on
 * record before the prompt leaves, and what it cost is after. The same change id calls once.
 * @returns the record of the call
 * @throws Problem test_running where another request of the same change id has begun it; StoreUnavailable
 */
export async function testDeployment(
  deps: TestDeps,
  deployment: Deployment,
  by: Change,
): Promise<ControlRecord> {
  const [endpoint = "/v1/chat/completions"] = deployment.endpoints;
  const asked = JSON.stringify(BODIES[endpoint](deployment.model));
  const ask = readAsk(endpoint, () => JSON.parse(asked));
  const body = protocolFor(deployment, endpoint).bodyFor(endpoint, asked, deployment, false);
  const about = { kind: "deployment", name: deployment.name, endpoint, request_sha256: sha256Hex(body) };
  const recorded = (event: "test_started" | "deployment_tested", details: () => ControlRecord["details"]) =>
    changeControl(deps, {
      ...{ scope: OVERRIDES_SCOPE, changeId: `${by.changeId} ${event}`, actor: by.actor, reads: [] },
      decide: () => ({ event, reason: by.reason, details: details(), writes: [] }),
    });
  const started = await recorded("test_started", () => about);
  const running = () => {
    throw new Problem("test_running", "A request with this Idempotency-Key has begun the test.");
  };
  if (started.kind !== "changed" || started.repeated)
    return recordOf(await recorded("deployment_tested", running));
  const abort = new AbortController();
  const cancel = deps.clock.after(PATIENCE_MS, () => abort.abort(`no answer within ${PATIENCE_MS / 1000} s`));
  const startedAt = deps.clock.monotonic();
  const jobId = `test_${deps.newId().replaceAll("-", "")}`;
  const call = { deployment, endpoint, body, tenantId: "operators", jobId, attempt: 1, signal: abort.signal };
  const answered = await deps.models.call(call).finally(cancel);
  const { outcome } = plausible(answered, ask, deployment);
  const bill = billOfCall(outcome, deployment.price);
  const { raw: _, ...usage } = ("usage" in outcome ? outcome.usage : null) ?? {};
  const details = {
    ...{ ...about, outcome: outcome.kind },
    status_code: "statusCode" in outcome ? outcome.statusCode : null,
    message: "message" in outcome ? (outcome.operatorWords ?? outcome.trailMessage ?? outcome.message) : null,
    latency_ms: Math.round(deps.clock.monotonic() - startedAt),
    usage: "usage" in outcome && outcome.usage !== null ? usage : null,
    cost: bill !== undefined && "cost" in bill ? bill.cost : null,
    cost_unknown: bill !== undefined && "unknown" in bill ? bill.unknown : null,
    ...(bill !== undefined && "unknown" in bill ? { may_have_cost: mostCostOf(ask, deployment) } : {}),
    limits: outcome.quota ?? null,
    response_sha256: outcome.responseSha256 ?? null,
  };
  const json = JSON.parse(JSON.stringify(details)) as { readonly [name: string]: JsonValue };
  return recordOf(await recorded("deployment_tested", () => json));
}

function recordOf(outcome: Awaited<ReturnType<typeof changeControl>>): ControlRecord {
  if (outcome.kind !== "changed") throw new TypeError("a test is always on record");
  return outcome.record;
}
