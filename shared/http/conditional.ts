import { sha256Hex } from "../sha256.ts";
import type { Answer } from "./answer.ts";
import type { HttpRequest } from "./request.ts";

/** To hash more would cost more than it spares. */
const MAX_HASHED_CHARS = 2 ** 20;

/**
 * A read's JSON gets an ETag, the hash of its body where the route gave none, and is 304 for a client that has it
 * already. Whoever polls is spared the bytes; the store is read all the same.
 */
export function conditional(answer: Answer, { method, headers }: HttpRequest): Answer {
  const { status, body, headers: told } = answer;
  const { "content-type": type, ...kept } = told;
  if (method !== "GET" || status !== 200 || type !== "application/json" || typeof body !== "string")
    return answer;
  if (kept.etag !== undefined || body.length > MAX_HASHED_CHARS) return answer;
  const etag = `"${sha256Hex(body).slice(0, 32)}"`;
  const isKnown = matchesEtag(headers.get("if-none-match") ?? undefined, etag);
  return isKnown ? { status: 304, headers: { ...kept, etag } } : { ...answer, headers: { ...told, etag } };
}

/** If-None-Match, by RFC 9110: `*`, or a list of tags compared weakly. */
export function matchesEtag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  const strong = (tag: string) => tag.replace(/^W\//, "");
  return (ifNoneMatch.match(/(?:W\/)?"[^"]*"/g) ?? []).some((tag) => strong(tag) === strong(etag));
}
