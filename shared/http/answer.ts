/** What a route answers, in no framework's terms. */
export interface Answer<Status extends number = number> {
  readonly status: Status;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** A text goes out whole, an iterable as it comes; absent: no body. */
  readonly body?: string | AsyncIterable<Uint8Array>;
}

/** On every answer of a door: it is one caller's own, is kept nowhere, and is what it says it is. */
export const OWN_HEADERS = {
  "cache-control": "private, no-store",
  vary: "Authorization, api-key",
  "x-content-type-options": "nosniff",
} as const;

/** An answer that is JSON. @param text the JSON, where it was written elsewhere */
export function json<Status extends number>(
  status: Status,
  value: object,
  headers: Readonly<Record<string, string>> = {},
): Answer<Status> {
  return jsonText(status, JSON.stringify(value), headers);
}

/** An answer whose JSON was written elsewhere. */
export function jsonText<Status extends number>(
  status: Status,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Answer<Status> {
  return { status, headers: { "content-type": "application/json", ...headers }, body };
}
