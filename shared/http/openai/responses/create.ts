import { z } from "zod";
import { check } from "../../../job/intake/intake.ts";
import { isEnded } from "../../../job/job.ts";
import { MAX_MODEL_NAME_CHARS, MAX_REQUEST_BYTES } from "../../../limits.ts";
import { exactObjectOf, isObject, objectOf } from "../../../model/protocol/json.ts";
import { readAsk } from "../../../model/protocol/protocols.ts";
import { PRIORITIES } from "../../../priority.ts";
import { json } from "../../answer.ts";
import { text } from "../../api/fields.ts";
import { invalidRequest } from "../../input.ts";
import type { ReadJson } from "../../json-text.ts";
import { route } from "../../route.ts";
import { answerCall, bodySha256Of, LATER, REFUSED, timesOf } from "../calls.ts";
import { EVENT_STREAM } from "../events.ts";
import { ANSWER_HEADERS, callHeaders, headersOf } from "../headers.ts";
import { validateAsked } from "../validate.ts";
import type { ResponseDeps } from "./deps.ts";
import { keyOf, readResponse } from "./find.ts";
import { followed } from "./follow.ts";
import { responseForm } from "./form.ts";
import { responseOf, sealedItem } from "./object.ts";
import { type History, storedRequest } from "./request.ts";
import { responseSchema } from "./schema.ts";

const MAX_METADATA = 16;
const MAX_KEY_CHARS = 64;
const MAX_VALUE_CHARS = 512;
const metadata = z
  .record(z.string().max(MAX_KEY_CHARS), z.string().max(MAX_VALUE_CHARS))
  .refine((pairs) => Object.keys(pairs).length <= MAX_METADATA, `has more than ${MAX_METADATA} pairs`);

const createSchema = z
  .looseObject({
    model: z
      .string("is required: a model of GET /openai/v1/models")
      .min(1)
      .max(MAX_MODEL_NAME_CHARS)
      .describe("A model of GET /openai/v1/models."),
    stream: z.boolean().nullish().describe("Whether the answer comes as events."),
    background: z
      .boolean()
      .nullish()
      .describe("Whether it is answered at once, and read later. It is then stored."),
    store: z.boolean().nullish().describe("Whether it can be read later; `true` if it is not sent."),
    previous_response_id: z
      .string()
      .nullish()
      .describe("A response whose input and output come before this input."),
    conversation: z
      .null("is not served: use previous_response_id")
      .optional()
      .describe("Not served: `previous_response_id` is."),
    metadata: metadata.nullish().describe("Kept with the response."),
  })
  .refine(({ background, store }) => background !== true || store !== false, {
    path: ["background"],
    message: "needs the response to be stored: store is false",
  })
  .describe("As OpenAI takes it. All that is not here goes to the lab as it came.");
type Create = z.output<typeof createSchema>;

const headers = callHeaders.extend({
  "x-switchyard-priority": z
    .enum(PRIORITIES, `must be one of ${PRIORITIES.join(", ")}`)
    .optional()
    .describe("`high` if it is not sent, `standard` in the background."),
  "x-switchyard-deadline-seconds": z
    .string()
    .regex(/^\d{1,10}$/, "must be a whole number of seconds")
    .transform(Number)
    .optional()
    .describe("From when it may start: 600 if it is not sent; in the background the service's default."),
});

/** How long a client waits that says nothing. */
const DEFAULT_SECONDS = 600;

