import { randomUUID } from "node:crypto";
import { request } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import type { HttpRequest } from "@azure/functions";
import { beforeAll, describe, expect, it } from "vitest";
import type * as HostResponse from "../../functions/host-response.ts";
import { type Answer, json } from "../../shared/http/answer.ts";
import { readBytes } from "../../shared/http/request.ts";

/** The built app's answers, through the library that the built app has, as it hands them to a host. */
const root = path.resolve(import.meta.dirname, "../..");
const library = createRequire(path.join(root, "dist/node_modules/@azure/functions/index.js"));
const { setup } = library("./setup.js");
const { setupHttpProxy, waitForProxyRequest } = library("./http/httpProxy.js");
const { createStreamRequest } = library("./http/HttpRequest.js");
const { toRpcHttp } = library("./converters/toRpcHttp.js");

let toHostResponse: typeof HostResponse.toHostResponse;
beforeAll(async () => {
  ({ toHostResponse } = await import(path.join(root, "dist/functions/host-response.js")));
});

const TEXT = "Grüße, 世界";
const whole = json(202, { text: TEXT }, { location: "/api/jobs/x" });
const streamed: Answer = {
  status: 200,
  headers: { "content-type": "text/event-stream" },
  body: (async function* () {
    for (const part of TEXT.split(" ")) yield new TextEncoder().encode(part);
  })(),
};
const empty: Answer = { status: 204, headers: { "x-request-id": "r" } };

describe("an answer, where the app does not stream", () => {
  it("is handed over with its bytes", async () => {
    const { http } = await toRpcHttp("1", toHostResponse(whole));
    expect(http).toMatchObject({ statusCode: "202", headers: { location: "/api/jobs/x" } });
    expect(JSON.parse(Buffer.from(http.body.bytes).toString())).toEqual({ text: TEXT });
    expect(Number(http.headers["content-length"])).toBe(http.body.bytes.length);
    const none = (await toRpcHttp("2", toHostResponse(empty))).http;
    expect([none.statusCode, none.body.bytes.length]).toEqual(["204", 0]);
  });
});

describe("an answer, where the app streams", () => {
  let proxy: URL;
  beforeAll(async () => {
    setup({ enableHttpStream: true });
    proxy = new URL(await setupHttpProxy());
  });

  /** One exchange through the library's proxy, as the host forwards it. @param sent undefined: no body */
  async function exchange(answerTo: (request: HttpRequest) => Promise<Answer>, sent?: readonly string[]) {
    const id = randomUUID();
    const forwarded = { "x-forwarded-host": "example.test", "x-forwarded-proto": "http" };
    const client = request({
      ...{ hostname: "127.0.0.1", port: proxy.port, path: "/api/jobs" },
      method: sent === undefined ? "GET" : "POST",
      headers: { "x-ms-invocation-id": id, ...forwarded },
    });
    const answered = new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }>(
      (resolve, reject) => {
        client.once("error", reject);
        client.once("response", async (response) => {
          const chunks = await response.toArray();
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        });
      },
    );
    for (const piece of sent ?? []) client.write(piece);
    // What a client goes on sending is still to come when it is answered.
    if (sent === undefined) client.end();
    const received: HttpRequest = createStreamRequest(await waitForProxyRequest(id), {
      Headers: { json: "{}" },
    });
    await toRpcHttp(id, toHostResponse(await answerTo(received)));
    const answer = await answered;
    client.destroy();
    return answer;
  }

  it("arrives whole, with its length", async () => {
    const { status, headers, text } = await exchange(async () => whole);
    expect([status, JSON.parse(text)]).toEqual([202, { text: TEXT }]);
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(text)),
      location: "/api/jobs/x",
    });
  });

  it("arrives as it comes where it is a stream, and without a body where it has none", async () => {
    const { headers, text } = await exchange(async () => streamed);
    expect([headers["content-type"], text]).toEqual(["text/event-stream", TEXT.replace(" ", "")]);
    expect(await exchange(async () => empty)).toMatchObject({ status: 204, text: "" });
  });

  it("arrives though the body it refuses is still being sent", async () => {
    const pieces = ["x".repeat(60), "x".repeat(60), "x".repeat(60)];
    const refused = await exchange(
      async (received) =>
        readBytes(received, 100).then(
          () => empty,
          ({ code }: { code: string }) => json(413, { code }),
        ),
      pieces,
    );
    expect([refused.status, JSON.parse(refused.text)]).toEqual([413, { code: "request_too_large" }]);
  });
});
