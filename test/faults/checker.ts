import { verifyChain } from "../../shared/audit/chain.ts";
import type { AuditRecord } from "../../shared/audit/record.ts";
import type { JobDocument } from "../../shared/azure/cosmos/job-document.ts";
import { addCosts, type Cost } from "../../shared/model/cost.ts";
import { sha256Hex } from "../../shared/sha256.ts";
import { hasEnded } from "../../shared/status.ts";
import { checkBackground } from "./background.ts";
import { checkBatches } from "./batches.ts";
import { checkEvents } from "./events.ts";
import type {
  CountedCall,
  Evidence,
  Promised,
  Sighting,
  StoredJob,
  Submission,
  SubmitAnswer,
  Violation,
} from "./evidence.ts";
import { checkHeld } from "./held-calls.ts";
import { canaryOf, HOSTILE, HOSTILE_SETTINGS, LAB_DOINGS, MOST_COST } from "./hostile-lab.ts";

/** Every promise of the service, held against the evidence of a run. Pure; an empty list: all of them were kept. */
export function check(evidence: Evidence): Violation[] {
  const found: Violation[] = [];
  const say = (promise: Promised, jobId: string | null, why: string) => found.push({ promise, jobId, why });
  const stored = new Map(evidence.stored.map((each) => [each.job.job_id, each]));
  const calls = Map.groupBy(evidence.calls, (call) => call.job ?? "");

  checkSubmissions(evidence, stored, say);
  checkSightings(evidence, stored, say);
  checkTold(evidence, stored, say);
  checkHeld(evidence, say);
  checkBatches(evidence, say);
  checkBackground(evidence, say);
  checkEvents(evidence, say);
  checkHonest(evidence, stored, say);
  for (const each of evidence.stored) {
    const own = calls.get(each.job.job_id) ?? [];
    checkResult(each, own, say);
    checkCalls(each, own, evidence, say);
    checkCosts(each, say);
    checkChain(each, say);
    checkAttempts(each, evidence, say);
    checkFields(each, say);
    checkOwn(each, say);
  }
  for (const call of evidence.calls) {
    if (call.job === null || stored.has(call.job)) continue;
    say("calls_are_recorded", call.job, `call ${call.seq} was made for a job that is not stored`);
  }
  for (const [name, count] of Object.entries(evidence.queues)) {
    if (count !== 0) say("queues_are_empty", null, `${count} messages in ${name}`);
  }
  return found;
}

type Say = (promise: Promised, jobId: string | null, why: string) => void;
type StoredJobs = ReadonlyMap<string, StoredJob>;

function checkSubmissions({ submissions, stored: all }: Evidence, stored: StoredJobs, say: Say): void {
  const byLabel = Map.groupBy(all, (each) => String(each.job.metadata.label ?? ""));
  for (const submission of submissions) {
    const { label, answers } = submission;
    checkKey(submission, say);
    const accepted = new Set(answers.filter((a) => a.status === 202).map((a) => a.jobId ?? ""));
    for (const id of accepted) {
      const there = stored.get(id);
      if (there === undefined) say("a_202_ends", id, "it was accepted and is not stored");
      else if (!hasEnded(there.job.status)) say("a_202_ends", id, `it is still ${there.job.status}`);
    }
    const twins = byLabel.get(label) ?? [];
    if (twins.length > 1) {
      const ids = twins.map((each) => each.job.job_id).join(", ");
      say("no_twin", null, `${label}, submitted as one job, is stored as ${ids}`);
    }
  }
  // Nobody was told of these; they run all the same, and must end as well.
  for (const { job } of all) {
    if (!hasEnded(job.status) && !submissions.some((s) => s.answers.some((a) => a.jobId === job.job_id)))
      say("a_202_ends", job.job_id, `it is still ${job.status}, and nobody was told of it`);
  }
}

function checkKey({ key, answers }: Submission, say: Say): void {
  if (key === null) return;
  const accepted = new Set(answers.flatMap(({ jobId }) => jobId ?? []));
  if (accepted.size > 1) say("same_key_same_job", null, `key ${key} gave ${[...accepted].join(", ")}`);
  const refused = refusedLater(answers);
  if (refused !== undefined)
    say("same_key_same_job", null, `key ${key} was accepted, then answered ${refused}`);
}

/** What a submit was refused with that had been accepted before; 429 is no word on the job. */
function refusedLater(answers: readonly SubmitAnswer[]): number | undefined {
  const first = answers.findIndex(({ status }) => status === 202);
  if (first < 0) return undefined;
  const later = answers.slice(first).map(({ status }) => status ?? 0);
  return later.find((status) => status >= 400 && status < 500 && status !== 429);
}

