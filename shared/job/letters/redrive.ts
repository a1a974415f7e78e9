import { type ControlTrailStore, changeControl } from "../../audit/control-trail.ts";
import type { SubmitBudgets } from "../../budget/budgets.ts";
import type { Clock } from "../../clock.ts";
import { Problem } from "../../errors.ts";
import { type Log, reasonOf } from "../../log.ts";
import { type JobKey, UnreadableItem } from "../../store.ts";
import { acceptJob, jobIdOfRedrive, type Retention } from "../intake/accept.ts";
import { submissionOf } from "../intake/retry.ts";
import { type Ended, isEnded, type Job, type StoredRequest } from "../job.ts";
import { draftOf, redriveEnded } from "../life-cycle.ts";
import { nudgeStored } from "../nudge.ts";
import type {
  DeadLetter,
  DeadLetters,
  JobStore,
  Nudge,
  Nudges,
  OtherQueue,
  Redriven,
  Traces,
} from "../ports.ts";
import { change } from "../saving.ts";

export interface RedriveDeps {
  readonly store: JobStore;
  readonly nudges: Nudges;
  /** Sends the message of another queue again. */
  readonly resend: Readonly<Record<OtherQueue, (message: Nudge) => Promise<void>>>;
  readonly deadLetters: DeadLetters;
  readonly trail: ControlTrailStore;
  readonly budgets: SubmitBudgets;
  readonly traces: Traces;
  readonly clock: Clock;
  readonly log: Log;
  readonly nudgeGraceMs: number;
  readonly retention: Retention;
  readonly defaultDeadlineSeconds: number;
  readonly maxDeadlineSeconds: number;
}

export interface RedriveResult {
  readonly redriven: Redriven;
  readonly tenantId: string;
  /** The ended job that the new one was made of. */
  readonly redrivenFrom: string | null;
  /** False: Service Bus did not take the nudge; the sweeper sends another. */
  readonly nudged: boolean;
}

export const DEAD_LETTERS = "dead_letters";

/**
 * What an operator asks for with a dead letter. One of another queue than jobs have is sent again. A live job is nudged: its own record says what is due. Of an ended
 * job a new one is made, with the same request, for the same tenant; always the same new one, whichever of the ended
 * job's letters is redriven and however often. Each step can be taken again, so that a redrive that was cut off is
 * finished by the next.
 * @param newJobs false: an ended job is left alone (Problem job_ended)
 * @throws Problem dead_letter_not_found, dead_letter_unreadable, request_gone, budget_exceeded; StoreUnavailable
 */
export async function redrive(
  deps: RedriveDeps,
  letterId: string,
  actor: string,
  newJobs = true,
): Promise<RedriveResult> {
  const letter = await deps.deadLetters.read(letterId);
  if (letter === undefined)
    throw new Problem("dead_letter_not_found", `There is no dead letter ${letterId}.`);
  const { nudge } = letter;
  if (nudge === null)
    throw new Problem("dead_letter_unreadable", `${letterId} was no nudge of a known version.`);
  const { queue } = letter;
  if (queue !== undefined) return resent(deps, { ...letter, nudge, queue }, actor);
  const found = await deps.store.readWithRequest(nudge);
  if (found === undefined) throw gone(nudge, "there is no such job, or no longer");
  const job = found.job.value;
  if (found.request instanceof UnreadableItem) throw found.request;
  if (!isEnded(job)) return again(deps, letter, job, actor);
  if (!newJobs) throw new Problem("job_ended", `${job.job_id} is ${job.status}.`);
  return anew(deps, letter, job, found.request, actor);
}

/** Whoever takes it finds by what is stored whether there is still something to do. Recorded once. */
async function resent(
  deps: RedriveDeps,
  letter: DeadLetter & { readonly nudge: Nudge; readonly queue: OtherQueue },
  actor: string,
): Promise<RedriveResult> {
  const { nudge, queue } = letter;
  const { tenant_id: tenantId, job_id: jobId } = nudge;
  const about = { tenant_id: tenantId, job_id: jobId, queue };
  const said = { changeId: `send ${letter.id}`, outcome: "nudged", jobId, actor } as const;
  const redriven = await record(deps, letter, about, said);
  const isSent = deps.resend[queue](nudge).then(
    () => true,
    (thrown: unknown) => {
      deps.log.warn("dead_letter_not_sent", { job_id: jobId, queue, reason: reasonOf(thrown) });
      return false;
    },
  );
  return { redriven, tenantId, redrivenFrom: null, nudged: await isSent };
}

