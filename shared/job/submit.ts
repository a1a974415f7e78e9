import type { Clock } from "../clock.ts";
import { Problem } from "../errors.ts";
import { type Log, reasonOf } from "../log.ts";
import { type Accepted, acceptJob, jobIdOfKey, type Submission } from "./accept.ts";
import type { Job } from "./job.ts";
import { STORED_VERSION } from "./job.ts";
import { type JobStore, type Nudges, type Stored, StoreUnavailable } from "./ports.ts";

export interface SubmitDeps {
  readonly store: JobStore;
  readonly nudges: Nudges;
  readonly clock: Clock;
  readonly log: Log;
  readonly newJobId: () => string;
  readonly nudgeGraceMs: number;
}

/** A client waits no longer than this for Service Bus: after it the sweeper nudges. */
const NUDGE_PATIENCE_MS = 1_000;
/** Creates are tried again when their answer was lost: the id is the same, so a second one meets the first. */
const CREATE_TRIES = 2;

export interface Submitted {
  readonly job: Stored<Job>;
  /** True when the idempotency key met a job that was there already. */
  readonly repeated: boolean;
}

/**
 * Accepts a job: stored with its request and first audit record before anything is answered; then nudged. The
 * nudge may fail: the job is safe, and the sweeper finds it.
 * @throws Problem idempotency_key_reused, store_unavailable
 */
export async function submitJob(
  deps: SubmitDeps,
  submission: Submission,
  by: { tenantId: string; actor: string; idempotencyKey: string | null },
): Promise<Submitted> {
  const { tenantId, actor, idempotencyKey } = by;
  const jobId = idempotencyKey === null ? deps.newJobId() : jobIdOfKey(tenantId, idempotencyKey);
  const nowMs = deps.clock.now();
  const accepted = acceptJob(submission, { tenantId, jobId, actor, nowMs, nudgeGraceMs: deps.nudgeGraceMs });
  const created = await create(deps, accepted, nowMs);
  const { job } = accepted;
  // A repeated key, or this very create seen again after its answer was lost.
  if (created.kind === "exists") {
    const mine = created.job.value.audit_hash === job.audit_hash;
    if (!mine && created.job.value.envelope_sha256 !== submission.envelopeSha256) {
      throw new Problem(
        "idempotency_key_reused",
        `The key was used for ${jobId} with another envelope, at ${new Date(created.job.value.created_at_ms).toISOString()}.`,
      );
    }
    if (!mine) return { job: created.job, repeated: true };
  }
  const etag = created.kind === "exists" ? created.job.etag : created.etag;
  await nudge(deps, job);
  return { job: { value: job, etag }, repeated: false };
}

type Created =
  | { readonly kind: "written"; readonly etag: string }
  | { readonly kind: "exists"; readonly job: Stored<Job> };

async function create(deps: SubmitDeps, accepted: Accepted, nowMs: number): Promise<Created> {
  let unavailable: unknown;
  for (let tries = 0; tries < CREATE_TRIES; tries++) {
    try {
      const result = await deps.store.create(accepted, nowMs);
      if (result.kind === "written") return result;
      const job = await deps.store.read(accepted.job);
      if (job !== undefined) return { kind: "exists", job };
      unavailable = new StoreUnavailable(`${accepted.job.job_id} exists but cannot be read`);
    } catch (thrown) {
      if (!(thrown instanceof StoreUnavailable)) throw thrown;
      unavailable = thrown;
    }
  }
  deps.log.error("submit_not_stored", { job_id: accepted.job.job_id, reason: reasonOf(unavailable) });
  throw unavailable;
}

async function nudge(deps: SubmitDeps, job: Job): Promise<void> {
  const { tenant_id, job_id, not_before_ms } = job;
  const later = not_before_ms !== null && not_before_ms > deps.clock.now() ? { atMs: not_before_ms } : {};
  try {
    await deps.nudges.send(
      { v: STORED_VERSION, tenant_id, job_id },
      { patienceMs: NUDGE_PATIENCE_MS, ...later },
    );
  } catch (thrown) {
    deps.log.warn("nudge_not_sent", { job_id, reason: reasonOf(thrown) });
  }
}
