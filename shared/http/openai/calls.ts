import canonicalize from "canonicalize";
import { z } from "zod";
import { accept, type IntakeDeps, type Submit, type SubmittedBy } from "../../job/intake/intake.ts";
import { coalesceOf, joinRepeated } from "../../job/intake/join.ts";
import { timeFaults } from "../../job/intake/times.ts";
import type { Endpoint, Job } from "../../job/job.ts";
import { startHere } from "../../job/run/run.ts";
import type { RunDeps } from "../../job/run/run-deps.ts";
import { MAX_MODEL_NAME_CHARS, MAX_REQUEST_BYTES } from "../../limits.ts";
import { sha256Hex } from "../../sha256.ts";
import type { Stored } from "../../store.ts";
import type { Answer } from "../answer.ts";
import { flag, text } from "../api/fields.ts";
import { jobInPath, named } from "../api/parameters.ts";
import { invalidRequest } from "../input.ts";
import type { ReadJson } from "../json-text.ts";
import { type AnswerSpec, type Route, route, type Visit } from "../route.ts";
import type { Throttle } from "../throttle.ts";
import { answerWhenEnded, answerWhenRun, type Wanted } from "./answer.ts";
import { labsForm } from "./form.ts";
import { ANSWER_HEADERS, callHeaders } from "./headers.ts";
import { LiveStream } from "./live-stream.ts";
import { atPaths } from "./paths.ts";
import { responseFormOf } from "./responses/form.ts";

export interface CallDeps {
  readonly intake: Omit<IntakeDeps, "log" | "heldCalls">;
  readonly throttle: Throttle;
  readonly run: Omit<RunDeps, "log">;
  /** Runs what goes on in this process. */
  readonly invocation: <T>(work: () => Promise<T>) => Promise<T>;
}

const model = z
  .string()
  .max(MAX_MODEL_NAME_CHARS)
  .nullish()
  .describe("A model of GET /openai/v1/models. Azure's older paths name it themselves.");

const chatSchema = z
  .looseObject({
    model,
    stream: z.boolean().nullish().describe("Whether the answer comes as events."),
    stream_options: z
      .looseObject({ include_usage: flag("Whether a last chunk tells the usage.").nullish() })
      .nullish()
      .describe("Of a stream."),
  })
  .describe("As OpenAI takes it. All that is not here goes to the lab as it came.");

const embeddingsSchema = z
  .looseObject({
    model,
    encoding_format: text("`base64`: vectors come as little-endian float32; else as numbers.").nullish(),
  })
  .describe("As OpenAI takes it. All that is not here goes to the lab as it came.");

/** What comes back is the lab's, so little is said of it. */
const labsAnswer = (what: string, id: string) =>
  z.looseObject({ object: text(what) }).meta({ id, title: `The lab's answer: ${what}` });

export const LATER: AnswerSpec = {
  description: "The call takes longer than a connection may wait: it goes on at `Location`.",
  headers: { Location: "A path of this door.", ...ANSWER_HEADERS },
};

interface Call<Body extends z.ZodType> {
  readonly name: string;
  readonly path: string;
  readonly endpoint: Endpoint;
  readonly summary: string;
  readonly schema: Body;
  readonly answers: z.ZodType;
  readonly wanted: (body: z.output<Body>) => Wanted;
}

/** The codes of a job's own end that are no problem of the door's: see failure.ts. */
export const REFUSED = [
  "endpoint_not_supported",
  "capability_not_supported",
  "budget_exceeded",
  "model_not_allowed",
  "model_not_found",
  "idempotency_key_reused",
] as const;

/** A call whose client waits for the lab's answer on its connection. */
function call<Body extends z.ZodType<{ readonly model?: string | null | undefined }>>(of: Call<Body>) {
  const { name, path, endpoint, summary, schema, wanted } = of;
  return route({
    ...{ name, method: "POST", path, who: "tenant", summary, isSubmit: true },
    params: { schema: z.object({ model: named("model").optional() }), absent: "model_not_found" },
    headers: callHeaders,
    body: { schema, maxBytes: MAX_REQUEST_BYTES },
    answers: {
      200: { description: "The lab's answer.", schema: of.answers, headers: ANSWER_HEADERS },
      303: LATER,
    },
    errors: REFUSED,
    handle: async (deps: CallDeps, { path: { model: ofPath }, body, headers, sent }, by, visit) => {
      const bodySha256 = bodySha256Of(sent);
      const coalesce = coalesceOf(by.actor, endpoint, bodySha256);
      const key = headers["Idempotency-Key"] ?? null;
      const isRetry = headers["X-Stainless-Retry-Count"] && key === null;
      const asked = ofPath ?? body.model ?? "";
      if (asked === "") throw invalidRequest([{ path: "/model", message: "is required" }]);
      const how = wanted(body);
      const submit = {
        ...{ endpoint, model: asked, body, coalesce, metadata: {} },
        bodyText: body.model === undefined ? withModel(sent.text, asked) : sent.text,
        priority: headers["x-switchyard-priority"],
        envelopeSha256: bodySha256,
        idempotencyKey: key,
        traceparent: headers.traceparent,
        ...timesOf(headers, deps.intake),
        ...(how.stream ? { streamed: true as const } : {}),
      };
      return answerCall(deps, { submit, how, isRetry }, by, visit);
    },
  });
}

/** A call as a route has read it, and how its client wants the answer. */
export interface HeldCall {
  readonly submit: Submit & { readonly coalesce: string };
  readonly how: Wanted;
  /** An automatic retry: it joins the job that it repeats, where there is one. */
  readonly isRetry: boolean;
}

