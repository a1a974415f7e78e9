import { MAX_NUDGE_LOOKS } from "../../limits.ts";
import type { Log } from "../../log.ts";
import type { Deployment } from "../../model/catalogue.ts";
import type { ModelCall } from "../../model/client.ts";
import { plausible } from "../../model/plausible.ts";
import type { Usage } from "../../model/usage.ts";
import { isDispatchers } from "../../quota/signed-words.ts";
import { type JobKey, type Stored, UnreadableItem } from "../../store.ts";
import type { Plan } from "../advance.ts";
import {
  afterCall,
  callFacts,
  type EndedCall,
  isRefusedAlone,
  lastSetbackMs,
  spentIn,
} from "../after-call.ts";
import { end } from "../ending/end.ts";
import {
  type InProgress,
  isEnded,
  isPassedOn,
  type Job,
  type Lease,
  leaseOf,
  type Queued,
  type StoredRequest,
} from "../job.ts";
import { type Draft, draftOf, supersedeAttempt } from "../life-cycle.ts";
import { nudgeFor, nudgeStored } from "../nudge.ts";
import type { JobStore, Nudge } from "../ports.ts";
import { change, patiently, save, type Tried } from "../saving.ts";
import { inLine } from "../waits-for.ts";
import {
  type Admitted,
  admitted,
  circumstances,
  giveBack,
  saveAdmitted,
  type TakenQuota,
  takenFor,
} from "./admission.ts";
import { adopted, Claim } from "./claim.ts";
import { handBack, leaveToOthers } from "./hand-back.ts";
import { PreparedRequest } from "./prepared-request.ts";
import type { RunDeps } from "./run-deps.ts";
import { lostCost, takeOver } from "./take-over.ts";
import { validated } from "./validated.ts";

/** First wait for a job that cannot be found yet, or not yet be run by this clock; doubled with each look. */
const FIRST_LOOK_AGAIN_MS = 1_000;
const MAX_LOOK_AGAIN_MS = 900_000;
/** A claim that met a newer version (a sweep's, a cancel's) looks once more at what that left to do. */
const MAX_READS = 3;

/**
 * What a worker does about a nudge: reads the job, decides, and if it is due claims it, calls a deployment and
 * stores how it ended. Returns when there is nothing left to do for this nudge, so that it can be completed; throws
 * only when it could not even store what happened, so that it comes again.
 */
export async function runJob(deps: RunDeps, sent: Nudge): Promise<void> {
  if (deps.running.isEnding) return leaveToOthers(deps, sent);
  const nudge = await withTrueWords(deps, sent);
  const accepted = deps.running.takeAccepted(nudge);
  // Known from its submit, a job need not be read. If it has been written since, the claim is refused, and it is: one
  // that the dispatcher nudges has begun to wait since.
  const isNew = nudge.grant === undefined && nudge.late === undefined;
  if (accepted !== undefined && isNew && (await runFound(deps, nudge, accepted)) === "done") return;
  for (let tries = 0; tries < MAX_READS; tries++) {
    const decided = await deps.bulkhead.beginReading();
    try {
      const found = await readable(deps, nudge);
      if (found === undefined) return lookAgain(deps, nudge);
      if ((await runFound(deps, nudge, found, decided)) === "done") return;
    } finally {
      decided();
    }
  }
}

/** Whoever may send on the queue may say what the dispatcher says: what is not signed by it counts as not said. */
async function withTrueWords({ secrets, log }: RunDeps, nudge: Nudge): Promise<Nudge> {
  const { grant, late, ...rest } = nudge;
  const isTrue =
    (grant === undefined || (await isDispatchers(secrets, nudge, grant, grant))) &&
    (late === undefined || (await isDispatchers(secrets, nudge, late)));
  if (isTrue) return nudge;
  log.warn("grant_not_signed", { job_id: nudge.job_id });
  return rest;
}

/** Undefined: it cannot be found, or not be read by this version: another may. */
async function readable({ store, log }: RunDeps, key: JobKey): ReturnType<JobStore["readWithRequest"]> {
  try {
    return await store.readWithRequest(key);
  } catch (thrown) {
    if (!(thrown instanceof UnreadableItem)) throw thrown;
    tell(log, thrown);
    return undefined;
  }
}

