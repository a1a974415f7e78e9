import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Problem } from "../../../shared/errors.ts";
import { json } from "../../../shared/http/answer.ts";
import { openapiDocument } from "../../../shared/http/api/openapi.ts";
import { apiDoor } from "../../../shared/http/api/routes.ts";
import type { HttpRequest } from "../../../shared/http/request.ts";
import { route } from "../../../shared/http/route.ts";
import { type Entrance, serve } from "../../../shared/http/serve.ts";
import { createThrottle } from "../../../shared/http/throttle.ts";
import { unrouted } from "../../../shared/http/unrouted.ts";
import { StoreUnavailable } from "../../../shared/store.ts";
import { silent, TestClock, tenantsWith } from "../world.ts";

interface Deps extends Entrance {
  readonly nowSeconds: number;
  readonly fails: Error | undefined;
}

/** One route with all that a route can declare. */
const things = route({
  name: "put-thing",
  method: "PUT",
  path: "api/things/{kind}/{*name}",
  who: "tenant",
  summary: "Put a thing",
  params: {
    schema: z.object({ kind: z.enum(["red", "blue"], "There is no such kind."), name: z.string("None.") }),
    absent: "setting_not_found",
  },
  query: z.object({
    limit: z.string().regex(/^\d$/, "must be a digit").transform(Number).pipe(z.int()).default(3),
  }),
  headers: z.object({ "X-Colour": z.string().max(3, "is too long").optional() }),
  body: { schema: z.strictObject({ until: z.number(), size: z.int().optional() }), maxBytes: 100 },
  untimely: ({ nowSeconds }: Deps, { until }) =>
    until > nowSeconds ? [] : [{ path: "/until", message: "is in the past" }],
  answers: { 200: { description: "Put.", schema: z.looseObject({}) } },
  errors: ["job_ended"],
  handle: async ({ fails }: Deps, { path, query, headers, body, sent, untimely, pathname }, { tenant }) => {
    if (fails !== undefined) throw fails;
    const faults = untimely?.faults.map((fault) => fault.path);
    const colour = headers["X-Colour"] ?? null;
    return json(200, { path, query, colour, body, sent: sent.value, faults, pathname, tenant: tenant.id });
  },
});

const team = tenantsWith().get("team-a");
if (team === undefined) throw new Error("no tenant");
const throttle = createThrottle({
  ...{ maxHeld: 10, maxInFlight: 2, maxBodyBytes: 2 ** 20, submitsPerSecond: 0 },
  clock: new TestClock(),
});
const authenticator: Entrance["authenticator"] = {
  recognise: () => undefined,
  async authenticate(headers) {
    const key = headers.get("api-key");
    if (key === "ops")
      return {
        kind: "operator",
        operator: { id: "ops", key_sha256: [], entra_roles: [], entra_scopes: [] },
        actor: "ops",
      };
    if (key === null) throw new Problem("missing_credential", "None was sent.");
    return { kind: "tenant", tenant: team, actor: "team-a/key:0" };
  },
};

interface Sent {
  readonly url?: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
  readonly params?: Record<string, string>;
  readonly fails?: Error;
}

async function put({ url = "/api/things/red/a", body = '{"until": 20}', headers, params, fails }: Sent = {}) {
  const sent = new Request(`http://example.test${url}`, {
    ...{ method: "PUT", body },
    headers: { "content-type": "application/json", "api-key": "key", ...headers },
  });
  const request: HttpRequest = {
    ...{ method: "PUT", url: sent.url, headers: sent.headers, body: sent.body },
    params: { kind: "red", name: "a", ...params },
    arrayBuffer: () => sent.arrayBuffer(),
  };
  const deps: Deps = { throttle, authenticator, nowSeconds: 10, fails };
  const answer = await serve(apiDoor, things, deps, request, { log: silent, requestId: "r-1" });
  const told = JSON.parse(String(answer.body));
  expect(answer.headers["x-request-id"]).toBe("r-1");
  return {
    ...answer,
    told,
    paths: told.faults?.map((fault: { path: string } | string) =>
      typeof fault === "string" ? fault : fault.path,
    ),
  };
}

