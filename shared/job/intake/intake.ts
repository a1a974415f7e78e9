import type { Problem } from "../../errors.ts";
import { MAX_HELD_SUBMIT_BYTES } from "../../limits.ts";
import { reasonOf } from "../../log.ts";
import type { Catalogue } from "../../model/catalogue.ts";
import type { Settings } from "../../settings.ts";
import { type Stored, StoreUnavailable } from "../../store.ts";
import type { Tenant } from "../../tenant/tenants.ts";
import { isEnded, type Job } from "../job.ts";
import type { EndedJob } from "../running-jobs.ts";
import type { Submission } from "./accept.ts";
import { modelRefusal } from "./admission.ts";
import { type Awaited, type HeldCallDeps, holdCall } from "./held-call.ts";
import { type SubmitDeps, type Submitted, submitJob, submittedBefore } from "./submit.ts";
import { defaultDeadlineMs } from "./times.ts";

/** A submit as a door has parsed it; every door means the same by it. */
export interface Submit extends Omit<Submission, "deadlineMs"> {
  /** The parsed request, to look into; `bodyText` is what is stored and sent. */
  readonly body: unknown;
  /** Null: the service's default. */
  readonly deadlineMs: number | null;
  readonly idempotencyKey: string | null;
  /** What the door refuses it for by now. A job that this very submit made before is still its answer. */
  readonly refusal: Problem | undefined;
}

export interface SubmittedBy {
  readonly tenant: Tenant;
  readonly actor: string;
}

export interface IntakeDeps extends SubmitDeps, HeldCallDeps {
  readonly catalogue: () => Catalogue;
  readonly settings: Pick<Settings, "defaultDeadlineSeconds" | "maxDeadlineSeconds">;
}

/** A job that was taken in, and what goes on here where it was started here. */
export type Taken = Pick<Submitted, "job" | "run">;

/**
 * Takes a job in, and waits up to `waitSeconds` for its end; whatever goes wrong with the waiting, the job was accepted.
 * @throws as `accept`
 */
export function takeIn(
  deps: IntakeDeps,
  submit: Submit,
  by: SubmittedBy,
  waitSeconds: number,
): Promise<Awaited<EndedJob>> {
  const seconds = waitSeconds > 0 && isLong(submit.bodyText) ? 0 : waitSeconds;
  return waitedFor(deps, by.tenant, accept(deps, submit, by), seconds);
}

async function waitedFor(
  deps: IntakeDeps,
  tenant: Tenant,
  accepting: Promise<Taken>,
  waitSeconds: number,
): Promise<Awaited<EndedJob>> {
  return waitFor(deps, tenant, (await accepting).job, waitSeconds);
}

/**
 * Takes a job in: stored before this returns, and never twice for one idempotency key.
 * @throws Problem model_not_found, model_not_allowed, endpoint_not_supported,
 *   capability_not_supported, idempotency_key_reused, budget_exceeded, and the door's own refusal
 * @throws StoreUnavailable
 */
export function accept(deps: IntakeDeps, { body, ...submit }: Submit, by: SubmittedBy): Promise<Taken> {
  const refusal = submit.refusal ?? modelRefusal(deps.catalogue(), by.tenant, { ...submit, body });
  // From here on nothing holds what the body was parsed into: it may be much larger, and the store may take its time.
  return accepted(deps, { ...submit, refusal }, by);
}

async function accepted(deps: IntakeDeps, submit: Omit<Submit, "body">, by: SubmittedBy): Promise<Taken> {
  const { tenant, actor } = by;
  const { refusal } = submit;
  if (refusal !== undefined) {
    // What was accepted once stays so: its time may be over by now, or its model gone.
    const before = await submittedBefore(deps.store, tenant.id, submit);
    if (before === undefined) throw refusal;
    return { job: before };
  }
  const { notBeforeMs, idempotencyKey } = submit;
  const deadlineMs = submit.deadlineMs ?? defaultDeadlineMs(notBeforeMs, deps.clock.now(), deps.settings);
  const said = { tenantId: tenant.id, actor, idempotencyKey };
  return submitJob(deps, { ...submit, deadlineMs }, said);
}

/** @throws StoreUnavailable where the job had ended before, and its response cannot be read */
async function waitFor(
  deps: IntakeDeps,
  tenant: Tenant,
  job: Stored<Job>,
  waitSeconds: number,
): Promise<Awaited<EndedJob>> {
  const asAccepted = { found: { job, response: undefined }, waited: false };
  // A repeated submit may meet a job that has ended: shown without its response, that would be taken for an empty answer.
  const isWhole = !isEnded(job.value) || !job.value.has_response;
  if (waitSeconds === 0 && isWhole) return asAccepted;
  try {
    const { found, waited } = await holdCall(deps, tenant, job.value, waitSeconds);
    if (found === undefined && !isWhole)
      throw new StoreUnavailable(`${job.value.job_id} was read, and cannot be read again`);
    return { found: found ?? asAccepted.found, waited };
  } catch (thrown) {
    if (!isWhole) throw thrown;
    deps.log.warn("wait_given_up", { job_id: job.value.job_id, reason: reasonOf(thrown) });
    return asAccepted;
  }
}

/** A request's text is in memory while its client waits: with a long one the client is answered at once. */
function isLong(bodyText: string): boolean {
  return bodyText.length > MAX_HELD_SUBMIT_BYTES || Buffer.byteLength(bodyText) > MAX_HELD_SUBMIT_BYTES;
}
