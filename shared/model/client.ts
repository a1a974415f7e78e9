import type { Dispatcher } from "undici";
import type { Clock } from "../clock.ts";
import {
  type BodyLimit,
  BodyTooLarge,
  type ExchangeOptions,
  exchange,
  strictUtf8Text,
  utf8Text,
  type WholeAnswer,
} from "../exchange.ts";
import { MAX_CALL_SECONDS, MAX_RESPONSE_BYTES } from "../limits.ts";
import { reasonOf } from "../log.ts";
import { sha256Hex } from "../sha256.ts";
import { foreign, headerOf, isForeign, namesOf } from "./call-names.ts";
import { CALL_TIMEOUT, IDLE_TIMEOUT, JOB_TIMEOUT, onSilence } from "./call-timeouts.ts";
import type { Deployment } from "./catalogue.ts";
import { Connections } from "./connections.ts";
import { type CredentialDeps, credentialFor } from "./credential.ts";
import { decodedBody, isCompressed } from "./decoded-body.ts";
import type { Endpoint } from "./endpoint.ts";
import { type BrokenOff, isDoubtful, isForOperators, type Outcome, type Retry } from "./outcome.ts";
import type { AnswerEvent, AnswerStream, Asked, Pending } from "./protocol/protocol.ts";
import { protocolFor } from "./protocol/protocols.ts";
import { unquoted } from "./unquoted.ts";

export interface ModelCall {
  readonly deployment: Deployment;
  readonly endpoint: Endpoint;
  /** The JSON text to send, byte for byte. */
  readonly body: string;
  /** Whose: its connections are no other's. */
  readonly tenantId: string;
  readonly jobId: string;
  readonly attempt: number;
  /** Aborts with the reason in words. */
  readonly signal: AbortSignal;
  /** How long it may take, where that is less than the deployment's own. */
  readonly timeoutSeconds?: number | undefined;
  /** The answer is streamed, and each event goes here as it comes; absent: it comes whole. */
  readonly passOn?: ((event: AnswerEvent) => void) | undefined;
  /** What was passed on is closed where another attempt follows; absent: none can follow it. */
  readonly restarts?: boolean;
}

export interface ModelClient {
  /** One call, no retries. Whatever a server or a network can do is an outcome; nothing of it is thrown. */
  call(call: ModelCall): Promise<Outcome>;
}

export interface ModelClientDeps extends CredentialDeps {
  readonly clock: Clock;
  /** How a job is named to a lab. @throws StoreUnavailable */
  readonly jobName: (provider: string, jobId: string) => Promise<string>;
}

/** The most that is read of a refusal: some repeat the request, and give the reason before or after it. */
const MAX_REFUSAL_BYTES = 1024 * 1024;
/** An answer that comes later is asked for after a second, then ever more rarely. */
const FIRST_POLL_MS = 1_000;
const MAX_POLL_MS = 10_000;
/** So many times in a row it may fail to be fetched. */
const MAX_POLL_FAILURES = 5;

/**
 * Calls deployments, each by its protocol. Redirects are not followed: they would take the prompt to a place that is
 * not in the catalogue.
 */
