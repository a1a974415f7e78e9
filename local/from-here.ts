import type { IncomingMessage } from "node:http";

/**
 * Whether a request to a control address comes from this machine's own programs. A page in a browser says where it
 * comes from, or, where a name of its own was made to lead here, asks for that name.
 */
export function isFromHere({ headers }: Pick<IncomingMessage, "headers">): boolean {
  if (headers.origin !== undefined || headers["sec-fetch-site"] !== undefined) return false;
  return /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i.test(headers.host ?? "");
}
