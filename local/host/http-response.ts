import type { ServerResponse } from "node:http";
import type { HttpCookie, HttpData, TypedData } from "./core-api.ts";

/** Answers with what a function returned; nothing returned is 204, as in Azure. */
export function writeFunctionResponse(response: ServerResponse, data: HttpData | undefined): void {
  if (data === undefined) {
    response.writeHead(204).end();
    return;
  }
  const status = Number(data.statusCode ?? 200);
  const body = bytesOf(data.body);
  const headers: Record<string, string | string[] | number> = { ...data.headers };
  if (data.cookies !== undefined && data.cookies.length > 0) {
    headers["set-cookie"] = data.cookies.map(serializeCookie);
  }
  if (status !== 204 && status !== 304) headers["content-length"] = body?.length ?? 0;
  response.writeHead(status, headers);
  // Node leaves out the body where there must be none (HEAD, 204, 304).
  response.end(body);
}

function bytesOf(data: TypedData | undefined): Uint8Array | undefined {
  if (data?.bytes !== undefined) return data.bytes;
  const text = data?.string ?? data?.json;
  return text === undefined ? undefined : Buffer.from(text);
}

/** RFC 6265; the values come from the app's own code. */
export function serializeCookie(cookie: HttpCookie): string {
  const parts = [`${cookie.name}=${encodeURIComponent(cookie.value)}`];
  if (cookie.maxAge !== undefined) parts.push(`Max-Age=${Math.floor(cookie.maxAge.value)}`);
  if (cookie.domain !== undefined) parts.push(`Domain=${cookie.domain.value}`);
  if (cookie.path !== undefined) parts.push(`Path=${cookie.path.value}`);
  if (cookie.expires !== undefined) {
    const { seconds = 0, nanos = 0 } = cookie.expires.value;
    parts.push(`Expires=${new Date(seconds * 1000 + nanos / 1e6).toUTCString()}`);
  }
  if (cookie.httpOnly?.value) parts.push("HttpOnly");
  if (cookie.secure?.value) parts.push("Secure");
  if (cookie.sameSite === "lax") parts.push("SameSite=Lax");
  else if (cookie.sameSite === "strict") parts.push("SameSite=Strict");
  else if (cookie.sameSite === "explicitNone") parts.push("SameSite=None");
  return parts.join("; ");
}
