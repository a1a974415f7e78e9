import type { HttpResponseInit } from "@azure/functions";
import { Problem } from "../shared/errors.ts";
import { admitModel } from "../shared/http/api/admit-model.ts";
import { type ParsedSubmit, parseSubmit } from "../shared/http/api/envelope.ts";
import { etagOf, jobJson, retryAfterSeconds } from "../shared/http/api/job-resource.ts";
import { waitSeconds } from "../shared/http/api/parameters.ts";
import { type SubmitDeps, submitJob, submittedBefore } from "../shared/job/intake/submit.ts";
import { isEnded, type Job } from "../shared/job/job.ts";
import type { EndedJob } from "../shared/job/running-jobs.ts";
import { MAX_HELD_SUBMIT_BYTES, MAX_REQUEST_BYTES, MAX_STORED_CONTENT_BYTES } from "../shared/limits.ts";
import { type Log, reasonOf } from "../shared/log.ts";
import type { Catalogue } from "../shared/model/catalogue.ts";
import type { Settings } from "../shared/settings.ts";
import { type Stored, StoreUnavailable } from "../shared/store.ts";
import type { Tenant } from "../shared/tenant/tenants.ts";
import { heldWait } from "./held-wait.ts";
import { type Entrance, tenantRoute } from "./http.ts";

export interface SubmitRouteDeps extends Omit<SubmitDeps, "log"> {
  readonly entrance: Entrance;
  readonly catalogue: () => Catalogue;
  readonly settings: Pick<Settings, "defaultDeadlineSeconds" | "maxDeadlineSeconds">;
}

/** POST /api/jobs, with `Prefer: wait=N` */
export function registerSubmitJob(deps: SubmitRouteDeps): void {
  const options = { name: "submit-job", method: "POST", route: "jobs" } as const;
  tenantRoute(deps.entrance, options, async (request, { tenant, actor }, { log }) => {
    deps.entrance.door.submit(tenant, log);
    refuseDeclaredSize(request.headers.get("content-length"));
    const nowMs = deps.clock.now();
    const bytes = new Uint8Array(await request.arrayBuffer());
    const submit = parseSubmit(bytes, request.headers, nowMs, deps.settings);
    const asked = bytes.length > MAX_HELD_SUBMIT_BYTES ? 0 : waitSeconds(request.headers.get("prefer"));
    const answer = (job: Stored<Job>) => awaited({ ...deps, log }, tenant, job, asked);
    refuseStoredSize(submit.bodyText);
    const refusal = submit.refusal ?? refusedModel(deps.catalogue(), tenant, submit);
    if (refusal !== undefined) {
      // What was accepted once stays so: its time may be over by now, or its model gone.
      const before = await submittedBefore(deps.store, tenant.id, submit);
      if (before === undefined) throw refusal;
      return await answer(before);
    }
    const deadlineMs = submit.deadlineMs ?? defaultDeadlineMs(submit.notBeforeMs, nowMs, deps.settings);
    const submitted = await submitJob(
      { ...deps, log },
      { ...submit, deadlineMs },
      { tenantId: tenant.id, actor, idempotencyKey: submit.idempotencyKey },
    );
    return await answer(submitted.job);
  });
}

/**
 * The answer to a job that is stored, held until its end where the client prefers to wait. Whatever goes wrong with the
 * waiting, the job was accepted: the client hears so.
 * @throws StoreUnavailable where the job had ended before, and its response cannot be read
 */
async function awaited(
  deps: SubmitRouteDeps & { readonly log: Log },
  tenant: Tenant,
  job: Stored<Job>,
  askedSeconds: number,
): Promise<HttpResponseInit> {
  const asAccepted: EndedJob = { job, response: undefined };
  const answer = (found: EndedJob, headers: Readonly<Record<string, string>> = {}) =>
    accepted(found, deps.clock.now(), headers);
  // A repeated submit may meet a job that has ended: shown without its response, that would be taken for an empty answer.
  const isWhole = !isEnded(job.value) || !job.value.has_response;
  if (askedSeconds === 0 && isWhole) return answer(asAccepted);
  try {
    const waiting = { ...deps, door: deps.entrance.door };
    const { found, headers } = await heldWait(waiting, tenant, job.value, askedSeconds);
    if (found === undefined && !isWhole)
      throw new StoreUnavailable(`${job.value.job_id} was read, and cannot be read again`);
    return answer(found ?? asAccepted, headers);
  } catch (thrown) {
    if (!isWhole) throw thrown;
    deps.log.warn("wait_given_up", { job_id: job.value.job_id, reason: reasonOf(thrown) });
    return answer(asAccepted);
  }
}

function accepted(
  { job: { value: job, etag }, response }: EndedJob,
  nowMs: number,
  preference: Readonly<Record<string, string>>,
): HttpResponseInit {
  return {
    status: 202,
    headers: {
      "content-type": "application/json",
      location: `/api/jobs/${job.job_id}`,
      etag: etagOf(etag),
      "retry-after": String(retryAfterSeconds(job, nowMs)),
      ...preference,
    },
    body: jobJson(job, response ?? null),
  };
}

function refusedModel(catalogue: Catalogue, tenant: Tenant, submit: ParsedSubmit): Problem | undefined {
  try {
    admitModel(catalogue, tenant, submit);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Problem) return thrown;
    throw thrown;
  }
}

/** A deadline counts from when the job may start, as far as the longest one allows. */
function defaultDeadlineMs(
  notBeforeMs: number | null,
  nowMs: number,
  settings: SubmitRouteDeps["settings"],
): number {
  const fromStartMs = Math.max(nowMs, notBeforeMs ?? 0) + settings.defaultDeadlineSeconds * 1000;
  return Math.min(fromStartMs, nowMs + settings.maxDeadlineSeconds * 1000);
}

function refuseDeclaredSize(contentLength: string | null): void {
  if (Number(contentLength ?? 0) > MAX_REQUEST_BYTES) throw tooLarge(`${contentLength} bytes`);
}

/** As Cosmos DB will hold it: a string inside JSON, where each quote and backslash takes two bytes. */
function refuseStoredSize(bodyText: string): void {
  if (bodyText.length * 6 <= MAX_STORED_CONTENT_BYTES) return;
  const storedBytes = Buffer.byteLength(JSON.stringify(bodyText));
  if (storedBytes > MAX_STORED_CONTENT_BYTES) throw tooLarge(`${storedBytes} bytes with its escapes`);
}

function tooLarge(size: string): Problem {
  return new Problem(
    "request_too_large",
    `The request has ${size}; at most ${MAX_REQUEST_BYTES} bytes are taken.`,
  );
}
