import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiDocument } from "../../../shared/http/api/routes.ts";
import { sha256Hex } from "../../../shared/sha256.ts";
import { type Answer, chat, Stack } from "../../end-to-end/stack.ts";
import { AUDIENCE, LocalIssuer } from "../local-issuer.ts";
import { type Route, registeredRoutes } from "../registered-routes.ts";

/** Every route x every credential, over HTTP, against a real issuer; the routes are those the app registers. */
const OWNER_APP = "11111111-1111-4111-8111-111111111111";
const OTHER_APP = "22222222-2222-4222-8222-222222222222";
const OPERATOR_APP = "33333333-3333-4333-8333-333333333333";
const UNKNOWN_APP = "44444444-4444-4444-8444-444444444444";

const folder = mkdtempSync(path.join(tmpdir(), "switchyard-security-"));
const issuer = new LocalIssuer();
let stack: Stack;
let routes: Route[];
/** A job of the owner's. */
let job: string;

beforeAll(async () => {
  await issuer.start();
  const tenantsFile = path.join(folder, "tenants.json");
  const keys = (...names: string[]) => ({ key_sha256: names.map(sha256Hex) });
  writeFileSync(
    tenantsFile,
    JSON.stringify({
      tenants: [
        { id: "owner", ...keys("owner-1", "owner-2"), entra_app_ids: [OWNER_APP] },
        { id: "other", ...keys("other-1"), entra_app_ids: [OTHER_APP] },
      ],
      operators: [{ id: "ops", ...keys("operator-1"), entra_roles: ["Switchyard.Operator"] }],
    }),
  );
  stack = new Stack({ TENANTS_FILE: tenantsFile, AUTH_ISSUER: issuer.url, AUTH_AUDIENCE: AUDIENCE });
  await stack.start();
  routes = await registeredRoutes();
  const submitted = await stack.submit(chat("The owner's prompt"), { key: "owner-1" });
  job = submitted.json.id;
  expect((await stack.ended(job, { key: "owner-1" })).json.status).toBe("completed");
});
afterAll(async () => {
  await stack.remove();
  await issuer.stop();
  rmSync(folder, { recursive: true });
});

const ABSENT_JOB = `job_${"0".repeat(32)}`;
type Headers = Record<string, string>;
const bearer = (credential: string): Headers => ({ authorization: `Bearer ${credential}` });

function ask({ method, route }: Route, headers: Headers, id = ABSENT_JOB): Promise<Answer> {
  const at = `/${route.replaceAll(/\{[^}]*\}/g, id)}`;
  return stack.call(at, {
    method,
    key: null,
    headers,
    ...(["POST", "PUT", "PATCH"].includes(method) ? { text: "{}" } : {}),
  });
}

/** Each route's answer to these headers, by its name. */
async function answers(headers: Headers, id?: string): Promise<Map<Route, Answer>> {
  // One after the other: only so many callers that are not known yet are let in at once.
  const all = new Map<Route, Answer>();
  for (const route of routes) all.set(route, await ask(route, headers, id));
  return all;
}

/** A parameter that takes the rest of a path (`{*name}`) is any other to the contract. */
const named = ({ method, route }: Route) => `${method} ${route.replaceAll("{*", "{")}`;
/** Past the credential: what the handler itself answers to an empty request. */
const let_in = (status: number) => ![401, 403, 429].includes(status) && status < 500;

/** Each door says it in its own form. */
const codeOf = (json: Answer["json"]): string => json.error?.code ?? json.code;

describe("the routes", () => {
  it("are all in the contract, and the contract has no others", () => {
    const operations = Object.entries(apiDocument().paths).flatMap(([at, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        route: `${method.toUpperCase()} ${at.slice(1)}`,
        isOpen: "security" in operation,
      })),
    );
    expect(routes.map(named).sort()).toEqual(operations.map(({ route }) => route).sort());
    const open = routes.filter(({ who }) => who === "anyone").map(named);
    expect(open.sort()).toEqual(
      operations
        .filter(({ isOpen }) => isOpen)
        .map(({ route }) => route)
        .sort(),
    );
  });
});

