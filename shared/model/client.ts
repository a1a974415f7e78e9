import type { IncomingHttpHeaders } from "node:http";
import type { TokenCredential } from "@azure/identity";
import { Agent } from "undici";
import type { Clock } from "../clock.ts";
import { type BodyLimit, BodyTooLarge, exchange } from "../exchange.ts";
import { MAX_CALL_SECONDS, MAX_RESPONSE_BYTES } from "../limits.ts";
import { reasonOf } from "../log.ts";
import type { Deployment } from "./catalogue.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Outcome } from "./outcome.ts";
import { protocolOf } from "./protocol/protocols.ts";

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

/**
 * Calls deployments, each by its protocol. Redirects are not followed: they would take the prompt to a place that is
 * not in the catalogue.
 */
export function createModelClient(deps: ModelClientDeps): ModelClient & { close(): Promise<void> } {
  // undici's own time-outs for headers and body are 5 minutes; a reasoning call may take half an hour.
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0, allowH2: false });
  return {
    async call({ deployment, endpoint, body, jobId, attempt, signal }) {
      const protocol = protocolOf(deployment);
      const abort = new AbortController();
      const onAbort = () => abort.abort(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      const cancelTimer = deps.clock.after(MAX_CALL_SECONDS * 1000, () => abort.abort(CALL_TIMEOUT));
      try {
        const credential = await credentialFor(deployment, deps, abort.signal);
        const { status, headers, text } = await exchange(
          dispatcher,
          {
            ...targetOf(deployment.base_url, protocol.pathOf(endpoint)),
            method: "POST",
            headers: { ...protocol.headersFor(credential), ...namesOf(jobId, attempt) },
            body,
          },
          { signal: abort.signal, limitOf },
        );
        const answer = { status, headers: { get: (name: string) => headerOf(headers, name) }, body: text };
        return protocol.outcomeOf(answer, deps.clock.now());
      } catch (thrown) {
        return failureOf(thrown, abort.signal);
      } finally {
        cancelTimer();
        signal.removeEventListener("abort", onAbort);
      }
    },
    close: () => dispatcher.close(),
  };
}

const CALL_TIMEOUT = "call_timeout";

/** Names the call in the labs' own logs. */
function namesOf(jobId: string, attempt: number): Record<string, string> {
  return {
    "user-agent": "Switchyard",
    "x-ms-client-request-id": `${jobId}.${attempt}`,
    "x-switchyard-job": jobId,
    "x-switchyard-attempt": String(attempt),
  };
}

function targetOf(baseUrl: string, path: string): { origin: string; path: string } {
  const { origin, pathname } = new URL(baseUrl);
  return { origin, path: pathname.replace(/\/+$/, "") + path };
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

/** A key, or an Entra token; null: the deployment wants none. */
async function credentialFor(
  { auth }: Deployment,
  deps: ModelClientDeps,
  abortSignal: AbortSignal,
): Promise<string | null> {
  if (auth.kind === "none") return null;
  if (auth.kind === "api_key") return deps.settings[auth.setting] ?? "";
  const token = await deps.credential().getToken(auth.scope, { abortSignal });
  if (token === null) throw new Error(`no token for ${auth.scope}`);
  return token.token;
}

function failureOf(thrown: unknown, signal: AbortSignal): Outcome {
  if (thrown instanceof BodyTooLarge) return { kind: "too_large", bytes: thrown.limitBytes };
  if (signal.aborted) {
    if (signal.reason !== CALL_TIMEOUT) return { kind: "aborted", reason: String(signal.reason) };
    return retry(CALL_TIMEOUT, `no answer within ${MAX_CALL_SECONDS} s`);
  }
  return retry("network", causeOf(thrown));
}

function retry(reason: string, message: string): Outcome {
  return { kind: "retry", reason, statusCode: null, message, retryAfterMs: null };
}

/** The innermost cause says what happened. */
function causeOf(thrown: unknown): string {
  let error = thrown;
  while (error instanceof Error && error.cause instanceof Error) error = error.cause;
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? `${code}: ${reasonOf(error)}` : reasonOf(error);
}
