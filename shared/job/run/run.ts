import type { Deployment } from "../../model/catalogue.ts";
import { hasEnded } from "../../status.ts";
import type { Stored } from "../../store.ts";
import { STORED_VERSION } from "../../store.ts";
import type { Plan } from "../advance.ts";
import { afterCall, callFacts, costOfCall, type EndedCall } from "../after-call.ts";
import type { Job, Lease, StoredRequest } from "../job.ts";
import { type Draft, draftOf, end, supersedeAttempt } from "../life-cycle.ts";
import type { Nudge } from "../ports.ts";
import { change, patiently, save, type Tried } from "../saving.ts";
import {
  type Admitted,
  admitted,
  circumstances,
  giveBack,
  type Held,
  saveAdmitted,
  takenHere,
} from "./admission.ts";
import { Claim } from "./claim.ts";
import { PreparedRequest } from "./prepared-request.ts";
import type { RunDeps } from "./run-deps.ts";
import { lostCost, takeOver } from "./take-over.ts";

/** First wait for a job that cannot be found yet, or not yet be run by this clock; doubled with each look. */
const FIRST_LOOK_AGAIN_MS = 1_000;
/** A job not found after this many looks (about an hour and a half) does not exist. */
const MAX_LOOKS = 12;
const MAX_LOOK_AGAIN_MS = 900_000;
/** A claim that met a newer version (a sweep's, a cancel's) looks once more at what that left to do. */
const MAX_READS = 3;

/**
 * What a worker does about a nudge: reads the job, decides, and if it is due claims it, calls a deployment and
 * stores how it ended. Returns when there is nothing left to do for this nudge, so that it can be completed; throws
 * only when it could not even store what happened, so that it comes again.
 */
export async function runJob(deps: RunDeps, nudge: Nudge): Promise<void> {
  const accepted = deps.running.takeAccepted(nudge);
  // Known from its submit, a job need not be read. If it has been written since, the claim is refused, and it is: one
  // that the dispatcher nudges has been parked since.
  const isNew = nudge.grant === undefined && nudge.late !== true;
  if (accepted !== undefined && isNew && (await runFound(deps, nudge, accepted)) === "done") return;
  for (let tries = 0; tries < MAX_READS; tries++) {
    const found = await deps.store.readWithRequest(nudge);
    if (found === undefined) return lookAgain(deps, nudge);
    if ((await runFound(deps, nudge, found)) === "done") return;
  }
}

/** `superseded`: somebody else has acted on the job since it was read. */
async function runFound(
  deps: RunDeps,
  nudge: Nudge,
  found: { job: Stored<Job>; request: StoredRequest | undefined },
): Promise<"done" | "superseded"> {
  const { value: job, etag } = found.job;
  if (hasEnded(job.status)) return "done";
  const { actor, nudgeGraceMs } = deps;
  const estimate = ({ deployment }: Lease) =>
    lostCost(deps.catalogue().deployment(deployment), job, found.request);
  const start = takeOver(job, nudge, { nowMs: deps.clock.now(), actor, nudgeGraceMs, estimate });
  if (start === undefined) return "done"; // a live lease: its holder, or the sweeper, sees to it
  if (job.lease !== null) {
    const { deployment } = job.lease;
    deps.log.warn("attempt_lost", { job_id: job.job_id, attempt: job.attempts, deployment });
  }
  if (found.request === undefined) {
    await requestLost(deps, start, etag);
    return "done";
  }
  const request = new PreparedRequest(found.request, job);
  const admission = await admitted(deps, start, nudge, request);
  const { plan } = admission;
  // Held, over its budget, too late: what was taken for its call is another's.
  if (nudge.grant !== undefined && plan.next.kind !== "call")
    await deps.quota?.unused(nudge.grant, job.job_id);
  if (plan.next.kind === "nudge" && plan.draft.records.length === 0) {
    await lookWhenDue(deps, nudge, plan.next.atMs);
    return "done";
  }
  if (plan.draft.records.length === 0 && plan.next.kind !== "call") {
    await standBy(deps, admission); // it waits already
    return "done";
  }
  const saved = await saveAdmitted(deps, admission, etag);
  if (saved.kind === "superseded") return "superseded";
  if (job.lease !== null) await deps.budgets?.lost(job.tenant_id, job.lease.claim_id);
  await carryOut(deps, admission, saved.etag, request);
  return "done";
}

/** Tells those who let waiting jobs go that this one is stored and waits for them. */
async function standBy(deps: RunDeps, { plan, unpaid }: Admitted): Promise<void> {
  const { job } = plan.draft;
  if (plan.next.kind === "wait") await deps.quota?.waitsInLine(job);
  if (plan.next.kind === "money") deps.budgets?.waits(job, unpaid ?? "0");
}