describe("a request to a declared route", () => {
  it("reaches its handler with what its schemas made of it", async () => {
    const { status, told } = await put({ url: "/api/things/red/a?limit=7", headers: { "x-colour": "red" } });
    expect(status).toBe(200);
    expect(told).toEqual({
      ...{ path: { kind: "red", name: "a" }, query: { limit: 7 }, colour: "red", body: { until: 20 } },
      ...{ sent: { until: 20 }, pathname: "/api/things/red/a", tenant: "team-a" },
    });
    expect((await put()).told).toMatchObject({ query: { limit: 3 }, colour: null });
  });

  it("is refused with every fault at once: of its query, its body, its headers, and the moment", async () => {
    const all = await put({
      url: "/api/things/red/a?b=1&limit=x&a=2&limit2=3",
      body: '{"until": "soon", "size": 0.5, "colour": 1}',
      headers: { "x-colour": "crimson" },
    });
    expect([all.status, all.told.code]).toEqual([400, "invalid_request"]);
    expect(all.paths).toEqual(["b", "limit", "a", "limit2", "/until", "/size", "/colour", "X-Colour"]);
    expect((await put({ url: "/?limit=1&limit=2" })).told.faults).toEqual([
      { path: "limit", message: "is there more than once" },
    ]);
    const late = await put({ body: '{"until": 1}', headers: { "x-colour": "crimson" } });
    expect(late.paths).toEqual(["X-Colour", "/until"]);
  });

  it("that is only too late is its handler's to judge", async () => {
    expect(await put({ body: '{"until": 1}' })).toMatchObject({ status: 200, paths: ["/until"] });
  });

  it("is refused by its path, its type and its size before anything else is looked at", async () => {
    const code = async (sent: Sent) => (await put(sent)).told.code;
    expect(await code({ params: { kind: "green" }, body: "{" })).toBe("setting_not_found");
    expect(await code({ headers: { "content-type": "text/plain" }, url: "/?b=1" })).toBe(
      "unsupported_media_type",
    );
    expect(await code({ body: `{"until": ${" ".repeat(100)}20}` })).toBe("request_too_large");
    expect(await code({ headers: { "content-length": "101" } })).toBe("request_too_large");
    expect(await code({ body: "{" })).toBe("invalid_json");
  });

  it("is refused without its own kind of credential", async () => {
    const sent = async (headers: Record<string, string>) => (await put({ headers })).told.code;
    expect(await sent({ "api-key": "ops" })).toBe("forbidden");
    const request = {
      method: "PUT",
      url: "http://example.test/",
      headers: new Headers(),
      params: {},
      body: null,
    };
    const deps: Deps = { throttle, authenticator, nowSeconds: 10, fails: undefined };
    const bare: HttpRequest = { ...request, arrayBuffer: async () => new ArrayBuffer() };
    const { status } = await serve(apiDoor, things, deps, bare, { log: silent, requestId: "r" });
    expect(status).toBe(401);
  });

  it("is answered in the door's form whatever its handler throws, and leaves the throttle as it was", async () => {
    const codes = [];
    for (const fails of [
      new Problem("job_ended", "It ended."),
      new StoreUnavailable("away"),
      new Error("bug"),
    ])
      codes.push((await put({ fails })).told.code);
    expect(codes).toEqual(["job_ended", "store_unavailable", "internal_error"]);
    const leave = [throttle.enter(team, silent), throttle.enter(team, silent)];
    expect(await put()).toMatchObject({ status: 429, told: { code: "too_many_requests" } });
    for (const each of leave) each();
    expect((await put()).status).toBe(200);
  });
});

it("the contract follows from the declaration", () => {
  const operation = openapiDocument([{ door: apiDoor, routes: [things] }]).paths["/api/things/{kind}/{name}"]
    ?.put as unknown as {
    operationId: string;
    parameters: { in: string; name: string; schema: object }[];
    responses: Record<string, { description: string }>;
  };
  expect(operation.operationId).toBe("putThing");
  expect(operation.parameters.map((each) => [each.in, each.name])).toEqual([
    ["path", "kind"],
    ["path", "name"],
    ["query", "limit"],
    ["header", "X-Colour"],
  ]);
  expect(operation.parameters[2]?.schema).toMatchObject({ type: "integer", default: 3 });
  const codes = Object.values(operation.responses).flatMap(({ description }) =>
    [...description.matchAll(/`(\w+)`/g)].map(([, code]) => code),
  );
  expect(codes).toEqual(
    expect.arrayContaining([
      "job_ended",
      "invalid_json",
      "forbidden",
      "too_many_requests",
      "store_unavailable",
    ]),
  );
  expect(new Set(codes).size).toBe(codes.length);
});

describe("a request that no route takes", () => {
  const answered = (method: string, path: string) => {
    const request = { method, url: `http://example.test${path}` };
    const { status, headers, body } = unrouted([things], () => apiDoor, request, "r-2");
    expect(headers["x-request-id"]).toBe("r-2");
    return [status, JSON.parse(String(body)).code, headers.allow];
  };

  it("is answered 405 with what is allowed where its path is another method's, else 404", () => {
    expect(answered("GET", "/api/things/red/a")).toEqual([405, "method_not_allowed", "PUT"]);
    expect(answered("GET", "/API/Things/red/a/b?x=1")).toEqual([405, "method_not_allowed", "PUT"]);
    for (const path of ["/", "/api", "/api/things", "/api/things/red", "/api/things//a", "/things/red/a"])
      expect([path, ...answered("PUT", path)]).toEqual([path, 404, "route_not_found", undefined]);
  });
});