/** Nudges a live job. Recorded once for each state of the job it was asked for in. */
async function again(deps: RedriveDeps, letter: DeadLetter, job: Job, actor: string): Promise<RedriveResult> {
  const changeId = `nudge ${letter.id} ${job.job_id} ${job.audit_seq}`;
  const said = { changeId, outcome: "nudged", jobId: job.job_id, actor } as const;
  const redriven = await record(deps, letter, aboutJob(job), said);
  return {
    redriven,
    tenantId: job.tenant_id,
    redrivenFrom: null,
    nudged: await nudged(deps, job, job.not_before_ms),
  };
}

async function anew(
  deps: RedriveDeps,
  letter: DeadLetter,
  job: Ended,
  request: StoredRequest | undefined,
  actor: string,
): Promise<RedriveResult> {
  const newKey = { tenant_id: job.tenant_id, job_id: jobIdOfRedrive(job.tenant_id, job.job_id) };
  // Made before: its content may have gone meanwhile, and the answer stays the same.
  const made = job.redriven_to === undefined ? undefined : await deps.store.read(newKey);
  if (made === undefined) {
    if (request === undefined || job.content_deleted) throw gone(job, "its request was erased or has lapsed");
    // As a submit of the tenant's own would be.
    const refusal = await deps.budgets.refusal(job.tenant_id, null);
    if (refusal !== undefined) throw refusal;
    await tellTheOldJob(deps, job, newKey.job_id, actor);
  }
  const changeId = `redrive ${letter.id} ${newKey.job_id}`;
  const redriven = await record(deps, letter, aboutJob(job), {
    changeId,
    outcome: "new_job",
    jobId: newKey.job_id,
    actor,
  });
  let isNudged = true;
  if (made === undefined && request !== undefined) {
    await create(deps, job, request, newKey.job_id, actor);
    isNudged = await nudged(deps, newKey, null);
  }
  return { redriven, tenantId: job.tenant_id, redrivenFrom: job.job_id, nudged: isNudged };
}

/** First, with the job's etag: content that is being erased at this moment is not made into a new job. */
async function tellTheOldJob(deps: RedriveDeps, job: Ended, newJobId: string, actor: string): Promise<void> {
  const told = await change(deps.store, job, deps.clock, (current) => {
    if (!isEnded(current) || current.redriven_to === newJobId) return undefined;
    if (current.content_deleted) throw gone(job, "its request was erased");
    return redriveEnded(draftOf(current), { nowMs: deps.clock.now(), actor, newJobId });
  });
  if (told === undefined) throw gone(job, "its time was over");
}

const aboutJob = ({ tenant_id, job_id, status }: Job) => ({ tenant_id, job_id, status });

/** The letter says what became of it, and control's trail who did it: in one batch. */
async function record(
  deps: RedriveDeps,
  letter: DeadLetter,
  about: Readonly<Record<string, string>>,
  said: { changeId: string; outcome: Redriven["outcome"]; jobId: string; actor: string },
): Promise<Redriven> {
  const { outcome, jobId: job_id, actor } = said;
  const redriven: Redriven = { outcome, job_id, actor, at_ms: deps.clock.now() };
  const changed = await changeControl(deps, {
    scope: DEAD_LETTERS,
    changeId: said.changeId,
    actor,
    reads: [letter.id],
    decide: (items) => {
      const stored = items.get(letter.id);
      const writes =
        stored === undefined
          ? []
          : ([{ kind: "replace", item: { ...stored.value, redriven }, etag: stored.etag }] as const);
      const details = { dead_letter: letter.id, ...about, outcome, runs: job_id };
      return { event: "redriven", reason: letter.reason, details, writes };
    },
  });
  const at_ms = changed.kind === "changed" ? changed.record.at * 1000 : redriven.at_ms;
  const by = changed.kind === "changed" ? changed.record.actor : actor;
  return { ...redriven, actor: by, at_ms };
}

async function create(
  deps: RedriveDeps,
  job: Job,
  request: StoredRequest,
  newJobId: string,
  actor: string,
): Promise<void> {
  const nowMs = deps.clock.now();
  const accepted = acceptJob(submissionOf(job, request, nowMs, deps), {
    tenantId: job.tenant_id,
    jobId: newJobId,
    actor,
    nowMs,
    nudgeGraceMs: deps.nudgeGraceMs,
    retention: deps.retention,
    trace: deps.traces.begin(job.traceparent),
    redrivenFrom: job.job_id,
  });
  // `exists`: another redrive was quicker. A lost answer is for the operator to ask again, as the 503 says.
  await deps.store.create(accepted, nowMs);
}

const nudged = (deps: RedriveDeps, job: JobKey, atMs: number | null) =>
  nudgeStored(deps, job, { atMs, isClientWaiting: true });

function gone(key: JobKey, why: string): Problem {
  return new Problem("request_gone", `${key.job_id} cannot be redriven: ${why}.`);
}
