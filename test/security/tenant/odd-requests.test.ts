import { once } from "node:events";
import { connect } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chat, Stack } from "../../end-to-end/stack.ts";
import { type Route, registeredRoutes } from "../registered-routes.ts";

/** Requests no client of ours sends, as bytes on a socket: whatever they are, the service never fails at them. */
const stack = new Stack();
let routes: Route[];
let job: string;
beforeAll(async () => {
  await stack.start();
  routes = await registeredRoutes();
  job = (await stack.submit(chat("Hi"))).json.id;
  await stack.ended(job);
});
afterAll(() => stack.remove());

const RUNS = process.env.LONG === "1" ? 5_000 : 150;
const PATIENCE_MS = 60_000;

/** What comes back to these bytes until the service has answered or closed; at most `PATIENCE_MS`. */
async function raw(bytes: string | Buffer): Promise<{ status: number; head: string; body: string }> {
  const { hostname, port } = new URL(stack.url);
  const socket = connect(Number(port), hostname);
  const timer = setTimeout(() => socket.destroy(new Error("no answer")), PATIENCE_MS);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => undefined); // what came before a reset still counts
  socket.write(bytes);
  await once(socket, "close");
  clearTimeout(timer);
  const text = Buffer.concat(chunks).toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
  return { status, head: text.slice(0, end), body: text.slice(end + 4) };
}

interface Sent {
  readonly method?: string;
  readonly target: string;
  readonly headers?: readonly string[];
  readonly body?: string;
  readonly key?: string;
}
function send({ method = "GET", target, headers = [], body, key = "local-team-a" }: Sent) {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Connection: close",
    `Authorization: Bearer ${key}`,
    ...(body === undefined
      ? []
      : ["Content-Type: application/json", `Content-Length: ${Buffer.byteLength(body, "latin1")}`]),
    ...headers,
  ];
  return raw(Buffer.from(`${lines.join("\r\n")}\r\n\r\n${body ?? ""}`, "latin1"));
}
const codeOf = (body: string) => /"code":"(\w+)"/.exec(body)?.[1];

const printable = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((n) => String.fromCharCode(n)),
});
const latin = fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map((n) => String.fromCharCode(n)) });
const nasty = fc.constantFrom(
  ...["%00", "%", "%zz", "%2e%2e%2f", "..", "//", "%ff%fe", "%f0%9f%98%80", "'", '"', "<x>", "{id}", "\\"],
  ...["-1", "0", "1e9", "NaN", "null", "true", "undefined", "__proto__", "constructor", "toString", "[]"],
  ...["a".repeat(3_000), "%41".repeat(1_000), "job_", "dl_", ";DROP", "$where", "*", "wait=1"],
);
const part = fc.oneof(nasty, printable, printable.map(encodeURIComponent));

