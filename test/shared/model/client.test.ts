import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MAX_CALL_SECONDS, MAX_RESPONSE_BYTES } from "../../../shared/limits.ts";
import type { Deployment } from "../../../shared/model/catalogue.ts";
import { createModelClient } from "../../../shared/model/client.ts";
import type { Endpoint } from "../../../shared/model/endpoint.ts";
import { sha256Hex } from "../../../shared/sha256.ts";
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
/** As the root would give it. */
const jobName = async (provider: string, jobId: string) => `${provider}-name-of-${jobId}`;
const client = createModelClient({
  settings: { MY_KEY: "the-key" },
  credential: () => ({
    getToken: async (scope) => ({
      token: `token for ${String(scope)}`,
      expiresOnTimestamp: Number.MAX_SAFE_INTEGER,
    }),
  }),
  clock,
  jobName,
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
const ANSWER =
  '{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, "n": 1.0}';
const BODY = '{"model": "m",  "n": 1.0, "big": 12345678901234567890, "text": "\\u00e9é😀"}';

function call(
  change: Partial<Deployment> = {},
  signal = new AbortController().signal,
  by: Pick<typeof client, "call"> = client,
  endpoint: Endpoint = "/v1/chat/completions",
) {
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
  return by.call({
    deployment,
    endpoint,
    body: BODY,
    tenantId: "team-a",
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
    reply = json(200, ANSWER, { "apim-request-id": "r1" });
    const outcome = await call();
    expect(outcome).toEqual({
      kind: "completed",
      statusCode: 200,
      requestId: "r1",
      body: ANSWER,
      usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3, raw: JSON.parse(ANSWER).usage },
      answeredMs: clock.now(),
      responseSha256: sha256Hex(ANSWER),
    });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ url: "/openai/v1/chat/completions", body: BODY });
    expect(seen[0]?.headers).toMatchObject({
      "content-type": "application/json",
      "accept-encoding": "identity",
      "x-ms-client-request-id": `${await jobName("openai", "job_1")}.2`,
      "x-switchyard-job": await jobName("openai", "job_1"),
      "x-switchyard-attempt": "2",
    });
    expect(seen[0]?.headers.authorization).toBeUndefined();
  });

  it("carries a key by its setting, or an Entra token for its scope", async () => {
    reply = json(200, ANSWER);
    await call({ auth: { kind: "api_key", setting: "MY_KEY" } });
    await call({ auth: { kind: "entra", scope: "https://ai.azure.com/.default" } });
    expect(seen.map((each) => each.headers.authorization)).toEqual([
      "Bearer the-key",
      "Bearer token for https://ai.azure.com/.default",
    ]);
  });

  it("is made once, whatever is answered", async () => {
    reply = json(503, '{"error": {"message": "busy"}}', { "retry-after": "2" });
    expect(await call()).toMatchObject({
      kind: "retry",
      reason: "http_503",
      statusCode: 503,
      message: "HTTP 503: busy",
      retryAfterMs: 2000,
      billed: "no",
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
    expect(await call()).toMatchObject({ kind: "rejected", body: '"<html>no</html>"' });
  });

  it("does not show the operator's key that a refusal repeats", async () => {
    reply = json(400, '{"error": {"message": "no model for Bearer the-key"}}');
    const outcome = await call({ auth: { kind: "api_key", setting: "MY_KEY" } });
    expect(JSON.stringify(outcome)).not.toContain("the-key");
    expect(outcome).toMatchObject({ message: "HTTP 400: no model for Bearer [credential]" });
  });

  it("takes no answer that is no UTF-8, and hashes the bytes that came", async () => {
    const bytes = Buffer.from("eyJjaG9pY2VzIjpbeyJtZXNzYWdlIjp7ImNvbnRlbnQiOiJIwygifX1dfQ==", "base64");
    reply = (response) => response.writeHead(200).end(bytes);
    expect(await call()).toMatchObject({
      ...{ kind: "retry", reason: "invalid_response", billed: "maybe" },
      responseSha256: sha256Hex(bytes),
    });
  });

  it.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["deflate", deflateRawSync],
    ["br", brotliCompressSync],
    ["x-gzip, identity", gzipSync],
    ["zstd", zstdCompressSync],
    ["gzip", Buffer.from],
    ["UTF-8", Buffer.from],
  ])(
    "reads an answer in %s, or one that only says so, though it was not asked for",
    async (coding, compress) => {
      const bytes = compress(ANSWER);
      reply = (response) => response.writeHead(200, { "content-encoding": coding }).end(bytes);
      expect(await call()).toMatchObject({ body: ANSWER, responseSha256: sha256Hex(ANSWER) });
    },
  );

  it("takes the operator's key out of an answer too, in whatever form it is repeated", async () => {
    const key = 'sk-a/b+c"d e';
    const by = createModelClient({
      ...{ settings: { ODD: key }, clock, jobName },
      credential: () => {
        throw new Error("no identity");
      },
    });
    const forms = [key, encodeURIComponent(key), btoa(key)].map((form) =>
      JSON.stringify(`said ${form}`).slice(1, -1),
    );
    for (const status of [200, 400, 401, 500]) {
      const error = status === 200 ? "" : '"error": {"message": "no"}, ';
      const text = ANSWER.replace("{", `{${error}"echo": "${forms.join(" ")}", `);
      reply = json(status, text, { "x-request-id": `id of ${btoa(key)}` });
      const outcome = JSON.stringify(
        await call({ auth: { kind: "api_key", setting: "ODD" } }, undefined, by),
      );
      for (const form of [key, JSON.stringify(key).slice(1, -1), encodeURIComponent(key), btoa(key)])
        expect(outcome).not.toContain(JSON.stringify(form).slice(1, -1));
    }
    await by.close();
  });

  it("gives up a bomb, half of an answer, and a coding that nobody knows", async () => {
    const bomb = gzipSync(Buffer.alloc(MAX_RESPONSE_BYTES + 1, 32));
    const encoded = (coding: string, bytes: Buffer) => (response: ServerResponse) =>
      response.writeHead(200, { "content-encoding": coding }).end(bytes);
    reply = encoded("gzip", bomb);
    expect(await call()).toEqual({ kind: "too_large", bytes: MAX_RESPONSE_BYTES });
    reply = encoded("gzip", gzipSync(ANSWER).subarray(0, 40));
    expect(await call()).toMatchObject({ kind: "retry", billed: "maybe" });
    reply = encoded("zpaq", Buffer.from("x"));
    expect(await call()).toMatchObject({
      kind: "retry",
      operatorWords: "Error: the answer is compressed as zpaq",
    });
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
    expect(outcome).toMatchObject({ kind: "retry", reason: "network", billed: "no" });
    // Its address is the operator's affair.
    expect(outcome).toMatchObject({
      message: "network",
      operatorWords: expect.stringContaining("ECONNREFUSED"),
    });
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
    reply = json(400, `{"error": {"message": "n is odd", "echo": "${"x".repeat(5_000_000)}"}}`);
    const outcome = await call();
    expect(outcome).toMatchObject({ kind: "rejected", message: "HTTP 400: n is odd" });
    expect((outcome as { body: string }).body.length).toBeLessThan(1_100_000);
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
      expect(await outcome).toEqual({ kind: "aborted", reason: "cancelled", billed: "maybe" });
    }
    const before = await call({}, AbortSignal.abort("before"));
    expect(before).toEqual({ kind: "aborted", reason: "before", billed: "no" });
  });

  it.each([
    ["half an hour", {}, MAX_CALL_SECONDS],
    ["what the catalogue says", { timeout_seconds: 20 }, 20],
  ])("endless: is given up after %s", async (_what, change, seconds) => {
    reply = () => undefined;
    const called = new Promise<void>((resolve) => {
      onCall = resolve;
    });
    const outcome = call(change);
    await called;
    clock.advance(seconds * 1000);
    expect(await outcome).toMatchObject({
      ...{ kind: "retry", reason: "call_timeout", billed: "maybe" },
      message: `no answer within ${seconds} s`,
    });
  });

  it("a token that cannot be had: nothing is sent", async () => {
    const without = createModelClient({
      settings: {},
      credential: () => ({ getToken: () => Promise.reject(new Error("no identity")) }),
      ...{ clock, jobName },
    });
    const outcome = await call({ auth: { kind: "entra", scope: "s" } }, undefined, without);
    expect(outcome).toMatchObject({
      kind: "retry",
      billed: "no",
      message: "network",
      operatorWords: "Error: no identity",
    });
    expect(seen).toHaveLength(0);
    await without.close();
  });
});

