import type { LookupAddress } from "node:dns";
import { lookup as lookupAddresses } from "node:dns";
import { Agent, request } from "undici";
import type { Clock } from "../clock.ts";
import { MAX_RETRY_AFTER_SECONDS } from "../limits.ts";
import { type AddressPolicy, isAllowed, urlFault } from "./address.ts";

/** Why a try had no answer. Never the endpoint's own words: they may be a private server's. */
export const SEND_ERRORS = [
  ...["timeout", "connection_failed", "tls_failed", "not_resolved", "address_not_allowed", "secret_lost"],
] as const satisfies readonly string[];
export type SendError = (typeof SEND_ERRORS)[number];

/** One try. Of the answer nothing is kept but its status. */
export interface Attempt {
  /** Unix ms. */
  readonly at_ms: number;
  readonly latency_ms: number;
  /** Null: no answer came. */
  readonly status_code: number | null;
  readonly error: SendError | null;
  /** As long as the endpoint asks not to be tried; absent: it does not. */
  readonly retry_after_ms?: number;
}

/** All addresses of a name. Rejects where it has none. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

export interface Sender {
  /** What is wrong with a URL now, its name's addresses included; undefined: nothing. */
  fault(url: string): Promise<string | undefined>;
  /** One POST. Redirects are not followed, and nothing is thrown. */
  post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<Attempt>;
  close(): Promise<void>;
}

/** All of it: name, connection and answer. */
const TIMEOUT_MS = 10_000;
/** Read of an answer, so that its connection can be used again; then it is closed. */
const MAX_ANSWER_BYTES = 4_096;
const KEEP_ALIVE_MS = 4_000;

class AddressNotAllowed extends Error {
  override readonly name = "AddressNotAllowed";
}
class NotResolved extends Error {
  override readonly name = "NotResolved";
}

export const systemResolve: Resolve = (host) =>
  new Promise((resolve, reject) => {
    lookupAddresses(host, { all: true }, (error, addresses) => {
      if (error === null) resolve(addresses);
      else reject(error);
    });
  });

/**
 * Sends to endpoints that tenants name. A name's addresses are checked inside the connect, and the connection goes to
 * one that was checked: a name that means another server a moment later does not matter.
 */
export function createSender(deps: {
  readonly policy: AddressPolicy;
  readonly resolve: Resolve;
  readonly clock: Clock;
}): Sender {
  const { policy, clock } = deps;
  const checked = async (host: string): Promise<readonly LookupAddress[]> => {
    const addresses = await deps.resolve(host).catch((cause: unknown) => {
      throw new NotResolved(host, { cause });
    });
    if (addresses.length === 0) throw new NotResolved(host);
    if (addresses.every(({ address }) => isAllowed(address, host, policy))) return addresses;
    throw new AddressNotAllowed(host);
  };
  const agent = new Agent({
    ...{ pipelining: 1, allowH2: false, keepAliveTimeout: KEEP_ALIVE_MS, keepAliveMaxTimeout: KEEP_ALIVE_MS },
    connect: {
      timeout: TIMEOUT_MS,
      lookup: (host, { all }, done) => {
        checked(host).then(
          (addresses) => {
            const [{ address, family } = { address: "", family: 4 }] = addresses;
            if (all === true) done(null, [...addresses]);
            else done(null, address, family);
          },
          (thrown: Error) => done(thrown, "", 4),
        );
      },
    },
  });

  const post: Sender["post"] = async (url, headers, body) => {
    const at_ms = clock.now();
    const begun = clock.monotonic();
    const after = (result: Pick<Attempt, "status_code" | "error" | "retry_after_ms">): Attempt => {
      return { at_ms, latency_ms: Math.round(clock.monotonic() - begun), ...result };
    };
    if (urlFault(url, policy) !== undefined)
      return after({ status_code: null, error: "address_not_allowed" });
    const abort = new AbortController();
    const cancel = clock.after(TIMEOUT_MS, () => abort.abort());
    try {
      const sent = await request(url, {
        ...{ method: "POST", headers: { ...headers, "content-type": "application/json" }, body },
        ...{ dispatcher: agent, signal: abort.signal, headersTimeout: 0, bodyTimeout: 0 },
      });
      // What is wrong with the rest of the answer is of no account.
      await sent.body.dump({ limit: MAX_ANSWER_BYTES, signal: abort.signal }).catch(() => undefined);
      const wait = retryAfterMs(sent.headers["retry-after"], clock.now());
      return after({
        ...{ status_code: sent.statusCode, error: null },
        ...(wait === undefined ? {} : { retry_after_ms: wait }),
      });
    } catch (thrown) {
      return after({ status_code: null, error: abort.signal.aborted ? "timeout" : errorOf(thrown) });
    } finally {
      cancel();
    }
  };
  return {
    post,
    async fault(url) {
      const fault = urlFault(url, policy);
      if (fault !== undefined) return fault;
      try {
        await checked(new URL(url).hostname.replace(/^\[|\]$/g, ""));
        return undefined;
      } catch (thrown) {
        return thrown instanceof AddressNotAllowed ? "is not at a public address" : "cannot be resolved";
      }
    },
    close: () => agent.destroy(),
  };
}

/** Seconds or a date. */
function retryAfterMs(header: string | string[] | undefined, nowMs: number): number | undefined {
  if (typeof header !== "string") return undefined;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_SECONDS * 1000);
}

function errorOf(thrown: unknown): SendError {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error instanceof AddressNotAllowed) return "address_not_allowed";
    if (error instanceof NotResolved) return "not_resolved";
    const code = (error as { readonly code?: unknown }).code;
    if (code === "UND_ERR_CONNECT_TIMEOUT") return "timeout";
    if (typeof code === "string" && /TLS|SSL|CERT|SIGNATURE|ISSUER|CRL/.test(code)) return "tls_failed";
  }
  return "connection_failed";
}
