import { jobNotFound } from "../../job/ending/cancel.ts";
import { type HeldCallDeps, holdCall } from "../../job/intake/held-call.ts";
import { isEnded, type Job } from "../../job/job.ts";
import type { EndedJob } from "../../job/running-jobs.ts";
import type { JobKey } from "../../store.ts";
import type { Tenant } from "../../tenant/tenants.ts";
import { type Answer, jsonText } from "../answer.ts";
import { errorAnswer } from "./envelope.ts";
import { EVENT_STREAM } from "./events.ts";
import { failureOf } from "./failure.ts";
import type { Form } from "./form.ts";
import { headersOf } from "./headers.ts";
import type { LiveStream } from "./live-stream.ts";

/** How a client wants the answer of its call. */
export interface Wanted {
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly base64: boolean;
  readonly form: Form;
}

/** Load balancers cut a connection after 230 s without a byte, clients after 300. */
const MAX_HOLD_SECONDS = 200;

/**
 * Waits for a job's end and answers with it. What takes longer goes on in another request, to which the client is sent;
 * so does what this instance can hold no longer.
 */
export async function answerWhenEnded(
  deps: HeldCallDeps,
  tenant: Tenant,
  job: JobKey,
  wanted: Wanted,
): Promise<Answer<200 | 303>> {
  return answerOf(await endOf(deps, tenant, job), wanted);
}

/** The job as it ended, or as it is after as long as a connection is held. */
async function endOf(deps: HeldCallDeps, tenant: Tenant, job: JobKey): Promise<EndedJob> {
  const { found } = await holdCall(deps, tenant, job, MAX_HOLD_SECONDS);
  if (found === undefined) throw jobNotFound(job);
  return found;
}

/** Between two bytes that keep a connection open. */
const BLANK_EVERY_MS = 15_000;
const bytesOf = (text: string) => new TextEncoder().encode(text);

/** A job that runs in the invocation of its client's request, which has to last as long as it runs. */
export interface Running {
  readonly job: Job;
  /** Resolves when nothing of it is left to do here. */
  readonly over: Promise<void>;
  /** Where its answer comes in as it is made; undefined: the client wants it whole. */
  readonly stream: LiveStream | undefined;
}

/**
 * The same for a job that runs here. A stream begins with its first event, any other answer after 200 s, with a blank
 * now and then. What fails from then on can no longer say so by its status: in a stream an error comes; any other
 * connection breaks, and the client's retry joins the job that has ended.
 */
export async function answerWhenRun(
  deps: HeldCallDeps,
  tenant: Tenant,
  { job, over, stream }: Running,
  wanted: Wanted,
): Promise<Answer<200 | 303>> {
  const ended = endOf(deps, tenant, job);
  ended.catch(() => undefined); // it is told to whoever awaits it
  const isOver = over.then(() => true);
  const hasBegun = stream?.first.then(() => true) ?? new Promise<never>(() => undefined);
  await Promise.race([hasBegun, isOver, ended]);
  if (stream?.isShown !== true) {
    const end = await ended;
    if (isEnded(end.job.value)) await over;
    if (isEnded(end.job.value) || (await Promise.race([isOver, false]))) return answerOf(end, wanted);
  }
  const final = async () => {
    await over;
    let end = await ended;
    while (!isEnded(end.job.value) && stream?.isShown !== true) end = await endOf(deps, tenant, job);
    return end;
  };
  const headers = { ...headersOf(job), ...(wanted.stream ? EVENT_STREAM : JSON_TYPE) };
  const body = wanted.stream
    ? eventsUntil(deps, job, stream, final(), wanted)
    : blanksUntil(deps, final(), wanted);
  return { status: 200, headers, body };
}

const JSON_TYPE = { "content-type": "application/json" } as const;

async function* blanksUntil(
  { clock }: Pick<HeldCallDeps, "clock">,
  final: Promise<EndedJob>,
  wanted: Wanted,
): AsyncGenerator<Uint8Array> {
  for (let end: EndedJob | undefined; end === undefined; end = await within(clock, final)) yield bytesOf(" ");
  const { status, body } = answerOf(await final, wanted);
  if (status !== 200 || typeof body !== "string")
    throw new Error("a call that had begun to answer has failed");
  yield bytesOf(body);
}

/** Undefined: not within the time that a connection may be silent. */
async function within<T>(clock: HeldCallDeps["clock"], promise: Promise<T>): Promise<T | undefined> {
  let cancel: () => void = () => undefined;
  const pause = new Promise<undefined>((resolve) => {
    cancel = clock.after(BLANK_EVERY_MS, () => resolve(undefined));
  });
  return Promise.race([promise, pause]).finally(cancel);
}

async function* eventsUntil(
  { clock }: Pick<HeldCallDeps, "clock">,
  job: Job,
  stream: LiveStream | undefined,
  final: Promise<EndedJob>,
  wanted: Wanted,
): AsyncGenerator<Uint8Array> {
  const isFinal = final.then(() => "final" as const);
  for (let state: string | undefined = ""; state !== "final"; ) {
    const next = stream === undefined ? isFinal : Promise.race([stream.next(), isFinal]);
    state = await within(clock, next);
    if (state === undefined) yield bytesOf(": keep-alive\n\n");
    const events = stream?.take() ?? [];
    const text = events.length === 0 ? "" : wanted.form.events(job, events);
    if (text !== "") yield bytesOf(text);
  }
  yield bytesOf(lastOf(await final, stream?.isShown === true, wanted));
}

/** What ends a stream. A client that hears an error is not told that it is over. */
function lastOf(end: EndedJob, isShown: boolean, { form }: Wanted): string {
  const { value: job } = end.job;
  const { response } = end;
  if (job.status === "completed" && response !== undefined) return form.last({ ...end, response }, isShown);
  const brokenOff = { message: "The answer broke off.", type: "server_error", code: "answer_broken_off" };
  return form.failed(end, isEnded(job) ? failureOf(job, response) : brokenOff);
}

/** @returns a failure's own status too, which the contract has among the errors */
export function answerOf(ended: EndedJob, wanted: Wanted): Answer<200 | 303> {
  const { response } = ended;
  const { value: job } = ended.job;
  const headers = headersOf(job);
  if (!isEnded(job)) {
    const location = `/openai/v1/waits/${job.job_id}${queryOf(wanted)}`;
    return { status: 303, headers: { ...headers, location, "cache-control": "no-store" } };
  }
  if (job.status !== "completed" || response === undefined)
    return errorAnswer(failureOf(job, response), headers) as Answer<200>;
  const end = { job: ended.job, response };
  if (wanted.stream)
    return { status: 200, headers: { ...headers, ...EVENT_STREAM }, body: wanted.form.last(end, false) };
  return jsonText(200, wanted.form.whole(end), headers);
}

function queryOf({ stream, includeUsage, base64 }: Wanted): string {
  const said = { stream, include_usage: includeUsage, base64 };
  const names = Object.entries(said).flatMap(([name, value]) => (value ? [`${name}=true`] : []));
  return names.length === 0 ? "" : `?${names.join("&")}`;
}