describe("a credential that is none", () => {
  const inAnHour = () => Math.floor(Date.now() / 1000) + 3600;
  const anHourAgo = () => Math.floor(Date.now() / 1000) - 3600;
  const owner = (forged: Parameters<LocalIssuer["token"]>[1]) => issuer.token(OWNER_APP, forged);
  const cases: [string, () => Headers | Promise<Headers>][] = [
    ["nothing at all", () => ({})],
    ["a bad key", () => bearer("owner-3")],
    ["a bad key as api-key", () => ({ "api-key": "owner-3" })],
    ["a key's hash", () => bearer(sha256Hex("owner-1"))],
    ["an empty credential", () => ({ authorization: "Bearer " })],
    ["another scheme", () => ({ authorization: `Basic ${btoa("owner:owner-1")}` })],
    ["two different keys", () => ({ ...bearer("owner-1"), "api-key": "other-1" })],
    ["an expired token", async () => bearer(await owner({ claims: { exp: anHourAgo() } }))],
    ["a token without expiry", async () => bearer(await owner({ claims: { exp: undefined } }))],
    ["a token not yet valid", async () => bearer(await owner({ claims: { nbf: inAnHour() } }))],
    ["a token of another audience", async () => bearer(await owner({ claims: { aud: "api://other" } }))],
    [
      "a token of several audiences, none this one",
      async () => bearer(await owner({ claims: { aud: ["api://a", "api://b"] } })),
    ],
    [
      "a token of another issuer",
      async () => bearer(await owner({ claims: { iss: "https://login.example/v2.0" } })),
    ],
    [
      "a token whose issuer only begins like ours",
      async () => bearer(await owner({ claims: { iss: `${issuer.url}.evil.example` } })),
    ],
    ["a token with `alg: none`", () => bearer(issuer.unsigned(OWNER_APP))],
    [
      "a token signed with the public key as a secret",
      async () => bearer(await issuer.signedWithPublicKey(OWNER_APP)),
    ],
    ["a token with a swapped key id", async () => bearer(await owner({ signedWith: "second" }))],
    [
      "a token with an unknown key id",
      async () => bearer(await owner({ kid: "rogue", signedWith: "rogue" })),
    ],
    ["a token signed with another's key", async () => bearer(await owner({ signedWith: "rogue" }))],
    ["a token changed after it was signed", async () => bearer(await issuer.tampered(OTHER_APP, OWNER_APP))],
    ["a token of an unknown application", async () => bearer(await issuer.token(UNKNOWN_APP))],
    [
      "an operator's role that is no list",
      async () => bearer(await issuer.token(UNKNOWN_APP, { claims: { roles: "Switchyard.Operator" } })),
    ],
    [
      "headers that pretend to be App Service's",
      async () => ({
        "x-ms-client-principal": btoa(JSON.stringify({ userId: "owner", roles: ["Switchyard.Operator"] })),
        "x-ms-client-principal-id": "owner",
        "x-ms-client-principal-name": "owner",
        "x-ms-client-principal-idp": "aad",
        "x-ms-token-aad-access-token": await issuer.token(OWNER_APP),
        "x-ms-token-aad-id-token": await issuer.token(OWNER_APP),
        "x-functions-key": "owner-1",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-host": "localhost",
        "x-original-url": "/api/health",
        "x-rewrite-url": "/api/health",
        cookie: "AppServiceAuthSession=owner-1",
      }),
    ],
  ];

  const isRefused = async (_what: string, headers: (typeof cases)[number][1]) => {
    for (const [route, answer] of await answers(await headers(), job)) {
      const { status, json } = answer;
      if (route.who === "anyone") expect([named(route), status]).toEqual([named(route), 200]);
      else {
        expect([named(route), status]).toEqual([named(route), 401]);
        expect(["missing_credential", "invalid_credential", "invalid_api_key"]).toContain(codeOf(json));
        expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      }
    }
  };
  const name = "%s: 401 on every route but the open ones";
  // One of a kind; which tokens are none is also in test/shared/http/authenticate.test.ts.
  const few = ["nothing at all", "a bad key as api-key", "a token signed with another's key"];
  it.each(cases.filter(([what]) => few.includes(what)))(name, isRefused);
  it.each(cases.filter(([what]) => !few.includes(what)))(name, { tags: ["long"] }, isRefused);
});