function tell(log: Log, { kind, id, fault }: UnreadableItem): void {
  log.error("item_unreadable", { kind, id, fault });
}

/**
 * `superseded`: somebody else has acted on the job since it was read.
 * @param decided called once what was read counts as a call's
 */
async function runFound(
  deps: RunDeps,
  nudge: Nudge,
  found: { job: Stored<Job>; request: StoredRequest | UnreadableItem | undefined },
  decided: () => void = () => undefined,
): Promise<"done" | "superseded"> {
  const { value: job, etag } = found.job;
  if (isEnded(job)) return "done";
  const { request: kept } = found;
  if (kept instanceof UnreadableItem && deps.clock.now() < job.deadline_ms) {
    tell(deps.log, kept);
    // A host of another version may read it, until the deadline: from then on it is as good as gone.
    await lookAgain(deps, nudge);
    return "done";
  }
  const stored = kept instanceof UnreadableItem ? undefined : kept;
  const { actor, nudgeGraceMs, random } = deps;
  const estimate = ({ deployment }: Lease) => lostCost(deps.catalogue().deployment(deployment), job, stored);
  const start = takeOver(job, nudge, { nowMs: deps.clock.now(), actor, nudgeGraceMs, random, estimate });
  if (start === undefined) return "done"; // a live lease: its holder, or the sweeper, sees to it
  const lost = leaseOf(job);
  if (lost !== null) {
    const { deployment } = lost;
    deps.log.warn("attempt_lost", { job_id: job.job_id, attempt: job.attempts, deployment });
  }
  if (stored === undefined) {
    await requestLost(deps, start, etag);
    return "done";
  }
  const request = new PreparedRequest(stored, job);
  const admission = await admitted(deps, start, nudge, request);
  const { plan } = admission;
  if (plan.next === "call") decided();
  // It waits, or it is too late: what was taken for its call is another's.
  if (nudge.grant !== undefined && plan.next !== "call") {
    const waitsOn = plan.next === "wait" && plan.draft.records.length === 0;
    await deps.quota.unused(nudge.grant, job.job_id, waitsOn);
  }
  if (plan.next !== "call" && plan.draft.records.length === 0) {
    if (plan.next === "nudge") await lookWhenDue(deps, nudge, plan.atMs);
    else await standBy(deps, admission, job); // it waits already
    return "done";
  }
  try {
    const saved = await saveAdmitted(deps, admission, etag);
    if (saved.kind === "superseded") return "superseded";
    if (lost !== null) await deps.budgets.lost(job.tenant_id, lost.claim_id);
    await carryOut(deps, admission, { value: saved.job, etag: saved.etag }, request);
    return "done";
  } finally {
    admission.quota?.leave();
  }
}

/** Tells those who let waiting jobs go that this one is stored and waits for them. */
async function standBy(deps: RunDeps, { plan, unpaid }: Admitted, job: Job): Promise<void> {
  if (job.status !== "queued") return;
  const line = plan.next === "wait" ? inLine(job) : undefined;
  if (line !== undefined) await deps.quota.waitsInLine(line);
  if (plan.next === "money") deps.budgets.waits(job, unpaid);
}

/** Does what the plan says once it is stored: calls, and stores what came of it, until the job waits or has ended. */
export async function carryOut(
  deps: RunDeps,
  admission: Admitted,
  first: Stored<Job>,
  request: PreparedRequest,
): Promise<void> {
  let { plan, quota } = admission;
  let stored = first;
  let paid: Promise<void> | undefined;
  while (plan.next === "call") {
    const claimed = adopted(stored, plan.claimId);
    if (claimed === undefined) throw new TypeError("a claim that was stored is not there");
    quota ??= takenFor(deps, claimed.value, plan.deployment, request);
    const settled = await attempt(deps, claimed, plan.deployment, request, quota);
    if (settled === undefined) return;
    ({ plan, stored, paid, quota } = settled);
  }
  const { value: job } = stored;
  if (isEnded(job)) deps.running.ended({ job: stored, response: plan.draft.response });
  if (plan.next === "nudge") await nudgeStored(deps, job, { atMs: plan.atMs, isClientWaiting: false });
  if (plan.next === "hand_back") await handBack(deps, job);
  await standBy(deps, { ...admission, plan }, job);
  await paid;
  if (plan.next !== "again") return;
  // A job that somebody else has acted on meanwhile is theirs to nudge.
  await runFound(deps, nudgeFor(job), { job: stored, request: request.stored });
}