function checkSightings(evidence: Evidence, stored: StoredJobs, say: Say): void {
  const byJob = Map.groupBy(evidence.sightings, (sighting) => sighting.jobId);
  for (const [jobId, sightings] of byJob) {
    if (sightings.some((sighting) => sighting.status === "absent" && !isStale(evidence, sighting)))
      say("a_202_ends", jobId, "it was accepted and then not found");
    const ends = sightings.filter(isEnd);
    const end = ends[0]?.status;
    const endedBy = Math.min(...ends.map(({ answered }) => answered));
    for (const sighting of sightings) {
      const other = isEnd(sighting) ? sighting.status !== end : sighting.asked > endedBy;
      if (other && (isEnd(sighting) || !isStale(evidence, sighting)))
        say("an_end_is_final", jobId, `it was ${end}, then ${sighting.status}`);
    }
    const there = stored.get(jobId);
    const last = there?.job.status;
    // A replica that lags is no excuse: the client would take it for an empty answer.
    const isEmpty = sightings.some((each) => each.status === "completed" && each.hasResponse === false);
    if (isEmpty && there !== undefined && !isErased(there))
      say("told_is_true", jobId, "a client saw it completed without its response");
    if (end !== undefined && last !== undefined && last !== end)
      say("an_end_is_final", jobId, `a client saw ${end}; it is stored as ${last}`);
  }
}

/** Whether it may have been read from a replica that lagged. */
function isStale({ stale }: Evidence, { asked, answered }: Sighting): boolean {
  return stale.some(({ from, to }) => asked <= to && answered >= from);
}

const isErased = ({ trail }: StoredJob) => trail.some(({ event }) => event === "content_deleted");

const isEnd = ({ status }: Sighting) => status !== "absent" && hasEnded(status);

function checkTold({ promises }: Evidence, stored: StoredJobs, say: Say): void {
  for (const { jobId, action, status } of promises) {
    const there = stored.get(jobId);
    if (there === undefined) continue;
    if (action === "cancel" && status === 200 && there.job.status !== "cancelled")
      say("told_is_true", jobId, `a cancel was answered 200; it is ${there.job.status}`);
    if (action === "delete" && status === 204) {
      if (there.hasRequest || there.response !== undefined || !isErased(there))
        say("told_is_true", jobId, "a delete was answered 204; the content, or no record of it, is there");
    }
  }
}

const TERMINAL = new Set<string>(["completed", "failed", "cancelled", "expired"]);

function checkResult(each: StoredJob, calls: readonly CountedCall[], say: Say): void {
  const { job, trail, response } = each;
  const fault = (why: string) => say("one_result", job.job_id, why);
  const ends = trail.filter((record) => TERMINAL.has(record.event));
  if (!hasEnded(job.status)) {
    if (ends.length > 0) fault(`it is ${job.status}, its trail says ${ends[0]?.event}`);
    return;
  }
  const [end] = ends;
  if (ends.length !== 1 || end === undefined) {
    fault(`${ends.length} ends in its trail: ${ends.map((record) => record.event).join(", ")}`);
    return;
  }
  if (end.event !== job.status) fault(`it is ${job.status}, its trail says ${end.event}`);
  if (trail.some((record) => record.seq > end.seq && record.event === "attempt_started"))
    fault("an attempt started after its end");
  if (job.lease !== null) fault("it has ended and is still leased");
  if (job.has_response !== (response !== undefined)) fault("has_response does not say whether one is stored");
  if (response !== undefined && sha256Hex(response.body) !== (end.stored_sha256 ?? end.response_sha256))
    fault(
      `the response stored is not the one its end names: of ${job.model}, ${job.status}, ${response.body.slice(0, 300)}`,
    );
  if (job.status !== "completed") return;
  if (response === undefined && !job.content_deleted) fault("it is completed, and no response is stored");
  const call = calls.find((each) => each.attempt === String(end.attempt));
  if (call?.status !== 200) fault(`it is completed by attempt ${end.attempt}, which no model answered`);
  if (end.deployment !== job.deployment)
    fault(`${end.deployment} answered, the job says ${job.deployment ?? "nothing"}`);
}

/** The records that say how an attempt went, after the one that it started. */
function closers(trail: readonly AuditRecord[], attempt: number): AuditRecord[] {
  return trail.filter((record) => record.attempt === attempt && record.event !== "attempt_started");
}

/** Whether the record says what came of a call: a loss, or an end that others wrote, does not. */
const tellsCall = (record: AuditRecord) => record.outcome !== null && record.outcome !== "lost";

/** Answers that came whole: the worker could know what they cost. */
const WHOLE = new Set<string | null>([null, "latency", ...LAB_DOINGS]);

function checkCalls(
  each: StoredJob,
  calls: readonly CountedCall[],
  { hostsKilled }: Evidence,
  say: Say,
): void {
  const { job, trail } = each;
  for (const call of calls) {
    const fault = (why: string) =>
      say("calls_are_recorded", job.job_id, `call ${call.seq} (attempt ${call.attempt}) ${why}`);
    const attempt = Number(call.attempt);
    const started = trail.find((r) => r.event === "attempt_started" && r.attempt === attempt);
    if (started === undefined) fault("has no attempt_started");
    else if (started.request_sha256 !== call.request_sha256) fault("sent other bytes than its record says");
    if (calls.some((other) => other.seq < call.seq && other.attempt === call.attempt))
      fault("is not the attempt's first");
    if (!hasEnded(job.status)) continue;
    const records = closers(trail, attempt);
    const told = records.find(tellsCall);
    if (records.length === 0) fault("ended, and no record says how");
    else if (told === undefined && hostsKilled === 0)
      fault(`was answered ${call.status}, no host was killed, and no record has what came of it`);
    if (told?.outcome === "completed") checkAnswered(told, call, fault);
  }
  for (const record of trail) {
    if (record.cost !== null && !calls.some((call) => call.attempt === String(record.attempt)))
      say("calls_are_recorded", job.job_id, `record ${record.seq} has a cost, and no model counted a call`);
  }
}

