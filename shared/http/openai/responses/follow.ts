import { awaitEnd } from "../../../job/ending/await-end.ts";
import type { HeldCallDeps } from "../../../job/intake/held-call.ts";
import { isEnded, type Job } from "../../../job/job.ts";
import { responseStatusOf } from "../../../job/response.ts";
import type { EndedJob } from "../../../job/running-jobs.ts";
import type { JsonObject } from "../../../model/protocol/json.ts";
import type { Stored } from "../../../store.ts";
import type { Tenant } from "../../../tenant/tenants.ts";
import type { ResponseDeps } from "./deps.ts";
import { eventText, type ResponseEvent, ResponseEvents } from "./events.ts";
import { responseNotFound } from "./find.ts";
import { responseOf } from "./object.ts";

/** Between two bytes that keep a connection open. */
const BLANK_EVERY_MS = 15_000;
const WAIT_SECONDS = 200;
const bytesOf = (text: string) => new TextEncoder().encode(text);
const KEEP_ALIVE = bytesOf(": keep-alive\n\n");

/**
 * The events of a background response after a number, from its event log: the same on every instance, as often as they
 * are read. A connection that goes leaves the job as it is.
 */
export async function* followed(
  deps: ResponseDeps,
  tenant: Pick<Tenant, "id">,
  { job, request }: { readonly job: Stored<Job>; readonly request: JsonObject | undefined },
  startingAfter: number,
): AsyncGenerator<Uint8Array> {
  const stop = new AbortController();
  const events = responseEvents(deps, job, request, stop.signal);
  const release = deps.throttle.beginWait(tenant, () => stop.abort());
  try {
    for (let next = events.next(); ; ) {
      const found = await within(deps, next);
      if (found === undefined) {
        yield KEEP_ALIVE;
        continue;
      }
      if (found.done === true) return;
      const shown = found.value.filter(({ sequence_number }) => sequence_number > startingAfter);
      if (shown.length > 0) yield bytesOf(shown.map(eventText).join(""));
      next = events.next();
    }
  } finally {
    stop.abort();
    release();
  }
}

async function within<T>({ intake: { clock } }: ResponseDeps, promise: Promise<T>): Promise<T | undefined> {
  let cancel: () => void = () => undefined;
  const pause = new Promise<undefined>((resolve) => {
    cancel = clock.after(BLANK_EVERY_MS, () => resolve(undefined));
  });
  return Promise.race([promise, pause]).finally(cancel);
}

/** All of its events from the first on. @throws Error where this instance ends first: the connection breaks */
async function* responseEvents(
  deps: ResponseDeps,
  found: Stored<Job>,
  request: JsonObject | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly ResponseEvent[]> {
  const { value: job } = found;
  const events = new ResponseEvents();
  const accepted = { ...responseOf({ ...job, status: "queued" } as Job, request, undefined), output: [] };
  yield events.begin(accepted);
  let isStarted = false;
  const start = () => {
    if (isStarted) return [];
    isStarted = true;
    return events.start(accepted);
  };
  if (responseStatusOf(job) === "in_progress") yield start();
  const ended = endOf(deps, job, signal);
  ended.catch(() => undefined); // it is told below
  let deployment = job.deployment;
  let attempt = -1;
  for await (const logged of deps.events.follow(job, -1, ended)) {
    if (signal.aborted) return;
    const all = start();
    for (const { event, attempt: of } of logged) {
      if (event === null) {
        all.push(...events.close());
        continue;
      }
      if (of !== attempt) {
        attempt = of;
        deployment = (await deps.intake.store.read(job))?.value.deployment ?? deployment;
      }
      all.push(...events.add(event.data, deployment));
    }
    yield all;
  }
  const { job: last, response } = await ended;
  if (!isEnded(last.value)) throw new Error("the events end before the response does");
  yield [...start(), ...events.end(responseOf(last.value, request, response))];
}

async function endOf({ intake }: ResponseDeps, job: Job, signal: AbortSignal): Promise<EndedJob> {
  const deps: Omit<HeldCallDeps, "heldCalls"> = intake;
  for (;;) {
    const found = await awaitEnd(deps, job, WAIT_SECONDS, signal);
    if (found === undefined) throw responseNotFound(job.job_id);
    if (isEnded(found.job.value) || signal.aborted || deps.running.isEnding) return found;
  }
}