/** Does what the plan says once it is stored: calls, and stores what came of it, until the job waits or has ended. */
async function carryOut(
  deps: RunDeps,
  admission: Admitted,
  firstEtag: string,
  request: PreparedRequest,
): Promise<void> {
  let { plan, held } = admission;
  let etag = firstEtag;
  let paid: Promise<void> | undefined;
  while (plan.next.kind === "call") {
    const { deployment } = plan.next;
    const settled = await attempt(deps, { value: plan.draft.job, etag }, deployment, request, held);
    if (settled === undefined) return;
    ({ plan, etag, paid, held } = settled);
  }
  const { job, response } = plan.draft;
  if (hasEnded(job.status)) deps.running.ended({ job: { value: job, etag }, response });
  if (plan.next.kind === "nudge") await nudgeLater(deps, job, plan.next.atMs);
  await standBy(deps, { ...admission, plan });
  await paid;
  if (plan.next.kind !== "again") return;
  const nudge: Nudge = { v: STORED_VERSION, tenant_id: job.tenant_id, job_id: job.job_id };
  // A job that somebody else has acted on meanwhile is theirs to nudge.
  await runFound(deps, nudge, { job: { value: job, etag }, request: request.stored });
}

async function attempt(
  deps: RunDeps,
  held: Stored<Job>,
  deployment: Deployment,
  request: PreparedRequest,
  quota: Held | undefined,
): Promise<
  { plan: Plan; etag: string; paid: Promise<void> | undefined; held: Held | undefined } | undefined
> {
  const { job_id: jobId, tenant_id: tenantId, attempts, lease } = held.value;
  const claim = new Claim(deps, held);
  const claimId = lease?.claim_id ?? "";
  const release = deps.running.add(jobId, claim);
  const startedAt = deps.clock.monotonic();
  const sentMs = deps.clock.now();
  let next: Held | undefined;
  try {
    const outcome = await deps.models.call({
      deployment,
      endpoint: held.value.endpoint,
      body: request.textFor(deployment),
      jobId,
      attempt: attempts,
      signal: claim.signal,
    });
    const call: EndedCall = { outcome, deployment, latencyMs: deps.clock.monotonic() - startedAt };
    if (outcome.kind === "completed") deps.latencies.measured(deployment.name, call.latencyMs);
    if (outcome.kind === "rate_limited") deps.cooling.coolDown(deployment.name, outcome.retryAfterMs);
    logCall(deps, held.value, call);
    if (quota !== undefined)
      await deps.quota?.heard({ ...call, ...quota, deployment: deployment.name, jobId, sentMs });
    const callsAnew = deps.budgets?.budgetOf(tenantId) !== undefined;
    const settled = await claim.settle((job) => {
      giveBack(deps, next, jobId);
      const plan = afterCall(job, call, { ...circumstances(deps, tenantId, request), callsAnew });
      // The next call counts from the moment it is decided on.
      next = plan.next.kind === "call" ? takenHere(deps, plan.next.deployment, request, jobId) : undefined;
      return plan;
    });
    const taken = next;
    if (settled.kind === "settled") next = undefined;
    if (settled.kind !== "settled" && lease !== null) await recordLate(deps, held.value, lease, call);
    const paid = deps.budgets?.settle(claimId, costOfCall(call)?.amount ?? null);
    if (settled.kind === "settled") return { ...settled, paid, held: taken };
    await paid;
    return undefined;
  } finally {
    giveBack(deps, next, jobId);
    release();
    deps.budgets?.leave(claimId);
  }
}

/** The job went to somebody else, or ended, during the call: its cost counts all the same. */
async function recordLate(
  deps: RunDeps,
  held: Job,
  lease: NonNullable<Job["lease"]>,
  call: EndedCall,
): Promise<void> {
  const late = { attempt: held.attempts, lease, call: callFacts(call), actor: deps.actor };
  const superseded = (job: Job) =>
    supersedeAttempt(draftOf(job), {
      ...late,
      nowMs: deps.clock.now(),
      reason: hasEnded(job.status) ? job.status : "claimed_by_another",
    });
  const tried: Tried = {};
  const stored = await patiently(deps, { job_id: held.job_id, attempt: held.attempts }, () =>
    change(deps.store, held, deps.clock, superseded, tried),
  );
  deps.log.warn("attempt_superseded", {
    job_id: held.job_id,
    attempt: held.attempts,
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
  });
}

async function requestLost(deps: RunDeps, start: Draft, etag: string): Promise<void> {
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

/** The nudge's own safety net is the sweeper: a send that fails costs time, not the job. */
async function nudgeLater(
  deps: RunDeps,
  key: { tenant_id: string; job_id: string },
  atMs: number,
): Promise<void> {
  const nudge: Nudge = { v: STORED_VERSION, tenant_id: key.tenant_id, job_id: key.job_id };
  try {
    await deps.nudges.send(nudge, { atMs });
  } catch (thrown) {
    deps.log.warn("nudge_not_sent", { job_id: key.job_id, reason: String(thrown) });
  }
}

function lookAgainMs(looks: number): number {
  return Math.min(FIRST_LOOK_AGAIN_MS * 2 ** looks, MAX_LOOK_AGAIN_MS);
}

/** A job that cannot be found yet may only be unread by this replica: looked for again, not dropped. */
async function lookAgain(deps: RunDeps, nudge: Nudge): Promise<void> {
  const looks = nudge.looks ?? 0;
  if (looks >= MAX_LOOKS) {
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
  await deps.nudges.send({ ...nudge, looks: Math.min(looks + 1, MAX_LOOKS - 1) }, { atMs: dueMs + extraMs });
}
