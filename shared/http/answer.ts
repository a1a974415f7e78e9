/** What a route answers, in no framework's terms. */
export interface Answer<Status extends number = number> {
  readonly status: Status;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** A text goes out whole, an iterable as it comes; absent: no body. */
  readonly body?: string | AsyncIterable<Uint8Array>;
}

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
