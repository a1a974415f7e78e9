import { Problem } from "../../errors.ts";
import type { EventLogs } from "../../events/event-logs.ts";
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
import { LiveStream } from "./live-stream.ts";

/** How a client wants the answer of its call. */
export interface Wanted {
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly base64: boolean;
  readonly form: Form;
  /** Its client follows no redirect: it waits on this connection, however long that takes. Absent: it does. */
  readonly staysHere?: boolean | undefined;
  /** The retry whose client waits; absent: the call's own. */
  readonly joinedBy?: string | undefined;
}

/** What an answer is made with. */
export interface AnswerDeps extends HeldCallDeps {
  readonly events: Pick<EventLogs, "follow">;
  /** Whether the client has left: what is said from then on nobody hears. */
  readonly isLeft: () => boolean;
}

/** A job that runs in the invocation of its client's request, which has to last as long as it runs. */
export interface Running {
  readonly job: Job;
  /** Resolves when nothing of it is left to do here. */
  readonly over: Promise<void>;
  /** Where its answer comes in as it is made; undefined: the client wants it whole. */
  readonly stream: LiveStream | undefined;
}

/** Load balancers cut a connection after 230 s without a byte, clients after 300. */
const MAX_HOLD_SECONDS = 200;
/** Between two bytes that keep a connection open. */
const BLANK_EVERY_MS = 15_000;
const bytesOf = (text: string) => new TextEncoder().encode(text);

/**
 * The job as it ended, or as it is after as long as a connection is held.
 * @param staysHere a client that cannot be sent on. @throws Problem service_busy where it has to go earlier: its retry
 * joins the job
 */
async function endOf(
  deps: HeldCallDeps,
  tenant: Tenant,
  job: JobKey,
  seconds = MAX_HOLD_SECONDS,
  staysHere = false,
): Promise<EndedJob> {
  const begun = deps.clock.monotonic();
  const { found } = await holdCall(deps, tenant, job, seconds);
  if (found === undefined) throw jobNotFound(job);
  const isEarly = deps.clock.monotonic() - begun < (seconds - 1) * 1000;
  if (staysHere && isEarly && !isEnded(found.job.value))
    throw new Problem("service_busy", "This instance cannot hold the call any longer.", {
      retryAfterSeconds: 1,
    });
  return found;
}

/**
 * Waits for a job's end and answers with it. A stream begins with its first event. So does, after 200 s and with a blank
 * now and then, any other answer of a job that runs here: what fails from then on can no longer say so by its status. In a
 * stream an error comes; any other connection breaks, and the client's retry joins the job that has ended. What runs
 * elsewhere and takes longer goes on in another request, to which the client is sent; so does what this instance can hold
 * no longer.
 * @param here absent: it does not run here
 */
export async function answerWhenEnded(
  deps: AnswerDeps,
  tenant: Tenant,
  job: JobKey,
  wanted: Wanted,
  here?: Running,
): Promise<Answer<200 | 303>> {
  const stream = wanted.stream ? (here?.stream ?? new LiveStream()) : undefined;
  const ended = endOf(deps, tenant, job, MAX_HOLD_SECONDS, wanted.staysHere);
  let isOver = here === undefined;
  const over = (here?.over ?? Promise.resolve()).then(() => {
    isOver = true;
  });
  const { promise: stopped, resolve: stop } = Promise.withResolvers<unknown>();
  // Where it does not run here, what a worker's call says comes by the log.
  const read = over.then(async () => {
    if (stream?.isShown === false) await stream.follow(deps.events, job, stopped);
  });
  for (const each of [ended, over, read]) each.catch(() => undefined); // it is told to whoever awaits it
  const goesOn = read.then(() => new Promise<never>(() => undefined));
  await Promise.race([stream?.first ?? ended, ended, goesOn]);
  if (stream?.isShown !== true) {
    const end = await ended;
    if (isEnded(end.job.value)) await over;
    if (isEnded(end.job.value) || (isOver && wanted.staysHere !== true)) {
      stop(undefined);
      return answerOf(end, wanted);
    }
  }
  const final = finalOf(deps, tenant, job, {
    over,
    ended,
    stream: here && stream,
    staysHere: wanted.staysHere,
  });
  stop(final);
  const begun = here?.job ?? (await deps.store.read(job))?.value;
  if (begun === undefined) throw jobNotFound(job);
  const headers = { ...headersOf(begun), ...(wanted.stream ? EVENT_STREAM : JSON_TYPE) };
  const last = Promise.all([final, read]).then(([end]) => end);
  last.catch(() => undefined);
  const body =
    stream === undefined
      ? blanksUntil(deps, last, wanted)
      : eventsUntil(deps, begun, stream, Promise.race([last, stream.brokenOff]), wanted);
  return { status: 200, headers, body };
}