/** Takes a call in, and answers it on its client's connection. */
export async function answerCall(
  deps: CallDeps,
  { submit, how, isRetry }: HeldCall,
  by: SubmittedBy,
  visit: Visit,
): Promise<Answer<200 | 303>> {
  const intake = { ...deps.intake, log: visit.log, heldCalls: deps.throttle };
  const retried = { tenantId: by.tenant.id, coalesce: submit.coalesce, joinedBy: visit.requestId };
  const repeated = isRetry ? await joinRepeated(intake, retried) : undefined;
  if (repeated !== undefined) return answerWhenEnded(intake, by.tenant, repeated.value, how);
  const stream = how.stream ? new LiveStream() : undefined;
  const run = { ...deps.run, log: visit.log, ...(stream === undefined ? {} : { passOn: stream }) };
  const { job, over } = await within(deps.invocation, () =>
    accept({ ...intake, startHere: (accepted) => startHere(run, accepted) }, submit, by),
  );
  return answerWhenRun(intake, by.tenant, { job: job.value, over, stream }, how);
}

/** Takes a job in, and runs on what it has begun, in one invocation. @returns `over` when all of that is done */
function within(
  invocation: CallDeps["invocation"],
  take: () => ReturnType<typeof accept>,
): Promise<{ job: Stored<Job>; over: Promise<void> }> {
  return new Promise((resolve, reject) => {
    const over: Promise<void> = invocation(async () => {
      const { job, run } = await take();
      // Nobody asks for `over` before this is answered.
      resolve({ job, over: Promise.resolve().then(() => over) });
      await run;
    });
    over.catch(reject);
  });
}

export type Times = Pick<Submit, "notBeforeMs" | "deadlineMs" | "refusal">;

/** @throws nothing: what is wrong with them is the submit's refusal */
export function timesOf(
  headers: z.output<typeof callHeaders>,
  { clock, settings }: CallDeps["intake"],
): Times {
  const nowMs = clock.now();
  const notBefore = headers["x-switchyard-not-before"];
  const notBeforeMs = notBefore === undefined ? null : notBefore * 1000;
  const deadlineMs = Math.max(nowMs, notBeforeMs ?? 0) + headers["x-switchyard-deadline-seconds"] * 1000;
  const names = { deadline: "x-switchyard-deadline-seconds", not_before: "x-switchyard-not-before" };
  const faults = timeFaults({ notBeforeMs, deadlineMs }, nowMs, settings.maxDeadlineSeconds).map(
    ({ about, message }) => ({ path: names[about], message }),
  );
  return { notBeforeMs, deadlineMs, refusal: faults.length === 0 ? undefined : invalidRequest(faults) };
}

/** Of the canonical body (RFC 8785), and of the digits that its numbers lose there. */
export function bodySha256Of({ value, lostNumbers }: ReadJson): string {
  return sha256Hex(
    (canonicalize(value) ?? "") + (lostNumbers.length === 0 ? "" : JSON.stringify(lostNumbers)),
  );
}

/** The same JSON object with one more member before the others, which stay byte for byte. */
function withModel(objectText: string, name: string): string {
  const member = `"model":${JSON.stringify(name)}`;
  return objectText.replace(/^\s*\{\s*(\}?)/, (_, end: string) => `{${member}${end === "" ? "," : "}"}`);
}

const labsWanted = (how: Omit<Wanted, "form">): Wanted => ({ ...how, form: labsForm(how) });

const chat = call({
  ...{ name: "create-chat-completion", path: "chat/completions", endpoint: "/v1/chat/completions" },
  summary: "A chat completion, whole or as a stream",
  schema: chatSchema,
  answers: labsAnswer("`chat.completion`; a stream is of `chat.completion.chunk`.", "ChatCompletion"),
  wanted: ({ stream, stream_options }) =>
    labsWanted({
      ...{ stream: stream === true, includeUsage: stream_options?.include_usage === true, base64: false },
    }),
});

const embeddings = call({
  ...{ name: "create-embeddings", path: "embeddings", endpoint: "/v1/embeddings" },
  summary: "Vectors of one or more texts",
  schema: embeddingsSchema,
  answers: labsAnswer("`list`, of `embedding`.", "Embeddings"),
  wanted: ({ encoding_format }) =>
    labsWanted({ stream: false, includeUsage: false, base64: encoding_format === "base64" }),
});

const isTrue = z
  .string()
  .optional()
  .transform((said) => said === "true");

const wait = route({
  name: "wait-for-answer",
  method: "GET",
  path: "waits/{id}",
  who: "tenant",
  summary: "The answer of a call that takes long, where its client was sent to wait on",
  params: jobInPath,
  query: z.object({
    stream: isTrue.describe("Whether the answer comes as events."),
    include_usage: isTrue.describe("Whether a last chunk tells the usage."),
    base64: isTrue.describe("Whether vectors come in base64."),
  }),
  answers: {
    200: { description: "The lab's answer.", schema: z.looseObject({}), headers: ANSWER_HEADERS },
    303: LATER,
  },
  errors: ["job_not_found"],
  handle: async (deps: CallDeps, { path, query }, { tenant }) => {
    const how = { stream: query.stream, includeUsage: query.include_usage, base64: query.base64 };
    const key = { tenant_id: tenant.id, job_id: path.id };
    const form = (await responseFormOf(deps.intake.store, key)) ?? labsForm(how);
    return answerWhenEnded({ ...deps.intake, heldCalls: deps.throttle }, tenant, key, { ...how, form });
  },
});

const azure = (path: string) => ({ azure: `openai/deployments/{model}/${path}` });

export const callRoutes: readonly Route<CallDeps>[] = [
  ...atPaths(chat, azure("chat/completions")),
  ...atPaths(embeddings, azure("embeddings")),
  ...atPaths(wait),
];