async function attempt(
  deps: RunDeps,
  claimed: Stored<InProgress>,
  deployment: Deployment,
  request: PreparedRequest,
  quota: TakenQuota,
): Promise<
  { plan: Plan; stored: Stored<Job>; paid: Promise<void>; quota: TakenQuota | undefined } | undefined
> {
  const { job_id: jobId, tenant_id: tenantId, attempts, endpoint, lease } = claimed.value;
  const { claim_id: claimId } = lease;
  const claim = new Claim(deps, claimed);
  const release = deps.running.add(jobId, claim);
  const startedAt = deps.clock.monotonic();
  const sentMs = deps.clock.now();
  let next: TakenQuota | undefined;
  const { flush, ...reader } = readersOf(deps, claimed.value);
  try {
    const answered = await deps.models.call({
      ...{ deployment, endpoint, tenantId, jobId, attempt: attempts, signal: claim.signal },
      ...reader,
      body: request.textFor(deployment),
      timeoutSeconds: claimed.value.timeout_seconds,
    });
    const { outcome, implausible } = plausible(answered, request.ask, deployment);
    if (implausible !== null) logImplausible(deps, claimed.value, deployment, implausible);
    const { ask } = request;
    const latencyMs = deps.clock.monotonic() - startedAt;
    const said: EndedCall = { outcome, deployment, ask, latencyMs };
    if (outcome.kind === "completed") deps.latencies.measured(deployment.name, endpoint, latencyMs);
    const sinceMs = lastSetbackMs(claimed.value, outcome);
    if (sinceMs !== undefined) await deps.quota.hearOfOthers(deployment.name, jobId, sinceMs);
    const alone = isRefusedAlone(claimed.value, said, (...of) => deps.quota.hasServedOthers(...of));
    const heard = { ...said, ...quota, deployment: deployment.name, jobId, tenantId, sentMs, alone };
    await Promise.all([deps.quota.heard(heard), flush?.()]);
    // The deployment has done its part, whatever the answer is worth.
    const checked = await validated(deps.checks, claimed.value, request, outcome);
    const call: EndedCall = { ...said, outcome: checked };
    logCall(deps, claimed.value, call);
    const callsAnew = deps.budgets.budgetOf(tenantId) !== undefined;
    const told = { granted: undefined, late: false, over: undefined, callsAnew };
    const settled = await claim.settle((job) => {
      giveBack(deps, next, jobId);
      const plan = afterCall(job, call, circumstances(deps, tenantId, request, told));
      // The next call counts from the moment it is decided on.
      next = plan.next === "call" ? takenFor(deps, job, plan.deployment, request) : undefined;
      return plan;
    });
    const taken = next;
    if (settled.kind === "settled") next = undefined;
    if (settled.kind !== "settled") await recordLate(deps, claimed.value, lease, call);
    const paid = deps.budgets.settle(claimId, spentIn(call));
    if (settled.kind === "settled") return { ...settled, paid, quota: taken };
    await paid;
    return undefined;
  } finally {
    giveBack(deps, next, jobId);
    quota.leave();
    release();
    deps.budgets.leave(claimId);
  }
}

/**
 * Where a streamed answer goes as it comes: to the client that is here, or to the job's event log.
 * @returns `flush` resolves once all of it is there
 */
function readersOf(
  deps: RunDeps,
  { tenant_id, job_id, attempts: attempt, lease, ...job }: InProgress,
): Pick<ModelCall, "passOn" | "restarts"> & { readonly flush?: () => Promise<void> } {
  if (!isPassedOn(job)) return {};
  // Whoever has seen the beginning of one answer is shown no other.
  if (deps.passOn !== undefined) return { passOn: deps.passOn.isShown ? () => undefined : deps.passOn.event };
  const untilMs = job.content_until_ms ?? job.deadline_ms;
  const writer = deps.events.writer({ tenant_id, job_id, attempt, claimId: lease.claim_id, untilMs });
  // Before the job's end is stored, so that whoever hears of that finds all of them.
  // Of a background job the log says that another attempt follows; a client that waits is told that it is over.
  const restarts = job.coalesce === undefined;
  return {
    passOn: writer.event,
    restarts,
    flush: () => patiently(deps, { job_id, attempt }, () => writer.flush()),
  };
}

