import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type RunningAzurite, startAzurite, storageConnection } from "../../../local/stack/azurite.ts";
import { silentLog } from "../host/functions.ts";

let dataDir: string;
let running: RunningAzurite | undefined;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "azurite-"));
});
afterEach(async () => {
  await running?.close();
  running = undefined;
  rmSync(dataDir, { recursive: true, maxRetries: 5 });
});

const start = async () => {
  running = await startAzurite({ port: 0, dataDir, log: silentLog });
  return running;
};

/** A request as the Functions host makes it, signed with the account's key, of an API version that is not out yet. */
function ask(connection: string, method: string, path: string, headers: Record<string, string> = {}) {
  const parts = new Map(
    connection.split(";").map((part) => part.split(/=(.*)/s).slice(0, 2) as [string, string]),
  );
  const url = new URL(`${parts.get("BlobEndpoint")}${path}`);
  const xms: Record<string, string> = {
    ...headers,
    "x-ms-date": new Date().toUTCString(),
    "x-ms-version": "2099-01-01",
  };
  const canonicalHeaders = Object.keys(xms)
    .sort()
    .map((name) => `${name}:${xms[name]}\n`)
    .join("");
  const query = [...url.searchParams].sort().map(([name, value]) => `\n${name}:${value}`);
  const resource = `/devstoreaccount1${url.pathname}${query.join("")}`;
  const toSign = `${method}\n\n\n\n\n\n\n\n\n\n\n\n${canonicalHeaders}${resource}`;
  const key = Buffer.from(parts.get("AccountKey") ?? "", "base64");
  const signature = createHmac("sha256", key).update(toSign).digest("base64");
  return fetch(url, {
    method,
    headers: { ...xms, authorization: `SharedKey devstoreaccount1:${signature}` },
  });
}

it("keeps a timer's lease as the Functions host asks for it", {
  tags: ["long"],
  timeout: 60_000,
}, async () => {
  const connection = storageConnection(await start());
  const lease = { "x-ms-lease-action": "acquire", "x-ms-lease-duration": "60" };
  const host = "/azure-webjobs-hosts";
  expect((await ask(connection, "PUT", `${host}?restype=container`)).status).toBe(201);
  expect((await ask(connection, "PUT", `${host}?comp=lease&restype=container`, lease)).status).toBe(201);
  const taken = await ask(connection, "PUT", `${host}?comp=lease&restype=container`, lease);
  expect(taken.status).toBe(409);
  expect(await taken.text()).toContain("LeaseAlreadyPresent");
});

it("names the port that is taken, and the setting", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  await expect(startAzurite({ port, dataDir, log: silentLog })).rejects.toThrow(
    new RegExp(`port ${port} .*AZURITE_PORT`),
  );
  other.close();
});

it("on its own ports it is what UseDevelopmentStorage=true means", () => {
  const ports = { blobPort: 10_000, queuePort: 10_001, tablePort: 10_002 };
  expect(storageConnection(ports)).toBe("UseDevelopmentStorage=true");
});
