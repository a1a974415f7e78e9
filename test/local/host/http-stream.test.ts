import { once } from "node:events";
import { request as ask, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Host, startHost } from "../../../local/host/host.ts";
import { exchange } from "./wire.ts";

const MAX_BODY_BYTES = 100_000;
let host: Host;
let base: string;

// The fixture app streams by the real @azure/functions, which takes the client's own request and answer here.
beforeAll(async () => {
  const root = fileURLToPath(new URL("../../fixtures/stream-app", import.meta.url));
  const env = { FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: String(MAX_BODY_BYTES) };
  host = await startHost({ root, env, port: 0 });
  base = `http://127.0.0.1:${host.port}`;
});
afterAll(() => host.drain(0));

const json = async (path: string, init?: RequestInit) => (await fetch(`${base}${path}`, init)).json();
const raw = (...parts: (string | Buffer)[]) => exchange(host.port, ...parts);

/** Waits until the app has noted it. */
async function seen(what: string): Promise<void> {
  while (!((await json("/seen")) as string[]).includes(what)) await new Promise((r) => setTimeout(r, 5));
}

/** Tells the app's streams until one of them has listened. */
async function tell(what: string): Promise<void> {
  while ((await json(`/tell/${what}`)) !== true) await new Promise((r) => setTimeout(r, 5));
}

const CLOSE = "host: a\r\nconnection: close\r\n";

it("sends an answer as it is written", async () => {
  const response = await fetch(`${base}/events`);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  expect(await reader?.read()).toEqual({ done: false, value: "data: 1\n\n" });
  await tell("more");
  expect(await reader?.read()).toEqual({ done: false, value: "data: 2\n\n" });
  expect(await reader?.read()).toEqual({ done: true, value: undefined });
});

it("hands a chunked body on as it comes, while the answer goes back, and any other whole", async () => {
  const request = ask(`${base}/shout`, { method: "POST" });
  request.write("hello");
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const chunks = response.setEncoding("utf8")[Symbol.asyncIterator]();
  expect(await chunks.next()).toEqual({ done: false, value: "HELLO" });
  request.end("world");
  expect(await chunks.next()).toEqual({ done: false, value: "WORLD" });
  expect(await chunks.next()).toMatchObject({ done: true });
  const whole = await fetch(`${base}/shout`, { method: "POST", body: "hello world" });
  expect(await whole.text()).toBe("HELLO WORLD");
});

it("gives the function the request as the cloud does: the query is among its parameters", async () => {
  const { invocationId, ...plain } = (await json("/request/1", { headers: { "x-a": "b" } })) as Seen;
  expect(plain).toMatchObject({ method: "GET", url: `${base}/request/1`, params: { id: "1" }, query: {} });
  expect(plain.headers).toMatchObject({ "x-a": "b", host: new URL(base).host });
  expect(Object.keys(plain.headers)).not.toContain("x-forwarded-host");
  expect(Object.keys(plain.headers)).not.toContain("x-ms-invocation-id");
  expect(invocationId).toMatch(/^[0-9a-f-]{36}$/);
  const query = (await json("/request/1?x=1&x=2&code=k&id=3&y=a%20b+c")) as Seen;
  expect(query.params).toEqual({ x: "2", y: "a b c", id: "1" });
  expect(query.query).toEqual({ x: "2", code: "k", id: "3", y: "a b c" });
  // Names differ by case for the library alone: the route's value comes under the query's name.
  expect(((await json("/request/1?ID=3")) as Seen).params).toEqual({ ID: "1" });
  expect(((await json("/request/1?headers=x")) as Seen).headers).toEqual({});
  const own = encodeURIComponent('{"authorization":"mine"}');
  expect(((await json(`/request/1?Headers=${own}`)) as Seen).headers).toEqual({ authorization: "mine" });
  // So are the properties of a JSON body that announces its length.
  const posted = (await json("/request/1?a=q", {
    method: "POST",
    body: '{"A":1,"b":true,"id":"no","list":[],"o":{}}',
  })) as Seen;
  expect(posted.params).toEqual({ A: "q", b: "True", id: "1" });
  expect(posted.headers).toMatchObject({ host: new URL(base).host });
  const body = '{"headers":{"x":"y"}}';
  expect(((await json("/request/1", { method: "POST", body })) as Seen).headers).toEqual({});
});

interface Seen {
  readonly invocationId: string;
  readonly params: object;
  readonly headers: object;
  readonly query: object;
}

it("sends cookies, the invocation's id, HEAD without a body, and an answer that is whole already", async () => {
  const response = await fetch(`${base}/request/1`, { method: "DELETE" });
  const { invocationId } = (await response.json()) as Seen;
  expect(response.headers.get("set-cookie")).toBe("c=1");
  expect(response.headers.get("x-ms-invocation-id")).toBe(invocationId);
  const whole = await fetch(`${base}/whole`);
  expect([whole.status, await whole.json()]).toEqual([201, { a: "ä" }]);
  expect(whole.headers.get("content-length")).toBe("10");
  const head = await raw(`HEAD /whole HTTP/1.1\r\n${CLOSE}\r\n`);
  expect(head).toMatch(/^HTTP\/1\.1 201 /);
  expect(head).toMatch(/\r\n\r\n$/);
});

it("serves what no other function takes by the one whose name comes last, below an empty prefix", async () => {
  expect(await json("/")).toEqual({ method: "GET", path: "" });
  expect(await json("/api/none", { method: "PUT" })).toEqual({ method: "PUT", path: "api/none" });
  expect(await json("/throws", { method: "POST" })).toEqual({ method: "POST", path: "throws" });
  expect((await fetch(`${base}/admin/host/status`)).status).toBe(401);
});

