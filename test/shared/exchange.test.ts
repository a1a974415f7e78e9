import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent } from "undici";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BodyLimit, BodyTooLarge, type ExchangeOptions, exchange } from "../../shared/exchange.ts";

let server: Server;
let agent: Agent;
let origin: string;
let reply: (response: ServerResponse) => void;
let arrived: PromiseWithResolvers<ServerResponse>;

beforeEach(async () => {
  arrived = Promise.withResolvers();
  server = createServer((request, response) => {
    request.resume();
    arrived.resolve(response);
    reply(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  agent = new Agent({ connections: 1, pipelining: 1 });
});

afterEach(async () => {
  await agent.destroy();
  server.closeAllConnections();
  server.close();
});

const get = (options?: ExchangeOptions) => exchange(agent, { origin, path: "/", method: "GET" }, options);
const limitedTo = (bytes: number, tooLong: BodyLimit["tooLong"]) => ({ limitOf: () => ({ bytes, tooLong }) });

describe("exchange", () => {
  it("answers with status, headers and the whole body", async () => {
    reply = (response) => {
      response.writeHead(418, { "x-one": "1", "set-cookie": ["a", "b"] });
      // A character of three bytes, in two pieces.
      response.write(Buffer.from("€uro").subarray(0, 2), () => response.end(Buffer.from("€uro").subarray(2)));
    };
    const { status, headers, text } = await get();
    expect({ status, text, one: headers["x-one"], cookies: headers["set-cookie"] }).toEqual({
      status: 418,
      text: "€uro",
      one: "1",
      cookies: ["a", "b"],
    });
  });

  it("answers with an empty text where there is no body, and without a byte order mark", async () => {
    reply = (response) => response.writeHead(204).end();
    expect((await get()).text).toBe("");
    reply = (response) => response.end("\uFEFFtext");
    expect((await get()).text).toBe("text");
  });

  it("tells when the request leaves, not while it waits for a connection", async () => {
    const sent: string[] = [];
    reply = () => undefined; // and keeps the one connection
    const first = get({ onSend: () => sent.push("first") });
    const waiting = new AbortController();
    const second = get({ signal: waiting.signal, onSend: () => sent.push("second") });
    const response = await arrived.promise;
    waiting.abort("enough");
    await expect(second).rejects.toThrow("enough");
    response.end();
    await first;
    expect(sent).toEqual(["first"]);
  });

  it("takes a body of just the limit", async () => {
    reply = (response) => response.end("12345");
    expect((await get(limitedTo(5, "refuse"))).text).toBe("12345");
  });

  it("refuses a longer one, and ends the connection", async () => {
    reply = (response) => response.end("123456789");
    const tooLarge = (error: unknown) => error instanceof BodyTooLarge && error.limitBytes === 5;
    await expect(get(limitedTo(5, "refuse"))).rejects.toSatisfy(tooLarge);
    arrived = Promise.withResolvers();
    reply = (response) => {
      for (let n = 0; n < 9; n++) response.write(String(n)); // and never ends
    };
    await expect(get(limitedTo(5, "refuse"))).rejects.toSatisfy(tooLarge);
    await once(await arrived.promise, "close");
  });

  it("cuts a longer one, and ends the connection", async () => {
    reply = (response) => {
      for (let n = 1; n <= 9; n++) response.write(String(n)); // and never ends
    };
    expect((await get(limitedTo(5, "cut"))).text).toBe("12345");
    await once(await arrived.promise, "close");
  });

  it("rejects with the signal's reason while the answer is awaited, and ends the connection", async () => {
    reply = () => undefined;
    const abort = new AbortController();
    const answer = get({ signal: abort.signal });
    const closed = arrived.promise.then((response) => once(response, "close"));
    await arrived.promise;
    const reason = new Error("enough");
    abort.abort(reason);
    await expect(answer).rejects.toBe(reason);
    await closed;
  });

  it("rejects while it waits for a connection, and never asks", async () => {
    let asked = 0;
    reply = () => asked++;
    const first = get();
    const response = await arrived.promise;
    const abort = new AbortController();
    const second = get({ signal: abort.signal });
    abort.abort("in words");
    await expect(second).rejects.toMatchObject({ name: "AbortError", message: "in words" });
    response.end("first");
    expect((await first).text).toBe("first");
    reply = (answer) => answer.end("third");
    expect((await get()).text).toBe("third");
    expect(asked).toBe(1);
  });

  it("asks nothing when the signal has aborted before", async () => {
    let asked = 0;
    reply = (response) => {
      asked++;
      response.end();
    };
    await expect(get({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
    await get();
    expect(asked).toBe(1);
  });

  it("rejects when the connection breaks in the middle, and when there is none", async () => {
    reply = (response) => response.write("half", () => response.destroy());
    await expect(get()).rejects.toThrow("other side closed");
    server.close();
    await expect(get()).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("leaves no listener on a signal that outlives it", async () => {
    reply = (response) => response.end();
    const { signal } = new AbortController();
    let listening = 0;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listening++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listening--;
      remove(...args);
    };
    await get({ signal });
    expect(listening).toBe(0);
  });
});
