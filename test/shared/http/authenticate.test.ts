import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../../../shared/errors.ts";
import { type Authenticator, createAuthenticator } from "../../../shared/http/authenticate.ts";
import { MAX_WAITING_FOR_ISSUER } from "../../../shared/limits.ts";
import { sha256Hex } from "../../../shared/sha256.ts";
import { StoreUnavailable } from "../../../shared/store.ts";
import { parseTenants } from "../../../shared/tenant/tenants.ts";

const APP = "11111111-1111-4111-8111-111111111111";
const OTHER_APP = "22222222-2222-4222-8222-222222222222";
const AUDIENCE = "api://switchyard";
const NOW_MS = 1_800_000_000_000;
const nowSeconds = NOW_MS / 1000;
const clock = { now: () => NOW_MS };

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
type PrivateKey = Keys["privateKey"];
let good: Keys;
let rogue: Keys;
let server: Server;
let issuer: string;
/** What the issuer publishes; a test may change it. */
let published: JWK[];
let answering = true;
/** The issuer answers no request before. */
let stalled = Promise.resolve();
let authenticator: Authenticator;

const parsed = parseTenants(
  {
    tenants: [
      { id: "team-a", key_sha256: [sha256Hex("key-a"), sha256Hex("key-a-2")], entra_app_ids: [APP] },
      { id: "team-b" },
    ],
    operators: [{ id: "ops", key_sha256: [sha256Hex("key-ops")], entra_roles: ["Switchyard.Operator"] }],
  },
  { local: false },
);
if ("faults" in parsed) throw new Error(parsed.faults.join());
const { tenants } = parsed;

