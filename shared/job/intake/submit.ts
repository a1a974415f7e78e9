import type { SubmitBudgets } from "../../budget/budgets.ts";
import type { Clock } from "../../clock.ts";
import { Problem } from "../../errors.ts";
import { type Log, reasonOf } from "../../log.ts";
import { type Stored, StoreUnavailable } from "../../store.ts";
import { cancelWhere } from "../ending/cancel.ts";
import { isEnded, type Job, type Queued } from "../job.ts";
import { nudgeStored } from "../nudge.ts";
import type { JobStore, Nudges, Traces } from "../ports.ts";
import type { RunningJobs } from "../running-jobs.ts";
import { type Accepted, acceptJob, jobIdOfKey, type Retention, type Submission } from "./accept.ts";
import type { Starts } from "./starts.ts";

export interface SubmitDeps {
  readonly store: JobStore;
  readonly nudges: Nudges;
  readonly running: RunningJobs;
  readonly budgets: SubmitBudgets;
  readonly traces: Traces;
  readonly starts: Starts;
  readonly clock: Clock;
  readonly log: Log;
  readonly newJobId: () => string;
  readonly nudgeGraceMs: number;
  readonly retention: Retention;
  /** Absent: a worker runs it. */
  readonly startHere?: StartHere;
  /** Whether the client has left that waits for its answer on its connection. Absent: it can ask for it later. */
  readonly isLeft?: () => boolean;
}

/** What a job that is being accepted does at once, in the very write that accepts it. */
export interface StartedHere {
  readonly accepted: Accepted;
  /** Goes on once that is stored; resolves when nothing is left to do here. */
  run(stored: Stored<Job>): Promise<void>;
  /** Ends it unsent in the place of that. Undefined: a retry has taken it. @throws StoreUnavailable */
  giveUp(stored: Stored<Job>, actor: string): Promise<Stored<Job> | undefined>;
  /** It was not stored, or as far as is known was not. */
  leave(isLost: boolean): Promise<void>;
}

/** Undefined: it is queued like any other. @throws StoreUnavailable */
export type StartHere = (accepted: Accepted<Queued>) => Promise<StartedHere | undefined>;

/** Creates are tried again when their answer was lost: the id is the same, so a second one meets the first. */
const CREATE_TRIES = 2;

export interface Submitted {
  readonly job: Stored<Job>;
  /** True when the idempotency key met a job that was there already. */
  readonly repeated: boolean;
  /** What goes on here, where the job was started here. */
  readonly run?: Promise<void>;
}

/**
 * Accepts a job: stored with its request and first audit record before anything is answered; then nudged. The
 * nudge may fail: the job is safe, and the sweeper finds it.
 * @throws Problem idempotency_key_reused, budget_exceeded, store_unavailable
 */
export async function submitJob(
  deps: SubmitDeps,
  submission: Submission,
  by: { tenantId: string; actor: string; idempotencyKey: string | null },
): Promise<Submitted> {
  const { tenantId, actor, idempotencyKey } = by;
  const jobId = idempotencyKey === null ? deps.newJobId() : jobIdOfKey(tenantId, idempotencyKey);
  const refusal = await deps.budgets.refusal(tenantId, submission.notBeforeMs);
  // A job that is there already stays what the key stands for.
  if (refusal !== undefined && (idempotencyKey === null || !(await isThere(deps, tenantId, jobId))))
    throw refusal;
  const nowMs = deps.clock.now();
  const { nudgeGraceMs, retention } = deps;
  const trace = deps.traces.begin(submission.traceparent);
  const acceptedBy = { tenantId, jobId, actor, nowMs, nudgeGraceMs, retention, trace };
  const accepted = acceptJob(submission, acceptedBy);
  const here = await deps.startHere?.(accepted);
  const stored = here?.accepted ?? accepted;
  const created = await create(deps, stored, nowMs).catch(async (thrown: unknown) => {
    await here?.leave(true);
    throw thrown;
  });
  if (created.kind === "written") {
    const job: Stored<Job> = { value: stored.job, etag: created.etag };
    // Its retry may have come before it could be found: whoever runs this one too pays twice.
    if (idempotencyKey === null && !isEnded(job.value) && deps.isLeft?.() === true) {
      const ended = await givenUp(deps, here, job, actor);
      if (ended !== undefined) return { job: ended, repeated: false };
    }
    if (!isEnded(job.value)) deps.running.accepted({ job, request: accepted.request });
    if (here !== undefined) {
      deps.running.takeAccepted(job.value);
      return { job, repeated: false, run: here.run(job) };
    }
    await nudged(deps, job.value);
    return { job, repeated: false };
  }
  const { job } = created;
  // Where an answer was lost it may be this very one: its lease then runs out, and another takes it.
  await here?.leave(created.afterLoss);
  if (job.value.envelope_sha256 !== submission.envelopeSha256) {
    const at = new Date(job.value.created_at_ms).toISOString();
    throw new Problem(
      "idempotency_key_reused",
      `The key was used for ${jobId} with another envelope, at ${at}.`,
    );
  }
  // After a create whose answer was lost the job may be this very one, and nobody has nudged it yet.
  if (created.afterLoss) await nudged(deps, job.value);
  return { job, repeated: !created.afterLoss };
}