describe("a credential that is one", () => {
  const cases: [string, "tenant" | "operator", () => Headers | Promise<Headers>][] = [
    ["a tenant's key", "tenant", () => bearer("owner-1")],
    ["a tenant's other key, as api-key", "tenant", () => ({ "api-key": "owner-2" })],
    ["a tenant's token", "tenant", async () => bearer(await issuer.token(OWNER_APP))],
    [
      "a tenant's token of version 1",
      "tenant",
      async () => bearer(await issuer.token(OWNER_APP, { claims: { azp: undefined, appid: OWNER_APP } })),
    ],
    ["another tenant's key", "tenant", () => bearer("other-1")],
    ["an operator's key", "operator", () => bearer("operator-1")],
    [
      "an operator's token",
      "operator",
      async () =>
        bearer(await issuer.token(OPERATOR_APP, { claims: { roles: ["Other", "Switchyard.Operator"] } })),
    ],
  ];

  it.each(cases)("%s opens its own kind of routes alone", async (_what, kind, headers) => {
    for (const [route, { status, json }] of await answers(await headers())) {
      const mine = route.who === "anyone" || (route.who === "operators") === (kind === "operator");
      if (mine) expect([named(route), status, let_in(status)]).toEqual([named(route), status, true]);
      else expect([named(route), status, codeOf(json)]).toEqual([named(route), 403, "forbidden"]);
    }
  });

  it("is not changed by headers that pretend to be somebody else", async () => {
    const pretended = {
      ...bearer("other-1"),
      "x-ms-client-principal-id": "owner",
      "x-ms-client-principal": btoa(JSON.stringify({ userId: "owner" })),
      "x-forwarded-user": "owner",
    };
    const listed = await stack.call("/api/jobs", { key: null, headers: pretended });
    expect(listed.json.data).toEqual([]);
  });
});

describe("another tenant's job", () => {
  const withoutIds = ({ status, text, headers }: Answer) => ({
    status,
    text: text.replaceAll(/job_[0-9a-f]{32}/g, "job").replaceAll(/"request_id":"[^"]*"/g, ""),
    headers: [...headers.keys()].sort(),
  });

  it("is answered on every route as one that never was", async () => {
    const about = routes.filter(
      ({ route, who }) => who === "tenants" && route.includes("{") && !route.includes("{model}"),
    );
    expect(about.length).toBeGreaterThan(3);
    for (const credential of ["other-1", await issuer.token(OTHER_APP)]) {
      for (const route of about) {
        const foreign = await ask(route, bearer(credential), job);
        const absent = await ask(route, bearer(credential));
        expect([named(route), foreign.status]).toEqual([named(route), 404]);
        expect(withoutIds(foreign)).toEqual(withoutIds(absent));
      }
    }
    // Nothing of that has touched it.
    const mine = await stack.call(`/api/jobs/${job}`, { key: "owner-1" });
    expect(mine.json).toMatchObject({ id: job, status: "completed", response: { status_code: 200 } });
  });

  it("is in no list, and its id is no cursor", async () => {
    const other = { key: "other-1" };
    expect((await stack.call("/api/jobs?limit=100", other)).json.data).toEqual([]);
    const cursor = async (id: string) => {
      const { status, json } = await stack.call(`/api/jobs?after=${id}`, other);
      return { status, json: { ...json, request_id: "" } };
    };
    expect(await cursor(job)).toEqual(await cursor(ABSENT_JOB));
  });

  it("does not answer to the same idempotency key", async () => {
    const keyed = { headers: { "idempotency-key": "shared" } };
    const mine = await stack.submit(chat("Mine"), { ...keyed, key: "owner-1" });
    const theirs = await stack.submit(chat("Theirs"), { ...keyed, key: "other-1" });
    expect([mine.status, theirs.status]).toEqual([202, 202]);
    expect(theirs.json.id).not.toBe(mine.json.id);
  });
});
