import type { IncomingMessage } from "node:http";

/** The cloud's host (Kestrel) takes no more than this of one request. */
const MAX_REQUEST_LINE_BYTES = 8_192;
const MAX_HEADERS = 100;
const MAX_HEADERS_BYTES = 32_768;
/** What Node is told to read of a head: enough for the host to see which of its limits it breaks. */
export const MAX_HEAD_BYTES = 262_144;

/** The header by which the host tells the worker which request it is, where answers stream. */
export const INVOCATION_ID = "x-ms-invocation-id";

/** What the host needs to know of a request's head. */
export interface Head {
  /** The status the host refuses the request with; undefined: it goes on. */
  readonly refusal: 400 | 414 | 431 | undefined;
  readonly bytes: number;
  readonly isAscii: boolean;
  /** The client has sent a header of the host's own. */
  readonly claimsInvocation: boolean;
  /** Headers by lower-case name. The values of a repeated name are joined by commas. */
  readonly headers: Record<string, string>;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is looked for
const NOT_ASCII = /[^\x00-\x7f]/;
const HOST_PATTERN = /^[\w.-]+(:\d+)?$|^\[[0-9a-fA-F:.]+\](:\d+)?$/;

/** Looks a request's head through, as Node has read it: header values are latin-1 there. */
export function readHead(request: IncomingMessage): Head {
  const { rawHeaders, headers: joined } = request;
  const line = `${request.method} ${request.url} HTTP/1.1\r\n`.length;
  let bytes = line;
  let isAscii = true;
  let claimsInvocation = false;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    const value = rawHeaders[i + 1] ?? "";
    bytes += name.length + value.length + 4;
    if (isAscii && NOT_ASCII.test(value)) isAscii = false;
    if (name.length === INVOCATION_ID.length && name.toLowerCase() === INVOCATION_ID) claimsInvocation = true;
  }
  const count = rawHeaders.length / 2;
  const own = claimsInvocation || joined[INVOCATION_ID] === undefined ? 0 : 1;
  const isPlain = isAscii && Object.keys(joined).length - own === count;
  // Only Set-Cookie comes as a list, and that is a header of answers.
  const headers = isPlain ? (joined as Record<string, string>) : joinHeaders(rawHeaders);
  let refusal: Head["refusal"];
  if (line > MAX_REQUEST_LINE_BYTES) refusal = 414;
  else if (count > MAX_HEADERS || bytes - line > MAX_HEADERS_BYTES) refusal = 431;
  else if (headers.host !== undefined && !HOST_PATTERN.test(headers.host)) refusal = 400;
  return { refusal, bytes, isAscii, claimsInvocation, headers };
}

/** .NET's way: text is UTF-8, and the values of a name are joined by commas without blanks. */
function joinHeaders(rawHeaders: readonly string[]): Record<string, string> {
  // No prototype, because a header may be called "constructor".
  const headers: Record<string, string> = Object.create(null);
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase();
    const value = Buffer.from(rawHeaders[i + 1] ?? "", "latin1").toString("utf8");
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before},${value}`;
  }
  return headers;
}