/**
 * The job as it ended, however long that takes.
 * @param here.stream what of it was shown came from here: where the job has not ended by then, another's answer is not it
 */
async function finalOf(
  deps: AnswerDeps,
  tenant: Tenant,
  job: JobKey,
  here: {
    readonly over: Promise<void>;
    readonly ended: Promise<EndedJob>;
    readonly stream: LiveStream | undefined;
    readonly staysHere?: boolean | undefined;
  },
): Promise<EndedJob> {
  await here.over;
  const isShown = here.stream?.isShown === true;
  let end = await here.ended;
  if (isShown && !isEnded(end.job.value)) {
    end = await endOf(deps, tenant, job, 0);
    if (!isEnded(end.job.value)) here.stream?.breakOff();
    return end;
  }
  while (!isEnded(end.job.value) && !deps.isLeft())
    end = await endOf(deps, tenant, job, MAX_HOLD_SECONDS, here.staysHere);
  return end;
}

const JSON_TYPE = { "content-type": "application/json" } as const;

async function* blanksUntil(
  { clock, isLeft }: Pick<AnswerDeps, "clock" | "isLeft">,
  final: Promise<EndedJob>,
  wanted: Wanted,
): AsyncGenerator<Uint8Array> {
  for (let end: EndedJob | undefined; end === undefined; end = await within(clock, final)) yield bytesOf(" ");
  const { status, body } = answerOf(await final, wanted);
  if (isLeft()) return;
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
  stream: LiveStream,
  final: Promise<EndedJob | "broken_off">,
  wanted: Wanted,
): AsyncGenerator<Uint8Array> {
  const isFinal = final.then(() => "final" as const);
  for (let state: string | undefined = ""; state !== "final"; ) {
    state = await within(clock, Promise.race([stream.next(), isFinal]));
    if (state === undefined) yield bytesOf(": keep-alive\n\n");
    const events = stream.take();
    const text = events.length === 0 ? "" : wanted.form.events(job, events);
    if (text !== "") yield bytesOf(text);
  }
  yield bytesOf(lastOf(await final, stream, wanted));
}

const BROKEN_OFF = {
  ...{ message: "The answer broke off.", type: "server_error", code: "answer_broken_off" },
};

/** What ends a stream. A client that hears an error is not told that it is over. */
function lastOf(
  end: EndedJob | "broken_off",
  { isShown, isBrokenOff }: LiveStream,
  { form }: Wanted,
): string {
  if (end === "broken_off" || isBrokenOff) return form.failed(undefined, BROKEN_OFF);
  const { response } = end;
  const { value: job } = end.job;
  if (!isEnded(job)) return form.failed(undefined, BROKEN_OFF);
  if (job.status === "completed" && response !== undefined) return form.last({ ...end, response }, isShown);
  return form.failed(job, failureOf(job, response));
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

function queryOf({ stream, includeUsage, base64, joinedBy }: Wanted): string {
  const query = new URLSearchParams(joinedBy === undefined ? {} : { joined_by: joinedBy });
  for (const [name, said] of Object.entries({ stream, include_usage: includeUsage, base64 }))
    if (said) query.set(name, "true");
  return query.size === 0 ? "" : `?${query}`;
}