export function createModelClient(deps: ModelClientDeps): ModelClient & { close(): Promise<void> } {
  const connections = new Connections();
  return {
    async call(call) {
      const { signal, deployment, tenantId } = call;
      const base = new URL(deployment.base_url);
      const { origin } = base;
      const dispatcher = connections.of(tenantId, origin);
      const ownSeconds = deployment.timeout_seconds ?? MAX_CALL_SECONDS;
      const timeoutSeconds = Math.min(ownSeconds, call.timeoutSeconds ?? ownSeconds);
      const timeout = timeoutSeconds < ownSeconds ? JOB_TIMEOUT : CALL_TIMEOUT;
      const abort = new AbortController();
      const onAbort = () => abort.abort(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      const cancelTimer = deps.clock.after(timeoutSeconds * 1000, () => abort.abort(timeout));
      const idle = call.passOn && deployment.idle_timeout_seconds;
      const cancelIdle =
        idle === undefined
          ? undefined
          : onSilence(
              deps.clock,
              idle * 1000,
              () => conversation.heardAt,
              () => abort.abort(IDLE_TIMEOUT),
            );
      const conversation = new Conversation(call, { ...deps, dispatcher, base, signal: abort.signal });
      const outcome = await conversation
        .outcome()
        .catch((thrown: unknown) => failureOf(thrown, abort.signal, conversation, timeoutSeconds))
        .finally(() => {
          cancelTimer();
          cancelIdle?.();
          signal.removeEventListener("abort", onAbort);
        });
      if (isDoubtful(outcome)) connections.retire(tenantId, origin, dispatcher);
      return told(outcome, call.body);
    },
    close: () => connections.close(),
  };
}

interface ConversationDeps extends ModelClientDeps {
  readonly dispatcher: Dispatcher;
  readonly base: URL;
  readonly signal: AbortSignal;
}

/** One call: the request and its answer, or a ticket and the answer that is fetched with it. */
class Conversation {
  readonly #call: ModelCall;
  readonly #deps: ConversationDeps;
  /** Something of the request may have reached the lab. */
  isSent = false;
  /** Something of the answer was passed on. */
  isShown = false;
  /** When something of it came last. */
  heardAt: number;
  #stream: AnswerStream | undefined;
  #credential: string | null = null;

  constructor(call: ModelCall, deps: ConversationDeps) {
    this.#call = call;
    this.#deps = deps;
    this.heardAt = deps.clock.monotonic();
  }

  async outcome(): Promise<Outcome> {
    const { body, endpoint } = this.#call;
    let meaning = await this.#ask({ method: "POST", path: this.#protocol.pathOf(endpoint), body });
    let failures = 0;
    for (let polls = 0; meaning.kind === "pending"; polls++) {
      const { path, retryAfterMs } = meaning;
      await this.#pause(retryAfterMs ?? Math.min(FIRST_POLL_MS * 2 ** polls, MAX_POLL_MS));
      const fetched = await this.#ask({ method: "GET", path, body: null }, path);
      const fault = faultOfFetch(fetched);
      failures = fault === undefined ? 0 : failures + 1;
      if (fault === undefined) meaning = fetched;
      else if (failures > MAX_POLL_FAILURES) meaning = fault;
    }
    return meaning;
  }

  get #protocol() {
    return protocolFor(this.#call.deployment, this.#call.endpoint);
  }

  #asked(nowMs: number): Asked {
    const { deployment, endpoint, jobId, attempt } = this.#call;
    return { endpoint, jobId, attempt, deployment: deployment.name, nowMs };
  }

  async #ask(
    request: { method: "POST" | "GET"; path: string; body: string | null },
    ticket?: string,
  ): Promise<Outcome | Pending> {
    const { deployment, jobId, attempt } = this.#call;
    const { clock, dispatcher, base, signal } = this.#deps;
    const credential = await credentialFor(deployment, this.#deps, signal);
    this.#credential = credential?.value ?? null;
    const name = await this.#deps.jobName(deployment.provider, jobId);
    const callId = `${name}.${attempt}`;
    const answer = await exchange(
      dispatcher,
      {
        origin: base.origin,
        path: base.pathname.replace(/\/+$/, "") + request.path,
        method: request.method,
        headers: { ...this.#protocol.headersFor(credential), ...namesOf(name, callId, attempt) },
        body: request.body,
      },
      {
        ...{ signal, limitOf },
        onSend: () => {
          this.isSent = true;
        },
        onData: this.#call.passOn && this.#passingOn(this.#call.passOn, callId),
      },
    );
    const { status } = answer;
    if (isForeign(answer, callId)) return foreign(status);
    if (this.#stream !== undefined) return this.#streamed(this.#stream, answer);
    const bytes = await decodedBody(answer, MAX_RESPONSE_BYTES);
    const { passOn } = this.#call;
    // One that was compressed, or said to be something else, could not be passed on as it came.
    if (passOn !== undefined && isThrough(status) && EVENTS.test(bytes.toString("latin1", 0, 64))) {
      this.#take(utf8Text(bytes), passOn);
      if (this.#stream !== undefined) return this.#streamed(this.#stream, answer);
    }
    const get = (header: string) => {
      const value = headerOf(answer, header);
      return value === null ? null : this.withoutCredential(value);
    };
    const text = isThrough(status) ? strictUtf8Text(bytes) : utf8Text(bytes);
    const nowMs = clock.now();
    const meaning =
      text === undefined
        ? noText(status)
        : this.#protocol.outcomeOf(
            { status, headers: { get }, body: this.withoutCredential(text) },
            { ...this.#asked(nowMs), ...(ticket === undefined ? {} : { ticket }) },
          );
    return meaning.kind === "pending"
      ? meaning
      : { ...meaning, answeredMs: nowMs, responseSha256: sha256Hex(bytes) };
  }

  #passingOn(passOn: (event: AnswerEvent) => void, callId: string): ExchangeOptions["onData"] {
    const decoder = new TextDecoder();
    return (chunk, status, headers) => {
      this.heardAt = this.#deps.clock.monotonic();
      const isStream = /^text\/event-stream/i.test(String(headers["content-type"])) && !isCompressed(headers);
      if (isThrough(status) && isStream && !isForeign({ headers }, callId))
        this.#take(decoder.decode(chunk, { stream: true }), passOn);
    };
  }

  /** Passes the events on that have ended. */
  #take(text: string, passOn: (event: AnswerEvent) => void): void {
    this.#stream ??= this.#protocol.readStream(this.#asked(this.#deps.clock.now()));
    for (const event of this.#stream.take(text)) {
      this.isShown = this.#call.restarts !== true;
      passOn({ ...event, data: this.withoutCredential(event.data) });
    }
  }

  /** What was streamed is judged, hashed and kept as if it had come whole. */
  #streamed(stream: AnswerStream, answer: WholeAnswer): Outcome {
    const answeredMs = this.#deps.clock.now();
    const whole = stream.whole();
    if (whole === undefined) return { ...brokenOff("the stream ended before its answer", this), answeredMs };
    const body = this.withoutCredential(whole);
    const meaning = this.#protocol.outcomeOf(
      { status: answer.status, headers: { get: (name) => headerOf(answer, name) }, body },
      this.#asked(answeredMs),
    );
    const known = { answeredMs, responseSha256: sha256Hex(body) };
    if (meaning.kind === "completed") return { ...meaning, ...known };
    if (this.isShown || meaning.kind === "pending")
      return { ...brokenOff("message" in meaning ? meaning.message : meaning.kind, this), ...known };
    return { ...meaning, ...known };
  }

  /** What comes back is shown to the tenant, and some servers repeat the operator's key in it. */
  withoutCredential(text: string): string {
    const key = this.#credential;
    if (key === null || key.length < LEAST_SECRET_CHARS) return text;
    const forms = new Set([key, JSON.stringify(key).slice(1, -1), encodeURIComponent(key), btoa(key)]);
    let clean = text;
    for (const form of forms) if (clean.includes(form)) clean = clean.replaceAll(form, "[credential]");
    return clean;
  }

  /** Rejects with the signal's reason. */
  #pause(ms: number): Promise<void> {
    const { clock, signal } = this.#deps;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        cancel();
        reject(signal.reason);
      };
      const cancel = clock.after(ms, () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}

