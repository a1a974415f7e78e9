import { createHash } from "node:crypto";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chat, Stack } from "./stack.ts";
import { upload } from "./upload.ts";

const stack = new Stack();
beforeAll(() => stack.start());
afterAll(() => stack.remove());

const now = () => Math.floor(Date.now() / 1000);
const good = chat("Hello");

/** Refused with this status and code, at these paths; and nothing was stored for it. */
async function refused(
  call: Parameters<Stack["call"]>[1],
  status: number,
  code: string,
  paths: string[] = [],
): Promise<void> {
  const before = await listed();
  const answer = await stack.call("/api/jobs", { method: "POST", ...call });
  expect({ status: answer.status, code: answer.json?.code }).toEqual({ status, code });
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(answer.json).toMatchObject({ status, title: expect.any(String), detail: expect.any(String) });
  expect((answer.json.faults ?? []).map((fault: { path: string }) => fault.path)).toEqual(paths);
  expect(await listed()).toEqual(before);
}

async function listed(): Promise<string[]> {
  const answer = await stack.call("/api/jobs?limit=100");
  return answer.json.data.map((job: { id: string }) => job.id);
}

describe("bad input, over HTTP: each gets a precise answer, and nothing is stored", () => {
  it("not JSON", async () => {
    await refused({ text: '{"body": ' }, 400, "invalid_json");
    await refused({ text: "", method: "POST" }, 400, "invalid_json");
    await refused({ text: '{"body": {"model": "gpt-sim"},}' }, 400, "invalid_json");
    await refused({ text: Buffer.from([0x7b, 0xff, 0x7d]) }, 400, "invalid_json");
    await refused({ text: "[]" }, 400, "invalid_request", [""]);
    await refused({ text: "null" }, 400, "invalid_request", [""]);
  });

  it("another content type", async () => {
    await refused(
      { body: { body: good }, headers: { "content-type": "text/plain" } },
      415,
      "unsupported_media_type",
    );
    await refused(
      { body: { body: good }, headers: { "content-type": "application/json; charset=latin1" } },
      415,
      "unsupported_media_type",
    );
  });

  it("a body over the limit that says so: the host reads it first, as Azure's does, and the app refuses it", async () => {
    const long = 9_000_000;
    const answer = await upload(stack.url, { "content-length": String(long) }, (send) =>
      send("x".repeat(long)),
    );
    expect([answer.status, answer.code]).toEqual([413, "request_too_large"]);
  });

  it("a body over the limit that does not say so", async () => {
    const large = { body: { ...good, pad: "x".repeat(8_400_000) } };
    await refused({ body: large }, 413, "request_too_large");
  });

  it("a body over the limit in chunks, without a length: answered while it is still being sent", async () => {
    const answer = await upload(stack.url, { "transfer-encoding": "chunked" }, async (send, answered) => {
      const piece = `${'"x",'.repeat(16_384)}`;
      for (let sent = 0; sent < 100_000_000 && !answered(); sent += piece.length) await send(piece);
    });
    expect([answer.status, answer.code]).toEqual([413, "request_too_large"]);
    expect(answer.sent).toBeLessThan(50_000_000);
  });

  it("a body that waits for 100 Continue is told to go on", async () => {
    const small = JSON.stringify({ body: good });
    const taken = await upload(
      stack.url,
      { expect: "100-continue", "content-length": String(small.length) },
      (send) => send(small),
    );
    expect(taken.status).toBe(202);
  });

  it("a body cut off in the middle stores nothing, and one in small chunks is taken", async () => {
    const before = await listed();
    const text = JSON.stringify({ body: good });
    const { hostname, port } = new URL(stack.url);
    const cut = request({
      ...{ hostname, port, path: "/api/jobs", method: "POST" },
      headers: { authorization: "Bearer local-team-a", "content-type": "application/json" },
    });
    const gone = new Promise((resolve) => cut.once("error", resolve));
    await new Promise<void>((resolve) => cut.write(text.slice(0, -1), () => resolve()));
    cut.destroy(new Error("cut"));
    await gone;
    const chunked = await upload(stack.url, { "transfer-encoding": "chunked" }, async (send) => {
      for (const piece of text.match(/.{1,7}/gs) ?? []) await send(piece);
    });
    expect(chunked.status).toBe(202);
    expect(await listed()).toHaveLength(before.length + 1);
  });

  it("a byte order mark, what follows the value, comments, single quotes, and other encodings", async () => {
    const text = JSON.stringify({ body: good });
    await refused({ text: `\ufeff${text}` }, 400, "invalid_json");
    await refused({ text: `${text}}` }, 400, "invalid_json");
    await refused({ text: `${text}{}` }, 400, "invalid_json");
    await refused({ text: `/* x */${text}` }, 400, "invalid_json");
    await refused({ text: text.replaceAll('"', "'") }, 400, "invalid_json");
    await refused({ text: text.replace("Hello", "a\u0007b") }, 400, "invalid_json");
    await refused({ text: text.replace('"Hello"', "NaN") }, 400, "invalid_json");
    await refused({ text: new Uint8Array(Buffer.from(text, "utf16le")) }, 400, "invalid_json");
    // Overlong, cut short, and a surrogate in UTF-8.
    for (const bytes of [
      [0xc0, 0xaf],
      [0xe2, 0x82],
      [0xed, 0xa0, 0x80],
      [0xf5, 0x80, 0x80, 0x80],
    ]) {
      const bad = Buffer.concat([Buffer.from('{"body":"'), Buffer.from(bytes), Buffer.from('"}')]);
      await refused({ text: new Uint8Array(bad) }, 400, "invalid_json");
    }
    expect((await stack.call("/api/jobs", { text: ` \r\n\t${text}\n ` })).status).toBe(202);
  });

  it("content types: JSON in UTF-8, whatever its letters' case; nothing else", async () => {
    const text = JSON.stringify({ body: good });
    const typed = (type: string) => ({ text, headers: { "content-type": type } });
    for (const type of ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']) {
      expect([type, (await stack.call("/api/jobs", typed(type))).status]).toEqual([type, 202]);
    }
    for (const type of [
      "application/jsonx",
      "text/json",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/json; charset=utf-16",
      "application/xml, application/json",
    ]) {
      await refused(typed(type), 415, "unsupported_media_type");
    }
  });

  it("what readers differ on deep inside the body stays as it came: it is the deployment's to judge", async () => {
    const body =
      '{"model":"gpt-sim","messages":[{"role":"user","content":"Hi"}],"metadata":{"a":1,"a":2,"n":12345678901234567890,"e":1.0e+02,"z":-0}}';
    const submitted = await stack.call("/api/jobs", { text: `{"body": ${body} }` });
    expect(submitted.status).toBe(202);
    await stack.ended(submitted.json.id);
    const { json } = await stack.call(`/api/jobs/${submitted.json.id}/audit`);
    const sent = json.data.find((record: { event: string }) => record.event === "attempt_started");
    // The catalogue's deployment has the same name, so not a byte is changed.
    expect(sent.request_sha256).toBe(createHash("sha256").update(body).digest("hex"));
  });

  it("fields of the wrong kind, and numbers that are none of ours", async () => {
    const wrong = async (fields: string, paths: string[]) =>
      refused({ text: `{"body": ${JSON.stringify(good)}, ${fields}}` }, 400, "invalid_request", paths);
    await wrong('"deadline": 1e30', ["/deadline"]);
    await wrong('"deadline": 1.5', ["/deadline"]);
    await wrong('"deadline": "tomorrow"', ["/deadline"]);
    await wrong('"not_before": -1', ["/not_before"]);
    await wrong('"not_before": 99999999999999999999', ["/not_before"]);
    await wrong('"priority": "urgent"', ["/priority"]);
    await wrong('"metadata": []', ["/metadata"]);
    await wrong('"metadata": {"a": 1}', ["/metadata/a"]);
    await wrong('"endpoint": "/v1/../admin"', ["/endpoint"]);
    for (const body of ["[]", '"text"', "null", "1", "{}", '{"model": 1}', '{"model": ""}']) {
      const answer = await stack.call("/api/jobs", { text: `{"body": ${body}}` });
      expect([body, answer.status, answer.json.code]).toEqual([body, 400, "invalid_request"]);
      expect(answer.json.faults.length).toBeGreaterThan(0);
    }
  });

  it("unknown fields of the envelope, each by name", async () => {
    await refused({ body: { body: good, colour: "red", Priority: "low" } }, 400, "invalid_request", [
      "/colour",
      "/Priority",
    ]);
  });

  it("repeated fields of the envelope", async () => {
    await refused(
      { text: `{"body": ${JSON.stringify(good)}, "priority": "low", "priority": "high"}` },
      400,
      "invalid_request",
      ["/priority"],
    );
    await refused(
      { text: '{"body": {"model": "gpt-sim", "messages": [], "model": "grok-sim"}}' },
      400,
      "invalid_request",
      ["/body/model"],
    );
  });

  it("wrong types, with the path of each fault", async () => {
    await refused(
      {
        body: {
          body: { model: 7 },
          endpoint: "/v1/images",
          priority: 1,
          not_before: "now",
          deadline: null,
          metadata: { a: 1 },
        },
      },
      400,
      "invalid_request",
      ["/endpoint", "/body/model", "/priority", "/not_before", "/deadline", "/metadata/a"],
    );
    await refused({ body: { body: [] } }, 400, "invalid_request", ["/body"]);
    await refused({ body: {} }, 400, "invalid_request", ["/body"]);
    await refused({ body: { body: { messages: [] } } }, 400, "invalid_request", ["/body/model"]);
  });

  it("an unknown model, one the tenant may not use, an endpoint or a capability the model does not serve", async () => {
    await refused({ body: { body: chat("Hi", "gpt-9") } }, 404, "model_not_found");
    await refused({ body: { body: good, endpoint: "/v1/embeddings" } }, 400, "endpoint_not_supported");
  });

  it("streams", async () => {
    await refused({ body: { body: { ...good, stream: true } } }, 400, "stream_not_supported");
    // Some servers take these for true.
    for (const stream of ["true", "false", 1, 0, "", [], {}])
      await refused({ body: { body: { ...good, stream } } }, 400, "stream_not_supported");
    for (const background of [true, "true", 1, 0, {}])
      await refused({ body: { body: { ...good, background } } }, 400, "invalid_request", [
        "/body/background",
      ]);
    for (const mode of [false, null])
      expect((await stack.submit({ ...good, stream: mode, background: mode })).status).toBe(202);
  });

  it("a max_cost that is no amount, or that each deployment may pass", async () => {
    for (const max_cost of ["-1", "1e3", "", -0.1, null, true, {}])
      await refused({ body: { body: good, max_cost } }, 400, "invalid_request", ["/max_cost"]);
    for (const max_cost of ["0.001", 0.001, "0"])
      await refused({ body: { body: good, max_cost } }, 402, "max_cost_too_low");
    const { status, json } = await stack.submit(
      { ...good, max_tokens: 20 },
      { envelope: { max_cost: "0.0010" } },
    );
    expect([status, json.max_cost]).toEqual([202, "0.001"]);
    expect((await stack.ended(json.id)).json).toMatchObject({ status: "completed", max_cost: "0.001" });
    const audit = await stack.call(`/api/jobs/${json.id}/audit`);
    expect(audit.json.data[0].reason).toBe("max_cost 0.001");
  });

  it("a time for a call that is none, or longer than any call", async () => {
    for (const timeout_seconds of [0, -1, 1801, "5", null])
      await refused({ body: { body: good, timeout_seconds } }, 400, "invalid_request", ["/timeout_seconds"]);
  });

  it("times that cannot be", async () => {
    await refused({ body: { body: good, deadline: now() - 10 } }, 400, "invalid_request", ["/deadline"]);
    await refused(
      { body: { body: good, not_before: now() + 100, deadline: now() + 50 } },
      400,
      "invalid_request",
      ["/not_before"],
    );
    await refused({ body: { body: good, deadline: now() + 1e9 } }, 400, "invalid_request", ["/deadline"]);
    await refused({ body: { body: good, deadline: Date.now() + 60_000 } }, 400, "invalid_request", [
      "/deadline",
    ]);
  });

  it("metadata over its bounds", async () => {
    const pairs = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, "v"]));
    await refused({ body: { body: good, metadata: pairs(17) } }, 400, "invalid_request", ["/metadata"]);
    await refused({ body: { body: good, metadata: { ["k".repeat(65)]: "v" } } }, 400, "invalid_request", [
      `/metadata/${"k".repeat(65)}`,
    ]);
    await refused({ body: { body: good, metadata: { k: "v".repeat(513) } } }, 400, "invalid_request", [
      "/metadata/k",
    ]);
    const most = { ...pairs(15), ["k".repeat(64)]: "v".repeat(512) };
    expect((await stack.submit(good, { envelope: { metadata: most } })).json.metadata).toEqual(most);
  });

  it("an idempotency key that is too long, empty, or used with another envelope", async () => {
    const keyed = (key: string) => ({ body: { body: good }, headers: { "idempotency-key": key } });
    await refused(keyed("k".repeat(256)), 400, "invalid_request", ["Idempotency-Key"]);
    await refused(keyed(""), 400, "invalid_request", ["Idempotency-Key"]);
    const first = await stack.call("/api/jobs", keyed("k".repeat(255)));
    expect(first.status).toBe(202);
    await refused(
      { body: { body: chat("Other") }, headers: { "idempotency-key": "k".repeat(255) } },
      422,
      "idempotency_key_reused",
    );
  });

  it("deep nesting, in the body and in the envelope", async () => {
    const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
    await refused(
      { text: `{"body": {"model": "gpt-sim", "messages": ${nested(100)}}}` },
      400,
      "nesting_too_deep",
    );
    await refused({ text: nested(100_000) }, 400, "nesting_too_deep");
    expect(
      (await stack.call("/api/jobs", { text: `{"body": {"model": "gpt-sim", "messages": ${nested(62)}}}` }))
        .status,
    ).toBe(202);
  });

  it("__proto__, unpaired surrogates, NUL and numbers beyond range", async () => {
    const body = (extra: string) => ({ text: `{"body": {"model": "gpt-sim", "messages": [], ${extra}}}` });
    await refused({ text: `{"__proto__": {}, "body": ${JSON.stringify(good)}}` }, 400, "invalid_request", [
      "/__proto__",
    ]);
    await refused(body('"a": {"__proto__": 1}'), 400, "invalid_request", ["/body/a/__proto__"]);
    await refused(body('"a": "\\ud800"'), 400, "invalid_request", ["/body/a"]);
    await refused(body('"a\\udc00": 1'), 400, "invalid_request", ["/body/a\ufffd"]);
    await refused(body('"a": "x\\u0000y"'), 400, "invalid_request", ["/body/a"]);
    await refused(body('"a": 1e999'), 400, "invalid_request", ["/body/a"]);
    await refused(
      { text: `{"metadata": {"a": "\\ud83d"}, "body": ${JSON.stringify(good)}}` },
      400,
      "invalid_request",
      ["/metadata/a"],
    );
  });

  it("malformed ids, cursors and limits", async () => {
    for (const id of ["x", "job_", `job_${"g".repeat(32)}`, "..%2f..", "%00", `job_${"0".repeat(33)}`]) {
      const answer = await stack.call(`/api/jobs/${id}`);
      expect([id, answer.status]).toEqual([id, 404]);
    }
    const query = async (text: string) => {
      const answer = await stack.call(`/api/jobs?${text}`);
      return [answer.status, ...(answer.json.faults ?? []).map((fault: { path: string }) => fault.path)];
    };
    expect(await query("limit=0")).toEqual([400, "limit"]);
    expect(await query("limit=1e2&status=done&after=x&colour=red")).toEqual([
      400,
      "limit",
      "status",
      "after",
      "colour",
    ]);
    expect(await query("limit=5&limit=6")).toEqual([400, "limit"]);
    expect(await query(`after=job_${"0".repeat(32)}`)).toEqual([400, "after"]);
  });

  it("a foreign tenant's job is as absent as one that never was", async () => {
    const { json } = await stack.submit(good);
    const absent = `job_${"0".repeat(32)}`;
    for (const [method, suffix] of [
      ["GET", ""],
      ["GET", "/audit"],
      ["POST", "/cancel"],
      ["DELETE", ""],
    ] as const) {
      const foreign = await stack.call(`/api/jobs/${json.id}${suffix}`, { method, key: "local-team-b" });
      const missing = await stack.call(`/api/jobs/${absent}${suffix}`, { method, key: "local-team-b" });
      expect(foreign.status).toBe(404);
      const same = (answer: typeof foreign) => ({
        ...answer.json,
        request_id: "",
        detail: answer.json.detail.replace(/job_\w+/, "job"),
      });
      expect(same(foreign)).toEqual(same(missing));
    }
  });

  it("no credential, a wrong one, two, and an operator's", async () => {
    const job = `/api/jobs/job_${"0".repeat(32)}`;
    const routes = [
      ["GET", "/api/jobs"],
      ["POST", "/api/jobs"],
      ["GET", job],
      ["DELETE", job],
      ["POST", `${job}/cancel`],
      ["GET", `${job}/audit`],
      ["GET", "/api/models"],
    ] as const;
    for (const [method, route] of routes) {
      const status = async (call: object) => (await stack.call(route, { method, ...call })).status;
      expect([route, await status({ key: null })]).toEqual([route, 401]);
      expect([route, await status({ key: "local-team-c" })]).toEqual([route, 401]);
      expect([route, await status({ headers: { "api-key": "local-team-b" } })]).toEqual([route, 401]);
      expect([route, await status({ key: "local-operator" })]).toEqual([route, 403]);
      const pretended = {
        key: null,
        headers: { "x-ms-client-principal": "e30=", "x-ms-client-principal-id": "team-a" },
      };
      expect([route, await status(pretended)]).toEqual([route, 401]);
    }
    expect((await stack.call("/api/health", { key: null })).status).toBe(200);
    expect((await stack.call("/api/openapi.json", { key: null })).status).toBe(200);
    expect(
      (await stack.call("/api/models", { key: null, headers: { "api-key": "local-team-a" } })).status,
    ).toBe(200);
  });

  it("routes and methods there are not, in the form of every other refusal", async () => {
    const answer = async (method: string, route: string) => {
      const { status, headers, json } = await stack.call(route, { method, key: null });
      expect(headers.get("content-type")).toBe("application/problem+json");
      expect(headers.get("x-request-id")).toBe(json.request_id);
      return [status, json.code, headers.get("allow")];
    };
    for (const route of ["/api", "/api/nothing", "/api/jobs/x/y/z", "/jobs", "/v2/models"])
      expect([route, ...(await answer("GET", route))]).toEqual([route, 404, "route_not_found", null]);
    expect(await answer("DELETE", "/")).toEqual([404, "route_not_found", null]);
    const root = await fetch(`${stack.url}/`, { redirect: "manual" });
    expect([root.status, root.headers.get("location")]).toEqual([302, "/console"]);
    expect(await answer("PUT", "/api/jobs")).toEqual([405, "method_not_allowed", "GET, POST"]);
    expect(await answer("PATCH", "/api/ops/limits/a")).toEqual([405, "method_not_allowed", "DELETE, PUT"]);
    expect(await answer("DELETE", "/api/health")).toEqual([405, "method_not_allowed", "GET"]);
  });
});
