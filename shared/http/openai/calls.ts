import canonicalize from "canonicalize";
import { z } from "zod";
import type { IntakeDeps, Submit } from "../../job/intake/intake.ts";
import { timeFaults } from "../../job/intake/times.ts";
import { type Endpoint, isPassedOn } from "../../job/job.ts";
import { MAX_MODEL_NAME_CHARS, MAX_REQUEST_BYTES } from "../../limits.ts";
import { withNamedModel } from "../../model/named-model.ts";
import { sha256Hex } from "../../sha256.ts";
import type { Answer } from "../answer.ts";
import { flag, text } from "../api/fields.ts";
import { jobInPath, named } from "../api/parameters.ts";
import { invalidRequest } from "../input.ts";
import type { ReadJson } from "../json-text.ts";
import { type AnswerSpec, type CallerOf, type Route, route, type Visit } from "../route.ts";
import { type RunHereDeps, takeInHere } from "../run-here.ts";
import type { Throttle } from "../throttle.ts";
import { type AnswerDeps, answerWhenEnded, type Wanted } from "./answer.ts";
import { Connection } from "./connection.ts";
import { labsForm } from "./form.ts";
import { ANSWER_HEADERS, callHeaders } from "./headers.ts";
import { LiveStream } from "./live-stream.ts";
import { atPaths } from "./paths.ts";
import { responseFormOf } from "./responses/form.ts";
import { validateAsked } from "./validate.ts";

export interface CallDeps extends RunHereDeps, Pick<AnswerDeps, "events"> {
  readonly intake: Omit<IntakeDeps, "log" | "heldCalls">;
  readonly throttle: Throttle;
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

/** Calls that take longer are no call's that a client's connection depends on. Those of unknown length may be quick. */
const MAX_HERE_MS = 100_000;
const isQuick = (p95Ms = 0) => p95Ms < MAX_HERE_MS;

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
      const asked = ofPath ?? body.model ?? "";
      if (asked === "") throw invalidRequest([{ path: "/model", message: "is required" }]);
      const key = headers["Idempotency-Key"] ?? null;
      const bodySha256 = bodySha256Of(sent);
      const how = { ...wanted(body), staysHere: headers["api-key"] };
      const validate = validateAsked(headers["x-switchyard-validate"], endpoint, body);
      const submit: Submit = {
        ...{ endpoint, model: asked, body, metadata: {} },
        bodyText: body.model === undefined ? withNamedModel(sent.text, asked) : sent.text,
        priority: headers["x-switchyard-priority"],
        envelopeSha256: bodySha256,
        idempotencyKey: key,
        ...{ traceparent: headers.traceparent, validate },
        held: {
          same: [by.actor, endpoint, bodySha256],
          requestId: visit.requestId,
          retries: key === null ? headers["X-Stainless-Retry-Count"] : 0,
        },
        ...timesOf(headers, deps.intake),
        ...(how.stream ? { streamed: true } : {}),
      };
      return answerCall(deps, submit, how, by, visit);
    },
  });
}

/** Takes a call in, and answers it on its client's connection. */
export async function answerCall(
  deps: CallDeps,
  submit: Submit,
  how: Wanted,
  by: CallerOf<"tenant">,
  visit: Visit,
): Promise<Answer<200 | 303>> {
  const stream = isPassedOn(submit) ? new LiveStream() : undefined;
  const connection = new Connection(deps, visit, by);
  const { intake } = connection;
  const taking = takeInHere({ ...deps, intake }, submit, by, { isQuick, passOn: stream });
  const { job, isJoined, over } = await taking;
  const here = over && { job: job.value, over, stream };
  const joinedBy = isJoined ? visit.requestId : undefined;
  const wanted = { ...how, joinedBy };
  const answering = answerWhenEnded(connection.answerDeps, by.tenant, job.value, wanted, here);
  return connection.answer(job.value, joinedBy, answering);
}

export type Times = Pick<Submit, "notBeforeMs" | "deadlineMs" | "refusal">;

export function timesOf(
  headers: z.output<typeof callHeaders>,
  { clock, settings }: CallDeps["intake"],
): Times {
  const nowMs = clock.now();
  const notBefore = headers["x-switchyard-not-before"];
  const notBeforeMs = notBefore === undefined ? null : notBefore * 1000;
  const deadlineMs = Math.max(nowMs, notBeforeMs ?? 0) + headers["x-switchyard-deadline-seconds"] * 1000;
  const isLate = (notBeforeMs ?? 0) > nowMs + settings.maxDeadlineSeconds * 1000;
  const not_before = "x-switchyard-not-before";
  // The deadline counts from the start: where that is too late, so is every deadline.
  const names = { deadline: isLate ? not_before : "x-switchyard-deadline-seconds", not_before };
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

const MAX_REQUEST_ID_CHARS = 100;
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
    joined_by: z
      .string()
      .max(MAX_REQUEST_ID_CHARS)
      .optional()
      .describe("The request that waits on here, where that is a retry."),
  }),
  answers: {
    200: { description: "The lab's answer.", schema: z.looseObject({}), headers: ANSWER_HEADERS },
    303: LATER,
  },
  errors: ["job_not_found"],
  handle: async (deps: CallDeps, { path, query }, by, visit) => {
    const connection = new Connection(deps, visit, by);
    const job = { tenant_id: by.tenant.id, job_id: path.id };
    const { stream, include_usage: includeUsage, base64, joined_by: joinedBy } = query;
    const how = { stream, includeUsage, base64, joinedBy };
    const form = (await responseFormOf(deps.intake.store, job)) ?? labsForm(how);
    const wanted = { ...how, form };
    return connection.answer(job, joinedBy, answerWhenEnded(connection.answerDeps, by.tenant, job, wanted));
  },
});

const azure = (path: string) => ({ azure: `openai/deployments/{model}/${path}` });

export const callRoutes: readonly Route<CallDeps>[] = [
  ...atPaths(chat, azure("chat/completions")),
  ...atPaths(embeddings, azure("embeddings")),
  ...atPaths(wait),
];