function checkAnswered(told: AuditRecord, call: CountedCall, fault: (why: string) => void): void {
  const { usage, cost } = told;
  const { input_tokens, output_tokens } = call;
  const isTold = !LAB_DOINGS.some((doing) => doing === call.fault);
  if (
    isTold &&
    (usage?.input_tokens !== input_tokens || usage.output_tokens !== output_tokens || cost === null)
  )
    fault(`used ${input_tokens}+${output_tokens} tokens, recorded otherwise`);
  if (call.status !== 200 || !WHOLE.has(call.fault)) fault("was never answered in whole");
}

function checkCosts({ job, trail }: StoredJob, say: Say): void {
  const fault = (why: string) => say("costs_add_up", job.job_id, why);
  let sum: Cost | null = null;
  for (const record of trail) sum = addCosts(sum, record.cost);
  if (sum?.amount !== job.cost?.amount)
    fault(`its records add up to ${sum?.amount ?? "nothing"}, it says ${job.cost?.amount ?? "nothing"}`);
  for (let attempt = 1; attempt <= job.attempts; attempt++) {
    const records = closers(trail, attempt);
    const told = records.filter(tellsCall);
    if (told.length > 1)
      fault(`attempt ${attempt} is told ${told.length} times: ${told.map((r) => r.event).join(", ")}`);
    if (records.filter((record) => record.event === "attempt_lost").length > 1)
      fault(`attempt ${attempt} was lost twice`);
  }
}

function checkChain({ job, trail }: StoredJob, say: Say): void {
  const verdict = verifyChain(trail, { seq: job.audit_seq, hash: job.audit_hash });
  if (!verdict.intact) say("chains_hold", job.job_id, `record ${verdict.seq}: ${verdict.why}`);
}

function checkAttempts({ job, trail }: StoredJob, evidence: Evidence, say: Say): void {
  const fault = (why: string) => say("attempts_are_bounded", job.job_id, why);
  const numbers = trail.filter((r) => r.event === "attempt_started").map((r) => r.attempt);
  if (numbers.some((attempt, index) => attempt !== index + 1) || numbers.length !== job.attempts)
    fault(`attempts ${numbers.join(", ")}; the job counts ${job.attempts}`);
  if (job.attempts_spent > evidence.maxAttempts)
    fault(`${job.attempts_spent} attempts were spent, ${evidence.maxAttempts} are allowed`);
}

/** What hosts of the next version write (mixed-hosts.ts) and others do not know. */
function checkFields({ job }: StoredJob, say: Say): void {
  const isKept = (job as JobDocument & { of_the_next?: unknown }).of_the_next === true;
  if (job.v === 2 && !isKept)
    say("neighbours_are_borne", job.job_id, "a field that only the next version knows is gone");
}

/** Whatever a hostile tenant did meanwhile: those who asked for what they may were let in and served. */
function checkHonest({ submissions }: Evidence, stored: StoredJobs, say: Say): void {
  for (const { label, answers, mustComplete } of submissions) {
    if (answers.some(({ status }) => status === 429))
      say("harm_is_ones_own", null, `${label} was refused for being too much, and was not`);
    const there = answers.map(({ jobId }) => stored.get(jobId ?? "")).find((each) => each !== undefined);
    if (!mustComplete || there === undefined || there.job.status === "completed") continue;
    const last = there.trail.at(-1);
    const why = `${there.job.status}, ${there.job.error?.code ?? "no error"}; ${last?.reason ?? ""}`;
    say("harm_is_ones_own", there.job.job_id, `${label} could be completed and is ${why}`);
  }
}

/** What a hostile lab can do to a job: not show what is another tenant's or the operator's, nor name a price. */
function checkOwn({ job, trail, response }: StoredJob, say: Say): void {
  const owner = canaryOf(response?.body ?? "");
  if (owner !== undefined && owner !== job.tenant_id)
    say("answers_are_own", job.job_id, `${job.tenant_id} has an answer for ${owner}`);
  const text = JSON.stringify([job, response ?? null, trail]);
  for (const secret of Object.values(HOSTILE_SETTINGS))
    if (text.includes(secret)) say("answers_are_own", job.job_id, "it shows the operator's key");
  for (const { provider, cost, seq } of trail)
    if (provider === HOSTILE.provider && cost !== null && Number(cost.amount) > MOST_COST)
      say("harm_is_ones_own", job.job_id, `record ${seq}: a call of the hostile lab cost ${cost.amount}`);
}
