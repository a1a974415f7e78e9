import type { IncomingHttpHeaders } from "node:http";
import type { TokenCredential } from "@azure/identity";
import OpenAI, { APIConnectionError } from "openai";
import { Agent } from "undici";
import type { Clock } from "../clock.ts";
import { type BodyLimit, BodyTooLarge, exchange } from "../exchange.ts";
import { MAX_CALL_SECONDS, MAX_RESPONSE_BYTES } from "../limits.ts";
import { reasonOf } from "../log.ts";
import type { Deployment } from "./catalogue.ts";
import type { Endpoint } from "./endpoint.ts";
import { type Answer, type Outcome, outcomeOf } from "./outcome.ts";
import { quotaHeadersOf } from "./protocol/openai/quota-headers.ts";

export interface ModelCall {
  readonly deployment: Deployment;
  readonly endpoint: Endpoint;
  /** The JSON text to send, byte for byte. */
  readonly body: string;
  readonly jobId: string;
  readonly attempt: number;
  /** Aborts with the reason in words. */
  readonly signal: AbortSignal;
}

export interface ModelClient {
  /** One call, no retries. Whatever a server or a network can do is an outcome; nothing of it is thrown. */
  call(call: ModelCall): Promise<Outcome>;
}

export interface ModelClientDeps {
  /** App settings, where keys are found by name. */
  readonly settings: Readonly<Record<string, string | undefined>>;
  readonly credential: () => TokenCredential;
  readonly clock: Clock;
}

/** Of a refusal no more is read: its reason stands at the beginning. */
const MAX_REFUSAL_BYTES = 64 * 1024;

interface CallUnderWay {
  readonly signal: AbortSignal;
  answer: Answer | undefined;
}

/** Calls deployments through the `openai` client, one client for each deployment. */
export function createModelClient(deps: ModelClientDeps): ModelClient & { close(): Promise<void> } {
  // undici's own time-outs for headers and body are 5 minutes; a reasoning call may take half an hour.
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0, allowH2: false });
  const clients = new Map<string, OpenAI>();
  /** Calls under way, by call id. */
  const calls = new Map<string, CallUnderWay>();

  /**
   * On undici, at half the CPU of a whole fetch. Redirects are not followed and nothing is compressed, so that the bytes
   * hashed are the bytes sent. The answer is put aside as it came: the openai client would keep of a refusal only what
   * it could parse, and a stream made for it and read again costs more than the answer itself. The call's own signal is
   * used: one given to the client is joined with another, at the price of four weak references.
   */
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const url = new URL(String(input));
    const sent = init?.headers as Headers;
    const call = calls.get(sent.get(CALL_ID_HEADER) ?? "");
    if (call === undefined) throw new TypeError("a request that belongs to no call");
    const { status, headers, text } = await exchange(
      dispatcher,
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method: "POST",
        headers: sent,
        body: init?.body as string,
      },
      { signal: call.signal, limitOf },
    );
    call.answer = { status, headers: { get: (name) => headerOf(headers, name) }, body: text };
    return new Response(null, { status });
  };

  const clientOf = (deployment: Deployment): OpenAI => {
    let client = clients.get(deployment.name);
    if (client === undefined) {
      client = new OpenAI({
        baseURL: deployment.base_url,
        apiKey: apiKeyOf(deployment, deps),
        ...(deployment.auth.kind === "none" ? { defaultHeaders: { authorization: null } } : {}),
        maxRetries: 0, // the queue retries
        timeout: MAX_CALL_SECONDS * 1000,
        fetch,
        organization: null,
        project: null,
        logLevel: "off",
      });
      clients.set(deployment.name, client);
    }
    return client;
  };

  return {
    async call(call) {
      const callId = `${call.jobId}.${call.attempt}`;
      const abort = new AbortController();
      const underWay: CallUnderWay = { signal: abort.signal, answer: undefined };
      calls.set(callId, underWay);
      const onAbort = () => abort.abort(call.signal.reason);
      call.signal.addEventListener("abort", onAbort, { once: true });
      if (call.signal.aborted) onAbort();
      const cancelTimer = deps.clock.after(MAX_CALL_SECONDS * 1000, () => abort.abort("call_timeout"));
      try {
        await clientOf(call.deployment)
          .post(pathOf(call.endpoint), {
            body: call.body,
            headers: {
              "content-type": "application/json",
              "x-switchyard-job": call.jobId,
              "x-switchyard-attempt": String(call.attempt),
              [CALL_ID_HEADER]: callId,
            },
          })
          .asResponse();
      } catch (thrown) {
        // The client throws for refusals too, which are answers.
        if (underWay.answer === undefined) return failureOf(thrown, abort.signal);
      } finally {
        calls.delete(callId);
        cancelTimer();
        call.signal.removeEventListener("abort", onAbort);
      }
      const { answer } = underWay;
      if (answer === undefined) throw new TypeError(`the call ${callId} ended without an answer`);
      const outcome = outcomeOf(answer, deps.clock.now());
      const quota = quotaHeadersOf(answer.headers);
      return quota === undefined ? outcome : { ...outcome, quota };
    },
    close: () => dispatcher.close(),
  };
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : (value ?? null);
}

/** The whole answer, or a refusal's beginning. */
function limitOf(status: number): BodyLimit {
  const ok = status >= 200 && status < 300;
  return ok ? { bytes: MAX_RESPONSE_BYTES, tooLong: "refuse" } : { bytes: MAX_REFUSAL_BYTES, tooLong: "cut" };
}

/** Names the call in a deployment's own logs. */
const CALL_ID_HEADER = "x-ms-client-request-id";

/** `base_url` holds the version already. */
function pathOf(endpoint: Endpoint): string {
  return endpoint.slice("/v1".length);
}

function apiKeyOf(deployment: Deployment, deps: ModelClientDeps): string | (() => Promise<string>) {
  const { auth } = deployment;
  if (auth.kind === "none") return "none"; // the client insists on one; its header is left out
  if (auth.kind === "api_key") return deps.settings[auth.setting] ?? "";
  return async () => {
    const token = await deps.credential().getToken(auth.scope);
    if (token === null) throw new Error(`no token for ${auth.scope}`);
    return token.token;
  };
}

function failureOf(thrown: unknown, signal: AbortSignal): Outcome {
  const cause = (thrown as Error).cause;
  if (cause instanceof BodyTooLarge) return { kind: "too_large", bytes: cause.limitBytes };
  if (signal.aborted) {
    if (signal.reason !== "call_timeout") return { kind: "aborted", reason: String(signal.reason) };
    return retry("call_timeout", `no answer within ${MAX_CALL_SECONDS} s`);
  }
  return retry(thrown instanceof APIConnectionError ? "network" : "call_failed", causeOf(thrown));
}

function retry(reason: string, message: string): Outcome {
  return { kind: "retry", reason, statusCode: null, message, retryAfterMs: null };
}

/** The innermost cause says what happened; the client's own words are «Connection error». */
function causeOf(thrown: unknown): string {
  let error = thrown;
  while (error instanceof Error && error.cause instanceof Error) error = error.cause;
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? `${code}: ${reasonOf(error)}` : reasonOf(error);
}
