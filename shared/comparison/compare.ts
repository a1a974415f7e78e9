import { type Fault, Problem } from "../errors.ts";
import { keptUntil } from "../job/intake/accept.ts";
import { modelRefusal } from "../job/intake/admission.ts";
import type { IntakeDeps, SubmittedBy } from "../job/intake/intake.ts";
import { submitJob } from "../job/intake/submit.ts";
import { defaultDeadlineMs } from "../job/intake/times.ts";
import type { StoredRequest } from "../job/job.ts";
import { withNamedModel } from "../model/named-model.ts";
import { type Stored, StoreUnavailable } from "../store.ts";
import { schemaFault, schemaOf } from "../validation/schema.ts";
import { type Comparison, comparisonIdOfKey, memberKey } from "./comparison.ts";
import type { ComparisonStore } from "./ports.ts";

export interface CompareDeps {
  readonly comparisons: ComparisonStore;
  readonly intake: Omit<IntakeDeps, "heldCalls">;
  readonly randomHex: (bytes: number) => string;
}

/** What a client asks to be compared. */
export interface Compare extends Pick<Comparison, "endpoint" | "models" | "priority" | "metadata"> {
  /** The request without its model. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly bodyText: string;
  readonly envelopeSha256: string;
  readonly idempotencyKey: string | null;
  /** Null: the service's default. */
  readonly deadlineMs: number | null;
  /** What the door refuses it for by now. A comparison that this very request made before is still its answer. */
  readonly refusal: Problem | undefined;
}

/** After this time its own turn finds what a crash has left undone; each job's end gives it a turn as well. */
export const TURN_MS = 30_000;
const CREATE_TRIES = 2;

/**
 * Makes a comparison: stored with its request before any of its jobs is, so that a crash leaves none of them alone.
 * @throws Problem invalid_request with a fault for each model that cannot serve the body; budget_exceeded,
 *   idempotency_key_reused
 * @throws StoreUnavailable
 */
export async function compare(
  deps: CompareDeps,
  { body, bodyText, ...asked }: Compare,
  by: SubmittedBy,
): Promise<Stored<Comparison>> {
  const { endpoint, models, priority, metadata, envelopeSha256: envelope_sha256, idempotencyKey } = asked;
  const { clock, settings, retention, budgets } = deps.intake;
  const tenant_id = by.tenant.id;
  const job_id =
    idempotencyKey === null ? `cmp_${deps.randomHex(16)}` : comparisonIdOfKey(tenant_id, idempotencyKey);
  const key = { tenant_id, job_id };
  const refusal =
    asked.refusal ?? modelRefusals(deps, body, asked, by) ?? (await budgets.refusal(tenant_id, null));
  if (refusal !== undefined) {
    const before = idempotencyKey === null ? undefined : await deps.comparisons.read(key);
    if (before?.value.envelope_sha256 === envelope_sha256) return before;
    throw refusal;
  }
  const nowMs = clock.now();
  const deadline_ms = asked.deadlineMs ?? defaultDeadlineMs(null, nowMs, settings);
  const comparison: Comparison = {
    ...{ ...key, endpoint, models, priority, metadata, envelope_sha256, actor: by.actor },
    validated: schemaFault(schemaOf(endpoint, body)) === undefined,
    ...{ created_at_ms: nowMs, deadline_ms, wake_at_ms: nowMs + TURN_MS },
    content_until_ms: keptUntil({ deadline_ms }, retention).content_until_ms,
  };
  const request: StoredRequest = { body: bodyText };
  const stored = await created(deps, comparison, request);
  if (stored.value.envelope_sha256 !== envelope_sha256)
    throw new Problem("idempotency_key_reused", `The key was used for ${job_id} with another envelope.`);
  await makeJobs(deps, stored.value, request);
  return stored;
}

/** One fault for each of its models that could never serve the body for this tenant. */
function modelRefusals(
  { intake }: CompareDeps,
  body: Compare["body"],
  { models, endpoint }: Pick<Compare, "models" | "endpoint">,
  { tenant }: SubmittedBy,
): Problem | undefined {
  const catalogue = intake.catalogue();
  const faults: Fault[] = models.flatMap((model, at) => {
    const refusal = modelRefusal(catalogue, tenant, { endpoint, model, body: { ...body, model } });
    return refusal === undefined ? [] : [{ path: `/models/${at}`, message: refusal.message }];
  });
  if (faults.length === 0) return undefined;
  return new Problem("invalid_request", `${faults.length} of the models cannot serve it.`, { faults });
}

/** The comparison as it is stored: by this request, or by an earlier one with its key. */
async function created(
  { comparisons }: CompareDeps,
  comparison: Comparison,
  request: StoredRequest,
): Promise<Stored<Comparison>> {
  let unavailable: unknown;
  for (let tries = 0; tries < CREATE_TRIES; tries++) {
    try {
      const result = await comparisons.create(comparison, request);
      if (result.kind === "written") return { value: comparison, etag: result.etag };
      const found = await comparisons.read(comparison);
      if (found !== undefined) return found;
      unavailable = new StoreUnavailable(`${comparison.job_id} exists but cannot be read`);
    } catch (thrown) {
      if (!(thrown instanceof StoreUnavailable)) throw thrown;
      unavailable = thrown;
    }
  }
  throw unavailable;
}

/** Its jobs, those that are not there yet. That there is money was asked for all of them at once. */
export async function makeJobs(
  { intake }: Pick<CompareDeps, "intake">,
  comparison: Comparison,
  { body }: StoredRequest,
): Promise<void> {
  const { tenant_id: tenantId, job_id, models, endpoint, priority, actor, deadline_ms } = comparison;
  const budgets = { refusal: async () => undefined };
  await Promise.all(
    models.map((model) => {
      const newJobId = () => memberKey(comparison, model).job_id;
      const submission = {
        ...{
          endpoint,
          model,
          priority,
          metadata: comparison.metadata,
          bodyText: withNamedModel(body, model),
        },
        ...{ notBeforeMs: null, deadlineMs: deadline_ms, envelopeSha256: comparison.envelope_sha256 },
        comparison: job_id,
        ...(comparison.validated ? { validate: "tell" as const } : {}),
      };
      return submitJob({ ...intake, budgets, newJobId }, submission, {
        ...{ tenantId, actor, idempotencyKey: null },
      });
    }),
  );
}