export const createResponse = route({
  name: "create-response",
  method: "POST",
  path: "responses",
  who: "tenant",
  isSubmit: true,
  summary: "A response: whole, as a stream, or in the background",
  headers,
  body: { schema: createSchema, maxBytes: MAX_REQUEST_BYTES },
  answers: {
    200: { description: "The response.", schema: responseSchema, headers: ANSWER_HEADERS },
    303: LATER,
  },
  errors: REFUSED,
  handle: async (deps: ResponseDeps, { body, headers, sent }, by, visit) => {
    const { as_response, stored, bodyText } = await readRequest(deps, by.tenant.id, body, sent);
    const isBackground = as_response.background;
    const endpoint = "/v1/responses" as const;
    const bodySha256 = bodySha256Of(sent);
    const key = headers["Idempotency-Key"] ?? null;
    const seconds = headers["x-switchyard-deadline-seconds"] ?? (isBackground ? undefined : DEFAULT_SECONDS);
    const times = { ...headers, "x-switchyard-deadline-seconds": seconds ?? DEFAULT_SECONDS };
    const { deadlineMs, ...others } = timesOf({ ...times, "x-switchyard-priority": "high" }, deps.intake);
    const stream = body.stream === true;
    const validate = validateAsked(headers["x-switchyard-validate"], endpoint, stored);
    const submit = {
      ...{ endpoint, model: body.model, body: stored, bodyText, metadata: {}, asResponse: as_response },
      priority: headers["x-switchyard-priority"] ?? (isBackground ? "standard" : "high"),
      envelopeSha256: bodySha256,
      idempotencyKey: key,
      ...{ traceparent: headers.traceparent, validate },
      ...others,
      deadlineMs: seconds === undefined ? null : deadlineMs,
      ...(stream ? { streamed: true as const } : {}),
    };
    if (!isBackground) {
      const how = {
        stream,
        includeUsage: false,
        base64: false,
        form: responseForm(stored),
        staysHere: headers["api-key"],
      };
      const held = {
        same: [by.actor, endpoint, bodySha256],
        requestId: visit.requestId,
        retries: key === null ? headers["X-Stainless-Retry-Count"] : 0,
      };
      return answerCall(deps, { ...submit, held }, how, by, visit);
    }
    const intake = { ...deps.intake, log: visit.log, heldCalls: deps.throttle };
    const { job } = await check(intake, submit, by)();
    if (stream) {
      const body = followed(deps, by.tenant, { job, request: stored }, -1);
      return { status: 200, headers: { ...headersOf(job.value), ...EVENT_STREAM }, body };
    }
    // A key may have met one that has ended.
    const answer = isEnded(job.value) ? await deps.intake.store.readResponse(job.value) : undefined;
    return json(200, responseOf(job.value, stored, answer), unfinishedHeaders(job.value));
  },
});

/** Milliseconds until a client that polls may ask again. */
const POLL_AFTER_MS = 1_000;

/** Headers of a response that is read whole: how soon to look again, where it has not ended. */
export function unfinishedHeaders(job: Parameters<typeof headersOf>[0]): Record<string, string> {
  const again = isEnded(job) ? {} : { "openai-poll-after-ms": String(POLL_AFTER_MS) };
  return { ...headersOf(job), ...again };
}

/** A request as it is stored. @throws Problem invalid_request for a response that it cannot follow */
async function readRequest(deps: ResponseDeps, tenantId: string, body: Create, sent: ReadJson) {
  const { model, background, store, previous_response_id = null } = body;
  const history =
    previous_response_id === null ? undefined : await historyOf(deps, tenantId, previous_response_id);
  const bodyText = JSON.stringify(storedRequest(exactObjectOf(sent.text) ?? {}, model, history));
  const as_response = { background: background === true, store: store !== false, previous_response_id };
  return { as_response, bodyText, stored: objectOf(bodyText) ?? {} };
}

/** @throws Problem invalid_request */
async function historyOf(deps: ResponseDeps, tenantId: string, id: string): Promise<History> {
  const cannot = (message: string) => invalidRequest([{ path: "/previous_response_id", message }]);
  const key = keyOf(tenantId, id);
  const found = await readResponse(deps.intake.store, key);
  const job = found?.job.value;
  if (job === undefined || !job.as_response.store)
    throw cannot(`Previous response with id '${id}' not found.`);
  if (!isEnded(job)) throw cannot(`Response '${id}' is ${job.status}: it can be followed once it has ended.`);
  if (job.status !== "completed") throw cannot(`Response '${id}' has no output: it is ${job.status}.`);
  const answer = await deps.intake.store.readResponse(key);
  const output = objectOf(answer?.body ?? "")?.output;
  if (found?.request === undefined || !Array.isArray(output))
    throw cannot(`Response '${id}' is no longer stored.`);
  return {
    input: found.request.input,
    output: output.filter(isObject).map((item) => sealedItem(item, job.deployment)),
  };
}

export const countInputTokens = route({
  name: "count-input-tokens",
  method: "POST",
  path: "responses/input_tokens",
  who: "tenant",
  summary: "About how many tokens an input has, by the estimate that quota is asked for with",
  body: { schema: z.looseObject({}).describe("As for a response."), maxBytes: MAX_REQUEST_BYTES },
  answers: {
    200: {
      description: "The estimate: labs count each in their own way.",
      schema: z
        .object({
          object: z.literal("response.input_tokens"),
          input_tokens: z.int().describe(text("Tokens of the input, estimated.").description ?? ""),
        })
        .meta({ id: "InputTokens", title: "How many tokens an input has" }),
    },
  },
  handle: async (_deps: ResponseDeps, { body }) => {
    const { tokens } = readAsk("/v1/responses", () => body);
    return json(200, { object: "response.input_tokens", input_tokens: tokens.promptTokens });
  },
});
