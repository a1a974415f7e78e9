import { randomUUID } from "node:crypto";
import type { ContainerView } from "./container-view.ts";
import type { CosmosError } from "./cosmos-error.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | number>;
  readonly charge: number;
  /** JSON; bytes for a batch that came as rows. */
  readonly body?: string | Buffer;
}

/** What a request that is refused costs, unless for want of units: it was not looked at. */
export const REFUSAL_RU = 1;

/** Builds answers, and counts what they were for and what they cost. */
export class Answers {
  readonly #counters: Record<string, number> = {};

  counters(): Record<string, number> {
    return { ...this.#counters };
  }

  of(
    operation: string,
    charge: number,
    status: number,
    body?: string,
    more: Record<string, string> = {},
  ): Answer {
    this.#counters[operation] = (this.#counters[operation] ?? 0) + 1;
    this.#counters.request_units = (this.#counters.request_units ?? 0) + charge;
    const headers = { "x-ms-request-charge": charge.toFixed(2), "x-ms-activity-id": randomUUID(), ...more };
    return body === undefined ? { status, headers, charge } : { status, headers, charge, body };
  }

  refusal(error: CosmosError): Answer {
    const more: Record<string, string> = {};
    if (error.substatus !== undefined) more["x-ms-substatus"] = String(error.substatus);
    if (error.retryAfterMs !== undefined) more["x-ms-retry-after-ms"] = String(error.retryAfterMs);
    const body = JSON.stringify({ code: error.code, message: error.message });
    return this.of("refused", error.status === 429 ? 0 : REFUSAL_RU, error.status, body, more);
  }
}

/**
 * What an answer says of its container: which it is, and how far its writes had gone. The SDK keeps that and sends
 * it with the next read of a session.
 */
export function sessionHeaders(container: ContainerView): Record<string, string> {
  return {
    "x-ms-session-token": `0:1#${container.lsn}`,
    "x-ms-content-path": container.rid,
    // A header holds ASCII. Without it the SDK goes by the path it asked for, which says the same.
    ...(ASCII.test(container.path) ? { "x-ms-alt-content-path": container.path } : {}),
  };
}

const ASCII = /^[\x20-\x7e]*$/;