describe("an answer that comes later", () => {
  const queued = json(202, '{"id": "resp_1", "status": "queued", "output": []}');
  const done = json(200, '{"id": "resp_1", "status": "completed", "output": [{"type": "message"}]}');

  /** Answers each request with the next reply, and turns the clock for each wait in between. */
  async function polled(...replies: ((response: ServerResponse) => void)[]) {
    let next = 0;
    reply = (response) => replies[Math.min(next++, replies.length - 1)]?.(response);
    const outcome = call({ endpoints: ["/v1/responses"] }, undefined, client, "/v1/responses");
    let ended = false;
    void outcome.then(() => {
      ended = true;
    });
    while (!ended) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(100);
    }
    return outcome;
  }

  it("is fetched where the lab says, with the same credential, as the same call", async () => {
    const outcome = await polled(queued, queued, done);
    expect(outcome).toMatchObject({ kind: "completed", body: expect.stringContaining("completed") });
    expect(seen.map(({ url }) => url)).toEqual([
      "/openai/v1/responses",
      "/openai/v1/responses/resp_1",
      "/openai/v1/responses/resp_1",
    ]);
    expect(seen.map(({ headers }) => headers["x-switchyard-attempt"])).toEqual(["2", "2", "2"]);
    expect(seen.map(({ body }) => body)).toEqual([BODY, "", ""]);
  });

  it("may fail to be fetched now and then, and is given up if it goes on", async () => {
    const away = json(503, "{}");
    expect(await polled(queued, away, away, done)).toMatchObject({ kind: "completed" });
    seen = [];
    expect(await polled(queued, away)).toMatchObject({
      kind: "retry",
      reason: "not_fetched",
      billed: "maybe",
    });
    expect(seen).toHaveLength(7);
  });

  it("that never comes is given up after the call's time", async () => {
    expect(await polled(queued)).toMatchObject({ kind: "retry", reason: "call_timeout", billed: "maybe" });
  });
});
