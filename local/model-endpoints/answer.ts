import { ApiError } from "./api-error.ts";
import { chatAnswer } from "./chat-answer.ts";
import { readChatRequest } from "./chat-request.ts";
import { chatEvents } from "./chat-stream.ts";
import { draftAnswer } from "./draft.ts";
import { embeddingsAnswer, readEmbeddingsRequest } from "./embeddings.ts";
import type { Json } from "./fields.ts";
import { refusalBody } from "./lab-words.ts";
import { latencyMs } from "./latency.ts";
import { messagesAnswer } from "./messages-answer.ts";
import { readMessagesRequest } from "./messages-request.ts";
import { messageEvents } from "./messages-stream.ts";
import type { EndpointPath, LabProfile, ModelProfile } from "./profiles.ts";
import { responsesAnswer } from "./responses-answer.ts";
import { readResponsesRequest } from "./responses-request.ts";
import { responseEvents } from "./responses-stream.ts";
import { type Random, seeded } from "./seeded.ts";

export interface AnswerInput {
  readonly lab: LabProfile;
  readonly model: ModelProfile;
  readonly endpoint: EndpointPath;
  readonly body: Json;
  readonly seed: string;
  readonly requestSha256: string;
  readonly createdSeconds: number;
  /** Whether the lab has in its cache what the request marks for it; asked once. */
  readonly isCacheKnown: () => boolean;
}

export interface Reply {
  readonly status: number;
  readonly body: string;
  /** The same as server-sent events, where a stream is asked for. */
  readonly events?: readonly string[];
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Latency before scaling. */
  readonly latencyMs: number;
}

/** What a refusal takes: it is said before a model is asked. */
const REFUSAL_MS = 60;

/**
 * The answer to a call. Of the seed and the request's bytes alone, ids included: the same request always gets the
 * same text. Time comes in at one place, `created` (`created_at`), and the caller hands it in.
 * @throws ApiError where the lab would refuse the request
 */
export function answerTo(input: AnswerInput): Reply {
  const { lab, model, endpoint, body, createdSeconds } = input;
  const seed = `${input.seed}|${lab.name}|${endpoint}|${input.requestSha256}`;
  const random = seeded(seed);
  if (!model.endpoints.includes(endpoint)) {
    throw new ApiError(400, {
      message: `The requested operation is unsupported: ${endpoint} does not work with the model ${model.name}.`,
      type: "invalid_request_error",
      param: "model",
      code: "OperationNotSupported",
    });
  }
  if (endpoint === "/v1/embeddings") {
    const ask = readEmbeddingsRequest(body, model);
    const answer = embeddingsAnswer(model, ask);
    return reply(answer, ask.inputTokens, 0, model, random);
  }
  if (endpoint === "/v1/responses") {
    const ask = readResponsesRequest(body, model);
    const draft = draftAnswer(ask, model, random);
    const answer = responsesAnswer(model, body, ask, draft, createdSeconds, random);
    const whole = reply(answer, ask.inputTokens, draft.reasoningTokens + draft.textTokens, model, random);
    return body.stream === true ? { ...whole, events: responseEvents(answer) } : whole;
  }
  if (endpoint === "/v1/messages") return messageReply(input, random);
  const ask = readChatRequest(body, model);
  const drafts = Array.from({ length: ask.choices }, (_, index) =>
    draftAnswer(ask, model, seeded(`${seed}|${index}`)),
  );
  const answer = chatAnswer(lab, model, ask, drafts, createdSeconds, random);
  const outputTokens = drafts.reduce((sum, draft) => sum + draft.reasoningTokens + draft.textTokens, 0);
  const whole = reply(answer, ask.inputTokens, outputTokens, model, random);
  return body.stream === true ? { ...whole, events: chatEvents(lab, answer, body.stream_options) } : whole;
}

function messageReply({ model, body, isCacheKnown }: AnswerInput, random: Random): Reply {
  const ask = readMessagesRequest(body, model);
  const draft = draftAnswer(ask, model, random);
  const marked = JSON.stringify(body).includes('"cache_control"');
  const message = messagesAnswer(
    model,
    ask,
    draft,
    marked ? (isCacheKnown() ? "known" : "new") : "no",
    random,
  );
  const whole = reply(message, ask.inputTokens, draft.reasoningTokens + draft.textTokens, model, random);
  return body.stream === true ? { ...whole, events: messageEvents(message) } : whole;
}

function reply(
  answer: object,
  inputTokens: number,
  outputTokens: number,
  model: ModelProfile,
  random: () => number,
): Reply {
  return {
    status: 200,
    body: JSON.stringify(answer),
    inputTokens,
    outputTokens,
    latencyMs: latencyMs(model.speed, inputTokens, outputTokens, random),
  };
}

export function refusal(lab: LabProfile, error: ApiError): Reply {
  return {
    status: error.status,
    body: refusalBody(lab, error),
    inputTokens: 0,
    outputTokens: 0,
    latencyMs: REFUSAL_MS,
  };
}

/** Output counted for a call that sets no max_tokens. Azure's own figure is not published. */
const DEFAULT_OUTPUT_TOKENS = 1_000;
const BYTES_PER_TOKEN = 4;

/** The most a call may use, estimated before it is read: by this it is admitted, as Azure does. */
export function admissionTokens(endpoint: EndpointPath, body: Json, bodyBytes: number): number {
  const promptTokens = Math.ceil(bodyBytes / BYTES_PER_TOKEN);
  if (endpoint === "/v1/embeddings") return promptTokens;
  const asked = body.max_completion_tokens ?? body.max_tokens ?? body.max_output_tokens;
  const outputTokens = typeof asked === "number" && asked > 0 ? asked : DEFAULT_OUTPUT_TOKENS;
  const choices = typeof body.n === "number" && body.n > 1 ? body.n : 1;
  return promptTokens + outputTokens * choices;
}
