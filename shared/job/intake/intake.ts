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
import { type CallNames, type ConnectedClients, type HeldSubmit, joinByKey, joinRepeated } from "./join.ts";
import { type StartHere, type SubmitDeps, type Submitted, submitJob, submittedBefore } from "./submit.ts";
import { defaultDeadlineMs } from "./times.ts";

/** A submit as a door has parsed it; every door means the same by it. */
export interface Submit extends Omit<Submission, "deadlineMs" | "coalesce"> {
  /** The parsed request, to look into; `bodyText` is what is stored and sent. */
  readonly body: unknown;
  /** Null: the service's default. */
  readonly deadlineMs: number | null;
  readonly idempotencyKey: string | null;
  /** What the door refuses it for by now. A job that this very submit made before is still its answer. */
  readonly refusal: Problem | undefined;
  /** Its client waits for the answer on its connection, and for nothing else. Absent: it can ask for it later. */
  readonly held?: HeldSubmit;
}

export interface SubmittedBy {
  readonly tenant: Tenant;
  readonly actor: string;
}

export interface IntakeDeps extends SubmitDeps, HeldCallDeps {
  readonly catalogue: () => Catalogue;
  readonly settings: Pick<Settings, "defaultDeadlineSeconds" | "maxDeadlineSeconds">;
  readonly secrets: CallNames;
  readonly connected: ConnectedClients;
}

/** A job that was taken in, and what goes on here where it was started here. */
export interface Taken extends Pick<Submitted, "job" | "run"> {
  /** It was there before: an automatic retry has joined it. */
  readonly isJoined?: true;
}

/**
 * Takes a job in: stored before this resolves, and never twice for one idempotency key.
 * @throws Problem model_not_found, model_not_allowed, endpoint_not_supported,
 *   capability_not_supported, idempotency_key_reused, budget_exceeded, and the door's own refusal
 * @throws StoreUnavailable
 */
export type Take = (startHere?: StartHere) => Promise<Taken>;

/** Looks at what a submit asks for. */
export function check(deps: IntakeDeps, { body, ...submit }: Submit, by: SubmittedBy): Take {
  const refusal = submit.refusal ?? modelRefusal(deps.catalogue(), by.tenant, { ...submit, body });
  // From here on nothing holds what the body was parsed into: it may be much larger, and the store may take its time.
  const { held, ...looked } = { ...submit, refusal };
  return async (startHere) => {
    const names = held && (await deps.secrets.macs("joining", held.same, held.retries > 0));
    if (names !== undefined && held !== undefined && held.retries > 0) {
      const job = await joinRepeated(deps, by.tenant.id, names, held);
      if (job !== undefined) return { job, isJoined: true };
    }
    const [coalesce] = names ?? [];
    const named = coalesce === undefined ? looked : { ...looked, coalesce };
    const taken = await accepted(startHere === undefined ? deps : { ...deps, startHere }, named, by);
    if (held === undefined || !taken.repeated || isEnded(taken.job.value)) return taken;
    return { job: await joinByKey(deps, taken.job, held), isJoined: true };
  };
}

async function accepted(
  deps: IntakeDeps,
  submit: Omit<Submit, "body" | "held"> & Pick<Submission, "coalesce">,
  by: SubmittedBy,
): Promise<Submitted> {
  const { tenant, actor } = by;
  const { refusal } = submit;
  if (refusal !== undefined) {
    // What was accepted once stays so: its time may be over by now, or its model gone.
    const before = await submittedBefore(deps.store, tenant.id, submit);
    if (before === undefined) throw refusal;
    return { job: before, repeated: true };
  }
  const { notBeforeMs, idempotencyKey } = submit;
  const deadlineMs = submit.deadlineMs ?? defaultDeadlineMs(notBeforeMs, deps.clock.now(), deps.settings);
  const said = { tenantId: tenant.id, actor, idempotencyKey };
  return submitJob(deps, { ...submit, deadlineMs }, said);
}

/**
 * Waits up to `waitSeconds` for the end of a job that was taken in: whatever goes wrong with that, it was accepted.
 * @throws StoreUnavailable where the job had ended before, and its response cannot be read
 */
export async function waitFor(
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
export function isLong(bodyText: string): boolean {
  return bodyText.length > MAX_HELD_SUBMIT_BYTES || Buffer.byteLength(bodyText) > MAX_HELD_SUBMIT_BYTES;
}