it("cuts off the client of a function that throws, answers nothing, or breaks off in the middle", async () => {
  for (const path of ["throws", "nothing"])
    expect(await raw(`GET /${path} HTTP/1.1\r\n${CLOSE}\r\n`)).toBe("");
  const broken = await fetch(`${base}/breaks`);
  await tell("break");
  await expect(broken.text()).rejects.toThrow("terminated");
});

it("takes a body up to the limit: the announced fails at once, the chunked where it passes it", async () => {
  const body = "x".repeat(MAX_BODY_BYTES);
  const chunked = { method: "POST", body: new Blob([body]).stream(), duplex: "half" } as RequestInit;
  expect(await json("/length", { method: "PUT", body })).toEqual({ length: MAX_BODY_BYTES });
  expect(await json("/length", chunked)).toEqual({ length: MAX_BODY_BYTES });
  const head = `POST /length HTTP/1.1\r\n${CLOSE}`;
  expect(await raw(`${head}content-length: ${MAX_BODY_BYTES + 1}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 500 /);
  const chunk = `${(60_000).toString(16)}\r\n${"x".repeat(60_000)}\r\n`;
  const answer = await raw(`${head}transfer-encoding: chunked\r\n\r\n`, chunk, chunk);
  expect(answer).toMatch(/^HTTP\/1\.1 500 /);
  expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
});

it("sends an answer that comes before the end of the body, and then takes no more than a bit of that", async () => {
  const chunk = `${(30_000).toString(16)}\r\n${"x".repeat(30_000)}\r\n`;
  const head = "POST /early HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
  // Never ended: the connection is.
  expect(await raw(head, chunk, chunk)).toMatch(/^HTTP\/1\.1 413 /);
  // Ended: the connection goes on.
  const both = await raw(head, chunk, chunk, "0\r\n\r\n", `GET /whole HTTP/1.1\r\n${CLOSE}\r\n`);
  expect(both.match(/^HTTP\/1\.1 \d+/gm)).toEqual(["HTTP/1.1 413", "HTTP/1.1 201"]);
});

it("tells a function of a client that goes away in the middle of its body, and of no other", async () => {
  const socket = connect(host.port, "127.0.0.1");
  const half = `POST /length HTTP/1.1\r\n${CLOSE}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`;
  socket.write(half, () => socket.destroy());
  await seen("upload Error");
  // A client that has sent all and goes: the stream of its answer is read to the end all the same.
  const leaving = new AbortController();
  const response = await fetch(`${base}/events`, { signal: leaving.signal });
  await response.body?.getReader().read();
  leaving.abort();
  await tell("more");
  await seen("events whole");
  expect(await json("/seen")).not.toContain("events cancelled");
});

it("lets an app see its client go, and wait for a slow one, by the invocation's id", async () => {
  const socket = connect(host.port, "127.0.0.1");
  socket.write(`GET /watched HTTP/1.1\r\n${CLOSE}\r\n`);
  // It reads nothing: the app has to wait, with little sent.
  const waits = async () =>
    ((await json("/seen")) as string[]).flatMap((line) => /^waits after (\d+)$/.exec(line)?.[1] ?? []);
  while ((await waits()).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  socket.destroy();
  await seen("watched gone");
  expect(Math.max(...(await waits()).map(Number))).toBeLessThan(32 * 1024 * 1024);
});

describe("an app that guards its requests", () => {
  const head = (path: string, host = "a") =>
    `GET /request/${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n`;

  it("is never handed a request that the cloud's host cannot forward, and gives its invocation up", async () => {
    const lost = await Promise.all([
      raw(`${head("lost-1")}x-ms-invocation-id: 1\r\n\r\n`),
      raw(Buffer.from(`${head("lost-2")}x: ä\r\n\r\n`)),
      raw(`${head("lost-3")}x: ${"y".repeat(17_000)}\r\n\r\n`),
    ]);
    expect(lost.map((answer) => answer.slice(0, 12))).toEqual(["HTTP/1.1 400", "", ""]);
    expect(lost[0]).toContain('{"malformed":"/request/lost-1"}');
    expect(((await json("/seen")) as string[]).filter((line) => line.includes("lost"))).toEqual([]);
    // The same made-up id can come again, and twice at once.
    const again = `${head("lost-1")}x-ms-invocation-id: 1\r\n\r\n`;
    const both = await Promise.all([raw(again), raw(again)]);
    expect(both.map((answer) => answer.slice(0, 12))).toContain("HTTP/1.1 400");
    expect(await json("/whole")).toEqual({ a: "ä" });
  });

  it("answers what the library can make no request of", async () => {
    const answer = await raw(`${head("1", "1.2.3.999")}\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('{"malformed":"/request/1"}');
    const headers = encodeURIComponent('{"x":"世"}');
    expect((await fetch(`${base}/request/1?Headers=${headers}`)).status).toBe(400);
  });

  it("waits for a body that comes slowly", async () => {
    const slow = ask(`${base}/length`, { method: "POST", headers: { "content-length": "4" } });
    slow.write("ab");
    // Two that are given up, one after the other, take longer than a request may be nobody's.
    for (const n of [1, 2]) await raw(`${head("lost")}x-ms-invocation-id: ${n}\r\n\r\n`);
    slow.end("cd");
    const [response] = (await once(slow, "response")) as [IncomingMessage];
    expect(JSON.parse(Buffer.concat(await response.toArray()).toString())).toEqual({ length: 4 });
  });
});