/** The job went to somebody else, or ended, during the call: its cost counts all the same. */
async function recordLate(deps: RunDeps, claimed: Job, lease: Lease, call: EndedCall): Promise<void> {
  const late = { attempt: claimed.attempts, lease, call: callFacts(call), actor: deps.actor };
  const superseded = (job: Job) =>
    supersedeAttempt(draftOf(job), {
      ...late,
      nowMs: deps.clock.now(),
      reason: isEnded(job) ? job.status : "claimed_by_another",
    });
  const tried: Tried = {};
  const stored = await patiently(deps, { job_id: claimed.job_id, attempt: claimed.attempts }, () =>
    change(deps.store, claimed, deps.clock, superseded, tried),
  );
  deps.log.warn("attempt_superseded", {
    job_id: claimed.job_id,
    attempt: claimed.attempts,
    status: stored?.job.status,
  });
}

function logCall(deps: RunDeps, job: Job, call: EndedCall): void {
  if (call.outcome.kind === "completed") return;
  deps.log.warn("call_failed", {
    job_id: job.job_id,
    attempt: job.attempts,
    deployment: call.deployment.name,
    outcome: call.outcome.kind,
    status_code: "statusCode" in call.outcome ? call.outcome.statusCode : null,
    latency_ms: Math.round(call.latencyMs),
    ...(call.outcome.operatorWords === undefined ? {} : { words: call.outcome.operatorWords }),
  });
}

function logImplausible(deps: RunDeps, job: Job, { name: deployment }: Deployment, usage: Usage): void {
  const { job_id, attempts: attempt } = job;
  const { input_tokens, output_tokens, total_tokens } = usage;
  const told = { input_tokens, output_tokens, total_tokens };
  deps.log.warn("usage_implausible", { job_id, attempt, deployment, ...told });
}

async function requestLost(deps: RunDeps, start: Draft<Queued>, etag: string): Promise<void> {
  const ended = end(start, {
    status: "failed",
    nowMs: deps.clock.now(),
    actor: deps.actor,
    error: { code: "request_lost", message: "The stored request is gone; nothing was sent." },
  });
  const saved = await save(deps.store, ended, etag, deps.clock.now());
  if (saved.kind !== "written") return;
  deps.running.ended({ job: { value: ended.job, etag: saved.etag }, response: undefined });
}

function lookAgainMs(looks: number): number {
  return Math.min(FIRST_LOOK_AGAIN_MS * 2 ** looks, MAX_LOOK_AGAIN_MS);
}

/**
 * A job that cannot be found yet may only be unread by this replica, and one that cannot be read a newer host's: it is
 * looked for again, not dropped.
 */
async function lookAgain(deps: RunDeps, nudge: Nudge): Promise<void> {
  const looks = nudge.looks ?? 0;
  if (looks >= MAX_NUDGE_LOOKS) {
    deps.log.error("job_never_found", { job_id: nudge.job_id, looks });
    return;
  }
  await deps.nudges.send({ ...nudge, looks: looks + 1 }, { atMs: deps.clock.now() + lookAgainMs(looks) });
}

/**
 * A nudge that came before its time by this host's clock goes back until then. Where the broker's clock is ahead it
 * would come early again at once: each look adds to the wait, until it is longer than the clocks differ.
 */
async function lookWhenDue(deps: RunDeps, nudge: Nudge, dueMs: number): Promise<void> {
  const looks = nudge.looks ?? 0;
  const extraMs = looks === 0 ? 0 : lookAgainMs(looks - 1);
  await deps.nudges.send(
    { ...nudge, looks: Math.min(looks + 1, MAX_NUDGE_LOOKS - 1) },
    { atMs: dueMs + extraMs },
  );
}
