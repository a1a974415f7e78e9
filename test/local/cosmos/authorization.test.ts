import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { CosmosClient } from "@azure/cosmos";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { EMULATOR_KEY } from "../../../local/cosmos/authorization.ts";
import { openWorld, statusOf, type World } from "./world.ts";

const ISSUER = "https://login.example/tenant/v2.0";
const AUDIENCE = "https://cosmos.example";
const { publicKey, privateKey } = await generateKeyPair("RS256");
const stranger = await generateKeyPair("RS256");

let world: World;
beforeAll(async () => {
  const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "k", alg: "RS256" }] });
  const issuer = createServer((_, response) => response.end(keys)).listen(0, "127.0.0.1");
  await once(issuer, "listening");
  const jwksUri = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/keys`;
  world = await openWorld({ entra: { issuer: ISSUER, audience: AUDIENCE, jwksUri } });
  return async () => {
    await world.close();
    issuer.close();
  };
});

const token = (
  change: { audience?: string; issuer?: string; expiresIn?: string; key?: typeof privateKey } = {},
) =>
  new SignJWT({})
    .setProtectedHeader({ alg: "RS256", kid: "k" })
    .setIssuer(change.issuer ?? ISSUER)
    .setAudience(change.audience ?? AUDIENCE)
    .setExpirationTime(change.expiresIn ?? "1h")
    .sign(change.key ?? privateKey);

/** The SDK sends Entra credentials over TLS only; a token provider sends the same header. */
function tokenClient(bearer: string): CosmosClient {
  const client = new CosmosClient({
    endpoint: `http://127.0.0.1:${world.cosmos.port}/`,
    tokenProvider: async () => `type=aad&ver=1.0&sig=${bearer}`,
  });
  onTestFinished(() => client.dispose());
  return client;
}

describe("an Entra token", () => {
  it("works with items, and reads what they are in", async () => {
    const { id } = await world.container(["/pk"]);
    const items = tokenClient(await token())
      .database("test")
      .container(id);
    expect(await statusOf(items.items.create({ id: "x", pk: "p" }))).toBe(201);
    expect((await items.items.query("SELECT VALUE c.id FROM c").fetchAll()).resources).toEqual(["x"]);
    expect(await statusOf(items.read())).toBe(200);
  });

  it("makes and removes no database or container", async () => {
    const client = tokenClient(await token());
    for (const call of [
      () => client.databases.create({ id: "no" }),
      () => client.database("test").containers.create({ id: "no", partitionKey: { paths: ["/pk"] } }),
      () => client.database("test").delete(),
    ])
      await expect(call()).rejects.toMatchObject({ code: 403, substatus: 5300 });
  });

  it.each([
    ["expired", { expiresIn: "-1m" }],
    ["of another audience", { audience: "https://other.example" }],
    ["of another issuer", { issuer: "https://other.example" }],
    ["signed by another key", { key: stranger.privateKey }],
  ])("%s is refused", async (_, change) => {
    expect(
      await statusOf(
        tokenClient(await token(change))
          .database("test")
          .read(),
      ),
    ).toBe(401);
  });
});

describe("a request", () => {
  it.each([
    "",
    "type%3Dmaster%26ver%3D1.0%26sig%3D",
    "type%3Dmaster%26ver%3D1.0%26sig%3DAAAA",
    "%E0%A4%A",
    "Bearer x",
    "type=aad&ver=1.0&sig=x.y.z",
  ])("with the authorization %j is refused", async (authorization) => {
    const headers = { authorization, "x-ms-date": new Date().toUTCString() };
    const answer = await fetch(`http://127.0.0.1:${world.cosmos.port}/dbs/test`, { headers });
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([401, "Unauthorized"]);
  });

  it("is signed for one path and one verb: elsewhere the signature is worth nothing", async () => {
    const date = new Date().toUTCString();
    const text = `get\ndbs\ndbs/test\n${date.toLowerCase()}\n\n`;
    const sig = createHmac("sha256", Buffer.from(EMULATOR_KEY, "base64")).update(text).digest("base64");
    const authorization = encodeURIComponent(`type=master&ver=1.0&sig=${sig}`);
    const status = async (verb: string, path: string) => {
      const headers = { authorization, "x-ms-date": date };
      return (await fetch(`http://127.0.0.1:${world.cosmos.port}${path}`, { method: verb, headers })).status;
    };
    expect(await status("GET", "/dbs/test")).toBe(200);
    expect(await status("DELETE", "/dbs/test")).toBe(401);
    expect(await status("GET", "/dbs/other")).toBe(401);
  });
});
