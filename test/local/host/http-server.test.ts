import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type HttpFrontEnd, startHttpServer } from "../../../local/host/http-server.ts";
import { Invoker } from "../../../local/host/invocation.ts";
import { loadApp } from "../../../local/host/load-app.ts";
import { RouteTable } from "../../../local/host/routes.ts";
import { silentLog } from "./functions.ts";

const MAX_BODY_BYTES = 100_000;
let http: HttpFrontEnd;
let base: string;
const logged: string[] = [];

// The fixture app runs on the real @azure/functions, loaded as the cloud's worker loads it.
beforeAll(async () => {
  const log = {
    ...silentLog,
    write: (_: string, category: string, text: string) => logged.push(`${category} ${text}`),
  };
  const root = fileURLToPath(new URL("../../fixtures/host-app", import.meta.url));
  const registry = await loadApp(root, log);
  http = await startHttpServer({
    port: 0,
    host: "127.0.0.1",
    routes: new RouteTable(registry.functions.values(), "api"),
    invoker: new Invoker(registry, log, 60_000),
    maxBodyBytes: MAX_BODY_BYTES,
    log,
  });
  base = `http://127.0.0.1:${http.port}/api`;
});
afterAll(() => http.close());

/** Sends bytes as they are and returns all that comes back until the connection ends. */
function raw(...parts: (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(http.port, "127.0.0.1", () => {
      for (const part of parts) socket.write(part);
    });
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    // The server closes while the client still writes: what has come by then is the answer.
    socket.on("error", (error: NodeJS.ErrnoException) =>
      error.code === "ECONNRESET" || error.code === "EPIPE" ? undefined : reject(error),
    );
    socket.on("close", () => resolve(answer));
  });
}

it("hands a request to the function and its answer back", async () => {
  const response = await fetch(`${base}/echo/a%20b?x=1&x=2`, {
    method: "POST",
    body: "häh?",
    headers: { "x-sent": "seen" },
  });
  expect(response.status).toBe(201);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(response.headers.get("x-seen")).toBe("seen");
  expect(response.headers.get("set-cookie")).toBe("c=1%202; Max-Age=60; Path=/; SameSite=Lax");
  expect(await response.json()).toMatchObject({ method: "POST", id: "a b", query: { x: "2" }, body: "häh?" });
  expect(logged).toContain("Function.echo.User echoed a b");
});

it("keeps bytes as they are, and answers nothing with 204", async () => {
  const bytes = new Uint8Array(256).map((_, i) => i);
  const response = await fetch(`${base}/bytes`, { method: "PUT", body: bytes });
  expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes);
  expect((await fetch(`${base}/nothing`, { method: "POST" })).status).toBe(204);
});

it("serves HEAD where the function takes it, without a body", async () => {
  const response = await fetch(`${base}/echo/1`, { method: "HEAD" });
  expect(response.status).toBe(201);
  expect(await response.text()).toBe("");
  expect((await fetch(`${base}/health`, { method: "HEAD" })).status).toBe(405);
});

it.each([
  ["GET", "/echo", 404, "route_not_found"],
  ["GET", "/../echo/1", 404, "route_not_found"],
  ["PUT", "/echo/1", 405, "method_not_allowed"],
  ["GET", "/boom", 500, "internal_error"],
])("answers %s %s with a problem", async (method, path, status, code) => {
  const response = await fetch(`${base}${path}`, { method });
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(await response.json()).toMatchObject({ status, code, type: `urn:switchyard:problem:${code}` });
});

it("names the methods a route takes, and logs what a function threw", async () => {
  expect((await fetch(`${base}/echo/1`, { method: "PUT" })).headers.get("allow")).toBe("GET, HEAD, POST");
  await fetch(`${base}/boom`);
  expect(logged.some((line) => line.includes("broken on purpose"))).toBe(true);
});

it("takes a body up to the limit, announced or not", async () => {
  const body = "x".repeat(MAX_BODY_BYTES);
  const announced = await fetch(`${base}/echo/1`, { method: "POST", body });
  expect(((await announced.json()) as { body: string }).body).toHaveLength(MAX_BODY_BYTES);
  const stream = new Response(body).body;
  const streamed = await fetch(`${base}/echo/1`, {
    method: "POST",
    body: stream,
    duplex: "half",
  } as RequestInit);
  expect(streamed.status).toBe(201);
});

it("refuses a longer body by its announced length, before it has come", async () => {
  const answer = await raw(
    `POST /api/echo/1 HTTP/1.1\r\nhost: a\r\ncontent-length: ${MAX_BODY_BYTES + 1}\r\n\r\n`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toContain("connection: close");
  expect(answer).toContain('"code":"request_too_large"');
});

it("refuses a stream as soon as it passes the limit, though it never ends", async () => {
  const chunk = `${(60_000).toString(16)}\r\n${"x".repeat(60_000)}\r\n`;
  const answer = await raw(
    "POST /api/echo/1 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    chunk,
    chunk,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
});

it("tells a client that asks first not to send a body that is too large", async () => {
  const head = "POST /api/echo/1 HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nconnection: close\r\n";
  expect(await raw(`${head}content-length: ${MAX_BODY_BYTES + 1}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 413 /);
  expect(await raw(`${head}content-length: 2\r\n\r\n`, "hi")).toMatch(
    /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /,
  );
});

it.each([
  ["HELLO\r\n\r\n", 400],
  ["GET /api/health HTTP/1.1\r\n\r\n", 400],
  ["POST /api/echo/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 1x\r\n\r\n", 400],
  ["GET /api/health HTTP/1.1\r\nhost: a b/c?\r\nconnection: close\r\n\r\n", 400],
  [`GET /api/health HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(20_000)}\r\n\r\n`, 431],
])("answers malformed HTTP, case %#", async (text, status) => {
  expect(await raw(text)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
});

it("outlives a client that goes away in the middle of its body", async () => {
  await new Promise<void>((resolve) => {
    const socket = connect(http.port, "127.0.0.1", () => {
      socket.write("POST /api/echo/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf", () =>
        socket.destroy(),
      );
    });
    socket.on("close", () => resolve());
  });
  expect((await fetch(`${base}/health`)).status).toBe(200);
});