beforeAll(async () => {
  good = await generateKeyPair("RS256", { extractable: true });
  rogue = await generateKeyPair("RS256", { extractable: true });
  server = createServer(async (request, response) => {
    await stalled;
    if (!answering) return void request.socket.destroy();
    const body = request.url?.endsWith("openid-configuration")
      ? { issuer, jwks_uri: `${issuer}/keys` }
      : { keys: published };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tenant/v2.0`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
beforeEach(async () => {
  answering = true;
  published = [{ ...(await exportJWK(good.publicKey)), kid: "good", alg: "RS256", use: "sig" }];
  authenticator = createAuthenticator({
    ...{ tenants: () => tenants, fresh: async () => undefined },
    entra: { issuer, audience: AUDIENCE },
    clock,
  });
});

/** Undefined leaves a claim out. */
type Claims = Record<string, unknown>;

interface Forged {
  readonly claims?: Claims;
  readonly key?: PrivateKey | Uint8Array;
  readonly kid?: string;
  readonly alg?: string;
}

function token({
  claims = {},
  key = good.privateKey,
  kid = "good",
  alg = "RS256",
}: Forged = {}): Promise<string> {
  const payload = {
    iss: issuer,
    aud: AUDIENCE,
    azp: APP,
    iat: nowSeconds,
    nbf: nowSeconds,
    exp: nowSeconds + 3600,
    ...claims,
  };
  return new SignJWT(payload).setProtectedHeader({ alg, kid }).sign(key);
}

const headers = (values: Record<string, string>) => new Headers(values);
const bearer = (credential: string) =>
  authenticator.authenticate(headers({ authorization: `Bearer ${credential}` }));

async function refusal(credential: string): Promise<string> {
  try {
    await bearer(credential);
  } catch (thrown) {
    if (!(thrown instanceof Problem)) throw thrown;
    expect(thrown.message).not.toContain(credential.slice(0, 12));
    return thrown.code;
  }
  return "let in";
}

describe("keys", () => {
  it("are taken as a bearer credential or as api-key, and name the caller without telling the key", async () => {
    const caller = await bearer("key-a");
    expect(caller).toMatchObject({
      kind: "tenant",
      tenant: { id: "team-a" },
      actor: `team-a/key:${sha256Hex("key-a").slice(0, 8)}`,
    });
    expect(await authenticator.authenticate(headers({ "api-key": "key-a-2" }))).toMatchObject({
      kind: "tenant",
    });
    expect(await bearer("key-ops")).toMatchObject({ kind: "operator", operator: { id: "ops" } });
    const both = headers({ "api-key": "key-a", authorization: "Bearer key-a" });
    expect(await authenticator.authenticate(both)).toMatchObject({ kind: "tenant" });
  });

  it.each([
    [{}, "missing_credential"],
    [{ authorization: "" }, "invalid_credential"],
    [{ authorization: "Bearer" }, "invalid_credential"],
    [{ authorization: "Basic key-a" }, "invalid_credential"],
    [{ authorization: "Bearer key-a key-a" }, "invalid_credential"],
    [{ authorization: "Bearer key-b" }, "invalid_credential"],
    [{ "api-key": "" }, "invalid_credential"],
    [{ "api-key": "key-a", authorization: "Bearer key-a-2" }, "invalid_credential"],
    [{ "api-key": "k".repeat(20_000) }, "invalid_credential"],
    [
      { "x-ms-client-principal": "eyJ1c2VySWQiOiJ0ZWFtLWEifQ==", "x-ms-client-principal-id": "team-a" },
      "missing_credential",
    ],
  ])("are refused otherwise: %o", async (sent, code) => {
    await expect(authenticator.authenticate(headers(sent as Record<string, string>))).rejects.toMatchObject({
      code,
    });
  });
});

it("lets operators in while the store is away, and tenants not where nobody knows what operators have set", async () => {
  const away = new StoreUnavailable("read overrides: 503");
  const unaware = createAuthenticator({
    ...{ tenants: () => tenants, fresh: async () => undefined, entra: undefined, clock },
    freshForTenants: () => Promise.reject(away),
  });
  const as = (key: string) => unaware.authenticate(headers({ "api-key": key }));
  expect(await as("key-ops")).toMatchObject({ kind: "operator" });
  await expect(as("key-a")).rejects.toBe(away);
});

describe("Entra tokens", () => {
  it("of both versions name a tenant by its application, an operator by its role", async () => {
    expect(await bearer(await token())).toMatchObject({
      kind: "tenant",
      tenant: { id: "team-a" },
      actor: `team-a/app:${APP}`,
    });
    const v1 = { azp: undefined, appid: APP.toUpperCase() };
    expect(await bearer(await token({ claims: v1 }))).toMatchObject({
      kind: "tenant",
      tenant: { id: "team-a" },
    });
    const operator = { azp: OTHER_APP, roles: ["Switchyard.Operator"] };
    expect(await bearer(await token({ claims: operator }))).toMatchObject({
      kind: "operator",
      operator: { id: "ops" },
    });
  });

  it("of users are let in by the scopes that the tenants file names", async () => {
    const parsed = parseTenants(
      {
        tenants: [{ id: "team-a", entra_app_ids: [APP], entra_scopes: ["Jobs.Submit"] }],
        operators: [{ id: "ops", entra_roles: ["Switchyard.Operator"], entra_scopes: ["Ops.All"] }],
      },
      { local: true },
    );
    if ("faults" in parsed) throw new Error(parsed.faults.join());
    const { authenticate } = createAuthenticator({
      ...{ tenants: () => parsed.tenants, fresh: async () => undefined, clock },
      entra: { issuer, audience: AUDIENCE },
    });
    const as = async (claims: Claims) =>
      authenticate(headers({ authorization: `Bearer ${await token({ claims })}` })).then(
        ({ kind }) => kind,
        (thrown: Problem) => thrown.code,
      );
    const roles = ["Switchyard.Operator"];
    expect(await as({ scp: "openid Jobs.Submit", idtyp: "user" })).toBe("tenant");
    expect(await as({ scp: "Jobs.Submit.More" })).toBe("invalid_credential");
    expect(await as({ scp: "Ops.All", roles })).toBe("operator");
    // A role alone does not make a user's token an operator's; its scope lets it be the tenant's.
    expect(await as({ scp: "Jobs.Submit", roles })).toBe("tenant");
    expect(await as({ idtyp: "app" })).toBe("tenant");
    expect(await as({ azp: OTHER_APP, idtyp: "app", roles })).toBe("operator");
  });

  it.each<[string, Claims]>([
    ["expired", { exp: nowSeconds - 120 }],
    ["without expiry", { exp: undefined }],
    ["not yet valid", { nbf: nowSeconds + 600 }],
    ["of another audience", { aud: "api://other" }],
    ["of another issuer", { iss: "https://login.example/other" }],
    ["of an unknown application", { azp: OTHER_APP }],
    ["of no application", { azp: undefined }],
    ["a user's", { scp: "user_impersonation" }],
    ["a user's without scopes", { idtyp: "user" }],
    ["a user's with an operator's role", { scp: "x", roles: ["Switchyard.Operator"] }],
  ])("are refused when %s", async (_what, claims) => {
    expect(await refusal(await token({ claims }))).toBe("invalid_credential");
  });

  it("bear a minute's difference of clocks", async () => {
    expect(await refusal(await token({ claims: { exp: nowSeconds - 30 } }))).toBe("let in");
  });

  it("are refused when forged", async () => {
    const publicKey = new TextEncoder().encode(await exportSPKI(good.publicKey));
    expect(await refusal(await token({ key: publicKey, alg: "HS256" }))).toBe("invalid_credential");
    expect(await refusal(await token({ key: rogue.privateKey }))).toBe("invalid_credential");
    expect(await refusal(await token({ kid: "unknown" }))).toBe("invalid_credential");
    const unsigned = new UnsecuredJWT({ azp: APP })
      .setIssuer(issuer)
      .setAudience(AUDIENCE)
      .setExpirationTime(nowSeconds + 60)
      .encode();
    expect(await refusal(unsigned)).toBe("invalid_credential");
    const [header = "", payload = "", signature = ""] = (await token()).split(".");
    const changed = Buffer.from(payload, "base64url").toString().replace(APP, OTHER_APP);
    expect(await refusal([header, Buffer.from(changed).toString("base64url"), signature].join("."))).toBe(
      "invalid_credential",
    );
    expect(await refusal("eyJh.eyJh.AAAA")).toBe("invalid_credential");
  });

  it("are refused when signed with another published key than the one they name", async () => {
    published.push({ ...(await exportJWK(rogue.publicKey)), kid: "second", alg: "RS256", use: "sig" });
    expect(await refusal(await token({ key: rogue.privateKey, kid: "good" }))).toBe("invalid_credential");
    expect(await refusal(await token({ key: rogue.privateKey, kid: "second" }))).toBe("let in");
  });

  it("cannot be judged while the issuer is away, and can once it is back", async () => {
    answering = false;
    expect(await refusal(await token())).toBe("issuer_unavailable");
    answering = true;
    expect(await refusal(await token())).toBe("let in");
  });

  it("wait for the issuer in a bounded number, and keep out neither those it is known of nor keys", async () => {
    await bearer(await token());
    const waits = Promise.withResolvers<void>();
    stalled = waits.promise;
    const forged = await token({ key: rogue.privateKey, kid: "unknown" });
    const asked = Array.from({ length: MAX_WAITING_FOR_ISSUER + 5 }, () => refusal(forged));
    const first = await Promise.all(asked.slice(MAX_WAITING_FOR_ISSUER));
    expect(first).toEqual(Array(5).fill("issuer_unavailable"));
    expect(await refusal(await token())).toBe("let in");
    expect(authenticator.recognise(headers({ "api-key": "key-a" }))).toMatchObject({ kind: "tenant" });
    expect(authenticator.recognise(headers({ authorization: `Bearer ${forged}` }))).toBeUndefined();
    waits.resolve();
    expect(await Promise.all(asked.slice(0, MAX_WAITING_FOR_ISSUER))).toEqual(
      Array(MAX_WAITING_FOR_ISSUER).fill("invalid_credential"),
    );
  });

  it("follow the issuer's keys: a new one is taken at once, a withdrawn one no longer", async () => {
    const impatient = createAuthenticator({
      ...{ tenants: () => tenants, fresh: async () => undefined },
      entra: { issuer, audience: AUDIENCE },
      clock,
      keysPatience: { coolDownMs: 0, maxAgeMs: 0 },
    });
    const asks = async (credential: string) =>
      impatient.authenticate(headers({ authorization: `Bearer ${credential}` })).then(
        () => "let in",
        (thrown: Problem) => thrown.code,
      );
    const old = await token();
    expect(await asks(old)).toBe("let in");
    published = [{ ...(await exportJWK(rogue.publicKey)), kid: "next", alg: "RS256", use: "sig" }];
    expect(await asks(await token({ key: rogue.privateKey, kid: "next" }))).toBe("let in");
    expect(await asks(old)).toBe("invalid_credential");
  });

  it("are nothing but unknown keys where no issuer is set", async () => {
    const keysOnly = createAuthenticator({
      ...{ tenants: () => tenants, fresh: async () => undefined, entra: undefined, clock },
    });
    const sent = headers({ authorization: `Bearer ${await token()}` });
    await expect(keysOnly.authenticate(sent)).rejects.toMatchObject({ code: "invalid_credential" });
  });
});