/** Another deployment may still be asked only where nothing was passed on. */
function brokenOff(message: string, { isShown }: { readonly isShown: boolean }): BrokenOff | Retry {
  if (isShown) return { kind: "broken_off", statusCode: null, message };
  const fault = { reason: "broken_stream", statusCode: null, retryAfterMs: null, usage: null } as const;
  return { kind: "retry", message, billed: "maybe", ...fault };
}

/** An answer cannot be kept byte for byte as a text that it is not. */
const noText = (statusCode: number): Retry => ({
  ...{ kind: "retry", reason: "invalid_response", statusCode, message: "the answer is no UTF-8" },
  ...{ retryAfterMs: null, billed: "maybe", usage: null },
});

/** The lab has taken the call, so one that cannot be fetched may be billed all the same. Undefined: it was fetched. */
function faultOfFetch(fetched: Outcome | Pending): Retry | undefined {
  if (fetched.kind !== "retry" && fetched.kind !== "rate_limited" && fetched.kind !== "turned_away")
    return undefined;
  const { statusCode, message } = fetched;
  return {
    ...{
      kind: "retry",
      reason: "not_fetched",
      statusCode,
      message: `its answer could not be fetched: ${message}`,
    },
    ...{ retryAfterMs: null, billed: "maybe", usage: null },
  };
}