/** Ends a call that was not sent and that nobody waits for. Undefined: a retry has taken it. */
async function givenUp(
  deps: SubmitDeps,
  here: StartedHere | undefined,
  job: Stored<Job>,
  actor: string,
): Promise<Stored<Job> | undefined> {
  if (here === undefined) {
    const result = await cancelWhere(deps, job.value, actor, "client_left", isUntaken);
    return result?.changed === true ? { value: result.job, etag: result.etag } : undefined;
  }
  try {
    const ended = await here.giveUp(job, actor);
    if (ended !== undefined) await here.leave(false);
    return ended;
  } catch (thrown) {
    // Its lease runs out, and another takes it.
    await here.leave(true);
    throw thrown;
  }
}

/** No retry has joined it. */
export const isUntaken = ({ joined_by }: Job): boolean => joined_by === undefined;

async function isThere({ store }: SubmitDeps, tenant_id: string, job_id: string): Promise<boolean> {
  return (await store.read({ tenant_id, job_id })) !== undefined;
}

/**
 * The job that an earlier submit with the same key and envelope made. For one that would be refused now: whoever never
 * heard of his 202 asks again, at any time.
 */
export async function submittedBefore(
  store: Pick<JobStore, "read">,
  tenantId: string,
  submit: { readonly idempotencyKey: string | null; readonly envelopeSha256: string },
): Promise<Stored<Job> | undefined> {
  const { idempotencyKey, envelopeSha256 } = submit;
  if (idempotencyKey === null) return undefined;
  const job = await store.read({ tenant_id: tenantId, job_id: jobIdOfKey(tenantId, idempotencyKey) });
  return job?.value.envelope_sha256 === envelopeSha256 ? job : undefined;
}

type Created =
  | { readonly kind: "written"; readonly etag: string }
  | { readonly kind: "exists"; readonly job: Stored<Job>; readonly afterLoss: boolean };

async function create(deps: SubmitDeps, accepted: Accepted, nowMs: number): Promise<Created> {
  let unavailable: unknown;
  for (let tries = 0; tries < CREATE_TRIES; tries++) {
    try {
      const result = await deps.store.create(accepted, nowMs);
      if (result.kind === "written") return result;
      const job = await deps.store.read(accepted.job);
      if (job !== undefined) return { kind: "exists", job, afterLoss: tries > 0 };
      unavailable = new StoreUnavailable(`${accepted.job.job_id} exists but cannot be read`);
    } catch (thrown) {
      if (!(thrown instanceof StoreUnavailable)) throw thrown;
      unavailable = thrown;
    }
  }
  deps.log.error("submit_not_stored", { job_id: accepted.job.job_id, reason: reasonOf(unavailable) });
  throw unavailable;
}

const nudged = (deps: SubmitDeps, job: Job) =>
  nudgeStored(deps, job, { atMs: deps.starts.nudgeAtMs(job), isClientWaiting: true });
