import { randomUUID } from "node:crypto";
import { type ClientRequest, request } from "node:http";
import Module from "node:module";
import { app, type HttpRequest } from "@azure/functions";
import { beforeAll, describe, expect, it } from "vitest";
import { toHostResponse } from "../../functions/host-response.ts";
import { registerDoor } from "../../functions/register.ts";
import { coreApi, Registry } from "../../local/host/core-api.ts";
import { Problem } from "../../shared/errors.ts";
import { type Answer, json } from "../../shared/http/answer.ts";
import { apiDoor } from "../../shared/http/api/routes.ts";
import type { Door } from "../../shared/http/door.ts";
import { readBytes } from "../../shared/http/request.ts";
import { route } from "../../shared/http/route.ts";
import type { Entrance } from "../../shared/http/serve.ts";
import { silentLog } from "../local/host/functions.ts";

/** Answers through the library, which is driven as the worker drives it: with HTTP streaming off, then on. */
const TEXT = "Grüße, 世界";
const whole = json(202, { text: TEXT }, { location: "/api/jobs/x" });
const streamed = (): Answer => ({
  status: 200,
  headers: { "content-type": "text/event-stream" },
  body: (async function* () {
    for (const part of TEXT.split(" ")) yield new TextEncoder().encode(part);
  })(),
});
const empty: Answer = { status: 204, headers: { "x-request-id": "r" } };

const registry = new Registry();
/** What the function answers next. */
let handle: (request: HttpRequest) => Promise<Answer>;
beforeAll(() => {
  const core = coreApi(registry, silentLog);
  const prototype = Module.prototype as unknown as { require(this: unknown, id: string): unknown };
  const original = prototype.require;
  prototype.require = function (id) {
    return id === "@azure/functions-core" ? core : original.call(this, id);
  };
  app.http("f", { methods: ["GET", "POST"], handler: async (sent) => toHostResponse(await handle(sent)) });
});

/** One invocation, and what the library gives back to the host for it. */
async function invoke(invocationId: string, method: string, name = "f") {
  const fn = registry.functions.get(name);
  if (fn === undefined || registry.model === undefined) throw new Error("not registered");
  const http = { url: "http://example.test/api/jobs", method, headers: {}, params: {} };
  const model = await registry.model.getInvocationModel({
    ...{ invocationId, metadata: fn.metadata, state: undefined, log: () => undefined },
    request: {
      inputData: [{ name: fn.triggerName, data: { http } }],
      triggerMetadata: { Headers: { json: "{}" } },
    },
  });
  const { context, inputs } = await model.getArguments();
  return model.getResponse(context, await model.invokeFunction(context, inputs, fn.callback));
}

describe("an answer, where the app does not stream", () => {
  const answered = async (answer: Answer) => {
    handle = async () => answer;
    const { returnValue } = await invoke(randomUUID(), "GET");
    const { statusCode, headers, body } = returnValue?.http ?? {};
    return { statusCode, headers, bytes: Buffer.from(body?.bytes ?? []) };
  };

  it("is handed over with its bytes", async () => {
    const { statusCode, headers, bytes } = await answered(whole);
    expect([statusCode, JSON.parse(bytes.toString())]).toEqual(["202", { text: TEXT }]);
    expect(headers).toMatchObject({ location: "/api/jobs/x", "content-length": String(bytes.length) });
    expect(await answered(empty)).toMatchObject({ statusCode: "204", bytes: Buffer.alloc(0) });
    expect((await answered(streamed())).bytes.toString()).toBe(TEXT.replace(" ", ""));
  });
});

describe("an answer, where the app streams", () => {
  let proxy: URL;
  beforeAll(async () => {
    app.setup({ enableHttpStream: true });
    const { HttpUri } = (await registry.model?.getCapabilities({})) ?? {};
    proxy = new URL(HttpUri ?? "");
  });

  /** The request as the host forwards it to the app. @param send what the client sends; undefined: no body */
  async function exchange(answer: typeof handle, send?: (client: ClientRequest) => void, name?: string) {
    handle = answer;
    const id = randomUUID();
    const method = send === undefined ? "GET" : "POST";
    const forwarded = { "x-forwarded-host": "example.test", "x-forwarded-proto": "http" };
    const client = request({
      ...{ hostname: "localhost", port: proxy.port, path: "/api/jobs", method },
      headers: { "x-ms-invocation-id": id, ...forwarded },
    });
    const received = new Promise<{ status: number; headers: NodeJS.Dict<unknown>; text: string }>(
      (resolve, reject) => {
        client.once("error", reject);
        client.once("response", async (response) => {
          const text = Buffer.concat(await response.toArray()).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        });
      },
    );
    if (send === undefined) client.end();
    else send(client);
    const invoked = invoke(id, method, name);
    const got = await received;
    expect((await invoked).returnValue).toBeUndefined();
    client.destroy();
    return got;
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
    const { headers, text } = await exchange(async () => streamed());
    expect([headers["content-type"], text]).toEqual(["text/event-stream", TEXT.replace(" ", "")]);
    expect(await exchange(async () => empty)).toMatchObject({ status: 204, text: "" });
  });

  const upTo = (maxBytes: number) => async (sent: HttpRequest) =>
    readBytes(sent, maxBytes).then(
      (bytes) => json(200, { text: Buffer.from(bytes).toString() }),
      ({ code }: { code: string }) => json(413, { code }),
    );

  it("is 500 in the door's form where it cannot be given, or what gives it throws", async () => {
    const broken = (name: string, handle: () => Promise<Answer<200>>) =>
      route({
        ...{ name, method: "GET", path: `api/${name}`, who: "anyone", summary: "" },
        ...{ answers: { 200: { description: "" } }, handle },
      });
    const unsayable = broken("unsayable", async () => ({ status: 200, headers: { x: "世" } }));
    registerDoor(apiDoor, [unsayable], {} as Entrance);
    const wrongDoor: Door = { ...apiDoor, refusal: () => ({ status: 99, headers: {} }) };
    const refused = broken("refused", async () => Promise.reject(new Problem("forbidden", "no")));
    registerDoor(wrongDoor, [refused], {} as Entrance);
    for (const name of ["unsayable", "refused"]) {
      const { status, headers, text } = await exchange(async () => whole, undefined, name);
      expect([status, headers["content-type"]]).toEqual([500, "application/problem+json"]);
      expect(JSON.parse(text)).toMatchObject({
        code: "internal_error",
        request_id: headers["x-ms-invocation-id"],
      });
    }
  });

  it("to a body in chunks has all of them", async () => {
    const { status, text } = await exchange(upTo(100), (client) => {
      client.write("one ");
      client.end("two");
    });
    expect([status, JSON.parse(text)]).toEqual([200, { text: "one two" }]);
  });

  it("arrives though the body that it refuses is still being sent", async () => {
    const { status, text } = await exchange(upTo(100), (client) => {
      for (let n = 0; n < 3; n++) client.write("x".repeat(60));
    });
    expect([status, JSON.parse(text)]).toEqual([413, { code: "request_too_large" }]);
  });
});
