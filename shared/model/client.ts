import type { TokenCredential } from "@azure/identity";
import OpenAI, { APIConnectionError, APIError } from "openai";
import { Agent } from "undici";
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
  // undici's own time-outs for headers and body are 5 minutes; a reasoning call may take half an hour.
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0, allowH2: false });
  const clients = new Map<string, OpenAI>();
  const refusals = new Map<string, string>();

  /**
   * On undici's own request, at half the CPU of a whole fetch. Redirects are not followed and nothing is compressed,
   * so that the bytes hashed are the bytes sent. The openai client keeps of a refusal only what it could parse, and
   * the audit trail wants the bytes: they are put aside.
   */
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const url = new URL(String(input));
    const headers = Object.fromEntries(new Headers(init?.headers));
    const answer = await dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: "POST",
      headers,
      body: init?.body as string,
      signal: init?.signal ?? null,
    });
    const ok = answer.statusCode >= 200 && answer.statusCode < 300;
    const text = await bodyText(
      answer.body,
      ok ? MAX_RESPONSE_BYTES : MAX_REFUSAL_BYTES,
      ok ? "refuse" : "cut",
    );
    if (!ok) refusals.set(headers[CALL_ID_HEADER] ?? "", text);
    return responseOf(answer.statusCode, answer.headers, text);
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
        const { status, headers } = response;
        return outcomeOf({ status, headers, body: await response.text() }, deps.clock.now());
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

/** Statuses whose answers have no body by the standard. */
const WITHOUT_BODY = new Set([204, 205, 304]);

function responseOf(
  status: number,
  headers: Record<string, string | string[] | undefined>,
  text: string,
): Response {
  const response = new Response(WITHOUT_BODY.has(status) ? null : text, { status });
  for (const [name, value] of Object.entries(headers)) {
    for (const each of Array.isArray(value) ? value : [value ?? ""]) response.headers.append(name, each);
  }
  return response;
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
  const cause = (thrown as Error).cause;
  if (cause instanceof BodyTooLarge) return { kind: "too_large", bytes: cause.limitBytes };
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
