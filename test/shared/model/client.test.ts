import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MAX_CALL_SECONDS, MAX_RESPONSE_BYTES } from "../../../shared/limits.ts";
import type { Deployment } from "../../../shared/model/catalogue.ts";
import { createModelClient } from "../../../shared/model/client.ts";
import { TestClock } from "../world.ts";

interface Seen {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const clock = new TestClock();
let server: Server;
let port: number;
let seen: Seen[];
let reply: (response: ServerResponse) => void;
let onCall: () => void;

const listener: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    seen.push({ url: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks).toString() });
    onCall();
    reply(response);
  });
};
const client = createModelClient({
  settings: { MY_KEY: "the-key" },
  credential: () => ({
    getToken: async (scope) => ({
      token: `token for ${String(scope)}`,
      expiresOnTimestamp: Number.MAX_SAFE_INTEGER,
    }),
  }),
  clock,
});

beforeAll(async () => {
  server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  await client.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
beforeEach(() => {
  seen = [];
  onCall = () => undefined;
});

let deployments = 0;
const BODY = '{"model": "m",  "n": 1.0, "big": 12345678901234567890, "text": "\\u00e9é😀"}';

function call(change: Partial<Deployment> = {}, signal = new AbortController().signal) {
  const deployment = {
    name: `d${deployments++}`,
    provider: "openai",
    protocol: "openai",
    model: "m",
    base_url: `http://127.0.0.1:${port}/openai/v1`,
    auth: { kind: "none" },
    endpoints: ["/v1/chat/completions"],
    capabilities: [],
    limits: {},
    price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
    simulated: false,
    ...change,
  } as Deployment;
  return client.call({
    deployment,
    endpoint: "/v1/chat/completions",
    body: BODY,
    jobId: "job_1",
    attempt: 2,
    signal,
  });
}

const json =
  (status: number, body: string, headers: Record<string, string> = {}) =>
  (response: ServerResponse) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
  };

describe("a call, on the wire", () => {
  it("sends the bytes it was given, and no credential where there is none", async () => {
    reply = json(
      200,
      '{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, "n": 1.0}',
      { "apim-request-id": "r1" },
    );
    const outcome = await call();
    expect(outcome).toEqual({
      kind: "completed",
      statusCode: 200,
      requestId: "r1",
      body: '{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, "n": 1.0}',
      usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 },
    });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ url: "/openai/v1/chat/completions", body: BODY });
    expect(seen[0]?.headers).toMatchObject({
      "content-type": "application/json",
      "x-switchyard-job": "job_1",
      "x-switchyard-attempt": "2",
    });
    expect(seen[0]?.headers.authorization).toBeUndefined();
  });

  it("carries a key by its setting, or an Entra token for its scope", async () => {
    reply = json(200, "{}");
    await call({ auth: { kind: "api_key", setting: "MY_KEY" } });
    await call({ auth: { kind: "entra", scope: "https://ai.azure.com/.default" } });
    expect(seen.map((each) => each.headers.authorization)).toEqual([
      "Bearer the-key",
      "Bearer token for https://ai.azure.com/.default",
    ]);
  });

  it("is made once, whatever is answered", async () => {
    reply = json(503, '{"error": {"message": "busy"}}', { "retry-after": "2" });
    expect(await call()).toEqual({
      kind: "retry",
      reason: "http_503",
      statusCode: 503,
      message: "HTTP 503: busy",
      retryAfterMs: 2000,
    });
    reply = json(429, "{}", { "retry-after-ms": "70" });
    expect(await call()).toMatchObject({ kind: "rate_limited", retryAfterMs: 70 });
    expect(seen).toHaveLength(2);
  });

  it("keeps a refusal's bytes", async () => {
    const refusal = '{"error": {"code": "content_filter",  "message": "no"}}';
    reply = json(400, refusal);
    expect(await call()).toMatchObject({
      kind: "rejected",
      code: "content_filtered",
      body: refusal,
      message: "HTTP 400: no",
    });
    reply = json(400, "<html>no</html>");
    expect(await call()).toMatchObject({ kind: "rejected", body: null });
  });

  it("does not follow a redirect: the prompt goes nowhere else", async () => {
    reply = json(307, "", { location: `http://127.0.0.1:${port}/elsewhere` });
    expect(await call()).toMatchObject({ kind: "turned_away", statusCode: 307 });
    expect(seen).toHaveLength(1);
  });
});

describe("a call that goes wrong", () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ["reset", (response) => response.destroy()],
    [
      "cut off half-way",
      (response) => {
        response.writeHead(200, { "content-length": "100" }).write('{"half":');
        setImmediate(() => response.destroy());
      },
    ],
    ["HTML", (response) => response.writeHead(200, { "content-type": "text/html" }).end("<html></html>")],
    ["empty", (response) => response.writeHead(200).end()],
    ["broken JSON", json(200, '{"a": ')],
    ["no object", json(200, "[1]")],
  ])("%s: is tried again", async (_what, how) => {
    reply = how;
    expect((await call()).kind).toBe("retry");
  });

  it("refused connection: is tried again, and says why", async () => {
    const gone = createServer().listen(0, "127.0.0.1");
    await once(gone, "listening");
    const { port: closed } = gone.address() as AddressInfo;
    gone.close();
    await once(gone, "close");
    const outcome = await call({ base_url: `http://127.0.0.1:${closed}/v1` });
    expect(outcome).toMatchObject({ kind: "retry", reason: "network" });
    expect((outcome as { message: string }).message).toContain("ECONNREFUSED");
  });

  it("100 MB: is given up after what is read of an answer", async () => {
    let written = 0;
    reply = (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const more = () => {
        while (written < 100_000_000 && !response.destroyed) {
          written += 1_000_000;
          if (!response.write("x".repeat(1_000_000))) return void response.once("drain", more);
        }
        response.end();
      };
      more();
    };
    expect(await call()).toEqual({ kind: "too_large", bytes: MAX_RESPONSE_BYTES });
    expect(written).toBeLessThan(60_000_000);
  });

  it("a refusal of 100 MB: no more than its beginning is read", async () => {
    reply = json(400, "x".repeat(5_000_000));
    expect(await call()).toMatchObject({ kind: "rejected", body: null });
  });

  it("hanging, before the headers or in the middle: is aborted with the reason given", async () => {
    for (const how of [
      () => undefined,
      (response: ServerResponse) => void response.writeHead(200).write('{"a":'),
    ]) {
      reply = how;
      const abort = new AbortController();
      const called = new Promise<void>((resolve) => {
        onCall = resolve;
      });
      const outcome = call({}, abort.signal);
      await called;
      abort.abort("cancelled");
      expect(await outcome).toEqual({ kind: "aborted", reason: "cancelled" });
    }
    expect(await call({}, AbortSignal.abort("before"))).toEqual({ kind: "aborted", reason: "before" });
  });

  it("endless: is given up after half an hour", async () => {
    reply = () => undefined;
    const called = new Promise<void>((resolve) => {
      onCall = resolve;
    });
    const outcome = call();
    await called;
    clock.advance(MAX_CALL_SECONDS * 1000);
    expect(await outcome).toMatchObject({ kind: "retry", reason: "call_timeout" });
  });
});
