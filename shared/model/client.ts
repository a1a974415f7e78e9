import type { TokenCredential } from "@azure/identity";
import OpenAI, { APIConnectionError, APIError } from "openai";
import { Agent, fetch as undiciFetch } from "undici";
import type { Clock } from "../clock.ts";
import { MAX_CALL_SECONDS, MAX_RESPONSE_BYTES } from "../limits.ts";
import { reasonOf } from "../log.ts";
import { BodyTooLarge, bodyText } from "./answer-body.ts";
import type { Deployment } from "./catalogue.ts";
import type { Endpoint } from "./endpoint.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

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

/** Calls deployments through the `openai` client, one client for each deployment. */
export function createModelClient(deps: ModelClientDeps): ModelClient & { close(): Promise<void> } {
  // Node's own time-outs for headers and body are 5 minutes; a reasoning call may take half an hour.
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0, allowH2: false });
  const clients = new Map<string, OpenAI>();
  const refusals = new Map<string, string>();

  /** The openai client keeps of a refusal only what it could parse: the audit trail wants the bytes. */
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const response = (await undiciFetch(
      input as string,
      { ...init, dispatcher } as never,
    )) as unknown as Response;
    if (response.ok) return response;
    const text = await bodyText(response, MAX_REFUSAL_BYTES, "cut");
    refusals.set(new Headers(init?.headers).get(CALL_ID_HEADER) ?? "", text);
    return new Response(text, { status: response.status, headers: response.headers });
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
        fetchOptions: { redirect: "manual" },
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
      const onAbort = () => abort.abort(call.signal.reason);
      call.signal.addEventListener("abort", onAbort, { once: true });
      if (call.signal.aborted) onAbort();
      const cancelTimer = deps.clock.after(MAX_CALL_SECONDS * 1000, () => abort.abort("call_timeout"));
      try {
        const response = await clientOf(call.deployment)
          .post(pathOf(call.endpoint), {
            body: call.body,
            headers: {
              "content-type": "application/json",
              "x-switchyard-job": call.jobId,
              "x-switchyard-attempt": String(call.attempt),
              [CALL_ID_HEADER]: callId,
            },
            signal: abort.signal,
          })
          .asResponse();
        const body = await bodyText(response, MAX_RESPONSE_BYTES, "refuse");
        return outcomeOf({ status: response.status, headers: response.headers, body }, deps.clock.now());
      } catch (thrown) {
        return failureOf(thrown, abort.signal, refusals.get(callId) ?? "", deps.clock.now());
      } finally {
        refusals.delete(callId);
        cancelTimer();
        call.signal.removeEventListener("abort", onAbort);
      }
    },
    close: () => dispatcher.close(),
  };
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

function failureOf(thrown: unknown, signal: AbortSignal, refusal: string, nowMs: number): Outcome {
  if (thrown instanceof BodyTooLarge) return { kind: "too_large", bytes: thrown.limitBytes };
  if (signal.aborted) {
    if (signal.reason !== "call_timeout") return { kind: "aborted", reason: String(signal.reason) };
    return retry("call_timeout", `no answer within ${MAX_CALL_SECONDS} s`);
  }
  if (thrown instanceof APIError && thrown.status !== undefined && thrown.headers !== undefined) {
    return outcomeOf({ status: thrown.status, headers: thrown.headers, body: refusal }, nowMs);
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
