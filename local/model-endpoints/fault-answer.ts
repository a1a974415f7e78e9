import type { ServerResponse } from "node:http";
import type { Reply } from "./answer.ts";
import type { ApiError } from "./api-error.ts";
import type { Fault } from "./fault.ts";
import { refusalBody, refusalEvent } from "./lab-words.ts";
import type { LabProfile } from "./profiles.ts";

type Headers = Readonly<Record<string, string>>;

/** Where nothing says how long to stay away. */
export const DEFAULT_RETRY_AFTER_MS = 1_000;
const HUGE_CHUNK_BYTES = 64 * 1024;
const PAGE =
  "<!DOCTYPE html>\n<html><head><title>Service unavailable</title></head><body><h1>Our services aren't available right now</h1><p>We're working to restore all services as soon as possible. Please check back soon.</p></body></html>\n";

/** The status the caller sees of a fault; null where it sees none. */
export function statusOfFault(fault: Fault, reply: Reply): number | null {
  if (fault.kind === "hang" || fault.kind === "reset") return null;
  if (fault.kind === "status" || fault.kind === "html") return fault.status;
  if (fault.kind === "stream_error" && reply.events === undefined) return 500;
  return fault.kind === "latency" ? reply.status : 200;
}

export function send(res: ServerResponse, status: number, headers: Headers, body: string | Buffer): void {
  res.writeHead(status, {
    ...headers,
    "content-type": headers["content-type"] ?? "application/json",
    "content-length": Buffer.byteLength(body),
  });
  res.end(body);
}

export function retryHeaders(retryAfterMs: number): Headers {
  return {
    "retry-after-ms": String(Math.ceil(retryAfterMs)),
    "retry-after": String(Math.ceil(retryAfterMs / 1000)),
  };
}

/** Does to a call what the fault says. @param reply what it would have got */
export async function sendFault(
  res: ServerResponse,
  fault: Fault,
  reply: Reply,
  errorOf: (status: number, retryAfterMs: number) => ApiError,
  lab: LabProfile,
  headers: Headers,
): Promise<void> {
  switch (fault.kind) {
    case "latency":
      await sendReply(res, reply, headers);
      return;
    case "stream_error":
      if (reply.events === undefined) send(res, 500, headers, refusalBody(lab, errorOf(500, 0)));
      else {
        await sendEvents(res, headers, halfOf(reply.events));
        res.end(refusalEvent(lab, errorOf(500, 0)));
      }
      return;
    case "status": {
      const retryAfterMs = fault.retryAfterMs ?? (fault.status === 429 ? DEFAULT_RETRY_AFTER_MS : undefined);
      const error = errorOf(fault.status, retryAfterMs ?? 0);
      const retry = retryAfterMs === undefined ? {} : retryHeaders(retryAfterMs);
      send(res, fault.status, { ...headers, ...retry }, refusalBody(lab, error));
      return;
    }
    // A call that was left hanging long enough loses its connection as well.
    case "hang":
    case "reset":
      res.socket?.resetAndDestroy();
      return;
    case "half":
      await sendHalf(res, reply, headers);
      return;
    case "html":
      send(res, fault.status, { ...headers, "content-type": "text/html" }, PAGE);
      return;
    case "empty":
      send(res, 200, headers, "");
      return;
    case "broken_json":
      send(res, 200, headers, reply.body.slice(0, Math.floor(reply.body.length / 2)));
      return;
    case "huge":
      await sendHuge(res, fault.bytes, headers);
      return;
  }
}

/** @param pause between two events of a stream */
export async function sendReply(
  res: ServerResponse,
  reply: Reply,
  headers: Headers,
  pause: () => Promise<unknown> = async () => undefined,
): Promise<void> {
  if (reply.events === undefined) return send(res, reply.status, headers, reply.body);
  await sendEvents(res, headers, reply.events, pause);
  res.end();
}

const halfOf = (events: readonly string[]) => events.slice(0, Math.ceil(events.length / 2));

async function sendEvents(
  res: ServerResponse,
  headers: Headers,
  events: readonly string[],
  pause: () => Promise<unknown> = async () => undefined,
): Promise<void> {
  res.writeHead(200, { ...headers, "content-type": "text/event-stream; charset=utf-8" });
  for (const event of events) {
    if (res.destroyed) return;
    await new Promise<void>((resolve) => {
      res.once("close", resolve);
      res.write(event, () => resolve());
    });
    await pause();
  }
}

async function sendHalf(res: ServerResponse, reply: Reply, headers: Headers): Promise<void> {
  if (reply.events !== undefined) {
    await sendEvents(res, headers, halfOf(reply.events));
    res.socket?.destroy();
    return;
  }
  const bytes = Buffer.from(reply.body);
  res.writeHead(200, { ...headers, "content-type": "application/json", "content-length": bytes.length });
  await new Promise<void>((resolve) => {
    res.once("close", resolve);
    res.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => res.socket?.destroy());
  });
}

/** A valid answer whose text is that long, sent as fast as the caller reads it. */
async function sendHuge(res: ServerResponse, bytes: number, headers: Headers): Promise<void> {
  res.writeHead(200, { ...headers, "content-type": "application/json" });
  res.write(
    '{"id":"chatcmpl-huge","object":"chat.completion","created":0,"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"',
  );
  const chunk = Buffer.alloc(HUGE_CHUNK_BYTES, "a");
  for (let sent = 0; sent < bytes && !res.destroyed; sent += HUGE_CHUNK_BYTES) {
    const part = bytes - sent < HUGE_CHUNK_BYTES ? chunk.subarray(0, bytes - sent) : chunk;
    if (!res.write(part)) await drained(res);
  }
  if (res.destroyed) return;
  const tokens = Math.ceil(bytes / 4);
  res.end(
    `"}}],"usage":{"prompt_tokens":1,"completion_tokens":${tokens},"total_tokens":${tokens + 1}},"system_fingerprint":"simulated"}`,
  );
}

function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      res.off("drain", done);
      res.off("close", done);
      resolve();
    };
    res.once("drain", done);
    res.once("close", done);
    if (res.destroyed) done();
  });
}