describe("whatever is asked", () => {
  it("paths and queries are answered with less than 500", async () => {
    const query = fc.array(
      fc.tuple(
        fc.oneof(fc.constantFrom("status", "model", "limit", "after", "redriven", "job_id"), part),
        part,
      ),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(), part, query, fc.boolean(), async (pick, id, parameters, operator) => {
        const route = routes[pick % routes.length];
        if (route === undefined) throw new Error("no routes");
        const at = route.route.replaceAll(/\{[^}]*\}/g, () => id.replaceAll(" ", "+"));
        const text = parameters.map(([name, value]) => `${name}=${value}`).join("&");
        const { status, body } = await send({
          method: route.method,
          target: `/${at}${text === "" ? "" : `?${text}`}`,
          key: operator ? "local-operator" : "local-team-a",
          ...(route.method === "GET" ? {} : { body: "{}" }),
        });
        expect([route.method, at, text, status, body.slice(0, 300)]).toSatisfy(
          () => status >= 200 && status < 500,
        );
      }),
      { numRuns: RUNS },
    );
  });

  it("headers are answered with less than 500, and never come back as headers", async () => {
    const name = fc.constantFrom(
      ...["Prefer", "If-None-Match", "Idempotency-Key", "Accept", "Accept-Encoding", "Range", "traceparent"],
      ...["tracestate", "Content-Encoding", "X-Request-Id", "Forwarded", "X-HTTP-Method-Override", "Cookie"],
      ...[
        "X-Forwarded-Host",
        "Origin",
        "api-key",
        "TE",
        "Upgrade",
        "If-Match",
        "Content-Type",
        "Max-Forwards",
      ],
    );
    const value = fc.oneof(
      latin,
      nasty,
      fc.constantFrom("wait=99999999999999999999", 'wait="', 'W/"', ",,,", "*"),
    );
    const target = fc.constantFrom("/api/jobs", `/api/jobs/${job}`, "/api/models", `/api/jobs/${job}/audit`);
    await fc.assert(
      fc.asyncProperty(target, fc.array(fc.tuple(name, value), { maxLength: 5 }), async (at, headers) => {
        // A header that is not ASCII never arrives where requests stream: see "heads that the cloud's host" below.
        const sent = headers.map(([each, text]) => `${each}: ${asciiOf(text.trim())}`);
        const { status, head } = await send({ target: at, headers: sent });
        expect([at, sent, status]).toSatisfy(() => status >= 200 && status < 500);
        expect(head.split("\r\n").filter((line) => /^set-cookie|^location/i.test(line))).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  });

  it("bodies are answered with less than 500", async () => {
    const value = fc.oneof(
      fc.json(),
      latin,
      part,
      fc.constantFrom('{"body":', "\ufeff{}", "[".repeat(70), "-", "1e400"),
    );
    const envelope = fc.tuple(
      fc.constantFrom("body", "endpoint", "priority", "deadline", "not_before", "metadata", "x"),
      value,
    );
    const text = fc.oneof(
      value,
      fc.array(envelope, { maxLength: 4 }).map((all) => `{${all.map(([k, v]) => `"${k}":${v}`).join(",")}}`),
      value.map((v) => `{"body":{"model":"gpt-sim","messages":[],"x":${v}}}`),
    );
    await fc.assert(
      fc.asyncProperty(text, async (body) => {
        const { status } = await send({
          method: "POST",
          target: "/api/jobs",
          body: Buffer.from(body).toString("latin1"),
        });
        expect([body, status]).toSatisfy(() => status >= 200 && status < 500);
      }),
      { numRuns: RUNS },
    );
  });
});

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is meant
const asciiOf = (text: string) => text.replaceAll(/[^\x00-\x7f]/g, "?");

describe("the odd ones by name", () => {
  it("a very long URL, very long and very many headers", async () => {
    expect((await send({ target: `/api/jobs?model=${"m".repeat(100_000)}` })).status).toBe(414);
    expect((await send({ target: "/api/jobs", headers: [`X-Long: ${"x".repeat(100_000)}`] })).status).toBe(
      431,
    );
    const many = Array.from({ length: 1_500 }, (_, n) => `X-${n}: 1`);
    expect((await send({ target: "/api/jobs", headers: many })).status).toSatisfy(
      (status: number) => status === 431 || status === 200,
    );
    expect((await send({ target: `/api/jobs?model=${"m".repeat(2_000)}` })).status).toBe(400);
  });

  it("what is no HTTP, and HTTP that two servers could read differently", async () => {
    for (const bytes of [
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
      "GET /api/health HTTP/1.1\r\n\r\n",
      "POST /api/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST /api/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
      "POST /api/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
      "POST /api/jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\nzz\r\n",
      "GET /api/health HTTP/1.1\r\nHost: a\r\nX: a\nInjected: b\r\nConnection: close\r\n\r\n",
      "GET /api/health HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
      "GET /api/jobs HTTP/1.1\r\nHost: 999.999.999.999\r\nConnection: close\r\n\r\n",
      "GET /api/jobs HTTP/1.1\r\nHost: x:99999\r\nConnection: close\r\n\r\n",
      "GET /api/health HTTP/1.1\r\nHost : a\r\nConnection: close\r\n\r\n",
      "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ]) {
      const { status } = await raw(Buffer.from(bytes, "latin1"));
      expect([bytes, status]).toSatisfy(() => status === 0 || (status >= 400 && status < 500));
    }
  });

  it("methods there are not, and HEAD and OPTIONS", async () => {
    for (const method of ["HEAD", "OPTIONS", "PUT", "PATCH"]) {
      const { status, head, body } = await send({ method, target: "/api/jobs" });
      expect([method, status]).toEqual([method, 405]);
      expect(head.toLowerCase()).toContain("allow: ");
      if (method === "HEAD") expect(body).toBe("");
      else expect(codeOf(body)).toBe("method_not_allowed");
    }
    // The host's own answers: no function can be registered for these.
    for (const method of ["TRACE", "PROPFIND"])
      expect((await send({ method, target: "/api/jobs" })).status).toBe(404);
    expect((await send({ method: "FOO", target: "/api/jobs" })).status).toBe(400);
    // One method is not another in disguise.
    const disguised = await send({
      method: "POST",
      target: `/api/jobs/${job}`,
      headers: ["X-HTTP-Method-Override: DELETE"],
      body: "{}",
    });
    expect(disguised.status).toBe(405);
  });

  it("targets that leave the service or the route", async () => {
    for (const target of [
      "/api/../admin/host/status",
      "/admin/host/keys",
      "/admin/functions/submit-job",
      "/runtime/webhooks/x",
      "/api/jobs/../../etc/passwd",
      "/api//jobs",
      "/API/jobs%2f..%2f",
      "http://evil.example/api/models/x",
      "*",
      "/api/ops",
      "/api/ops/",
      "/api/ops/../ops/nothing",
    ]) {
      const { status } = await send({ target });
      expect([target, status]).toSatisfy(() => status >= 400 && status < 500);
    }
  });

  it("dots in a path are taken out before it is matched, as the cloud's host does", async () => {
    expect((await send({ target: "/api/jobs/%2e%2e/models" })).status).toBe(200);
  });

  it("lines cannot be smuggled into an answer's headers", async () => {
    const { status, head } = await send({
      target: `/api/jobs/${job}%0d%0aSet-Cookie:%20a=b`,
      headers: ["X-Request-Id: mine"],
    });
    expect(status).toBe(404);
    expect(head).not.toMatch(/set-cookie/i);
    expect(head).not.toContain("mine");
    const location = await send({
      method: "POST",
      target: "/api/jobs",
      headers: ["X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https"],
      body: JSON.stringify({ body: chat("Hi") }),
    });
    expect(/^location: (.*)$/im.exec(location.head)?.[1]).toMatch(/^\/api\/jobs\/job_[0-9a-f]{32}\r?$/);
    expect(location.head + location.body).not.toContain("evil.example");
  });
});

it("heads that the cloud's host cannot forward, or that claim its own header, hold nothing up", {
  tags: ["long"],
}, async () => {
  const lost = await Promise.all([
    send({ target: "/api/jobs", headers: ["x-ms-invocation-id: 1"] }),
    send({ target: "/api/jobs", headers: ["X: \xe4"] }),
    // The library takes a request's headers from there.
    send({ target: `/api/jobs?Headers=${encodeURIComponent('{"x":"世"}')}` }),
  ]);
  expect(lost.map(({ status, body }) => [status, codeOf(body)])).toEqual([
    [400, "invalid_request"],
    [0, undefined],
    [400, "invalid_request"],
  ]);
  // Those that never came are given up: no invocation is left that an instance would wait for when it ends.
  await expect.poll(() => stack.output.split("has not come").length - 1).toBe(2);
});

it("after all that nothing has failed", async () => {
  expect(stack.output).not.toContain("internal_error");
  expect((await stack.call("/api/health", { key: null })).status).toBe(200);
});