/** How a stream of events begins. */
const EVENTS = /^\s*(data|event|id|retry)?:/;

/** Shorter ones are no secrets, and stand in other words. */
const LEAST_SECRET_CHARS = 6;

/** An outcome with the words that each may hear: the tenant a code where they are about the operator's affairs. */
function told(outcome: Outcome, body: string): Outcome {
  if (!("message" in outcome)) return outcome;
  const words = unquoted(outcome.message, body);
  if (!isForOperators(outcome))
    return words === outcome.message ? outcome : { ...outcome, trailMessage: words };
  const code = "cause" in outcome ? outcome.cause : "reason" in outcome ? outcome.reason : outcome.kind;
  const message = outcome.statusCode === null ? code : `HTTP ${outcome.statusCode}: ${code}`;
  return { ...outcome, message, operatorWords: words };
}

const isThrough = (status: number) => status >= 200 && status < 300;

/** The whole answer, or a refusal's beginning. */
function limitOf(status: number): BodyLimit {
  return isThrough(status)
    ? { bytes: MAX_RESPONSE_BYTES, tooLong: "refuse" }
    : { bytes: MAX_REFUSAL_BYTES, tooLong: "cut" };
}

function failureOf(
  thrown: unknown,
  signal: AbortSignal,
  conversation: Conversation,
  timeoutSeconds: number,
): Outcome {
  const { isSent, isShown } = conversation;
  if (thrown instanceof BodyTooLarge) return { kind: "too_large", bytes: thrown.limitBytes };
  const billed = isSent ? "maybe" : "no";
  const reason = String(signal.reason);
  const isIdle = reason === IDLE_TIMEOUT;
  const timeout = reason === JOB_TIMEOUT ? JOB_TIMEOUT : CALL_TIMEOUT;
  if (signal.aborted && reason !== timeout && !isIdle) return { kind: "aborted", reason, billed };
  const isLate = signal.aborted;
  const words = conversation.withoutCredential(causeOf(thrown));
  if (isShown) {
    const message = isIdle ? IDLE_TIMEOUT : isLate ? timeout : words;
    return { kind: "broken_off", statusCode: null, message };
  }
  const silent = "nothing more came for the deployment's idle_timeout_seconds";
  return {
    kind: "retry",
    reason: isLate ? timeout : "network",
    statusCode: null,
    message: isIdle ? silent : isLate ? `no answer within ${timeoutSeconds} s` : words,
    retryAfterMs: null,
    billed,
    usage: null,
  };
}

/** The innermost cause says what happened. */
function causeOf(thrown: unknown): string {
  let error = thrown;
  while (error instanceof Error && error.cause instanceof Error) error = error.cause;
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? `${code}: ${reasonOf(error)}` : reasonOf(error);
}
