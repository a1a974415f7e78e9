import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { holdBody } from "../../../local/host/request-body.ts";

/** Where bodies are while they come, in a folder of the test's own. */
const before = process.env.TMPDIR;
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-bodies-"));
const server = createServer();
beforeAll(async () => {
  process.env.TMPDIR = folder;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => {
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  server.close();
  rmSync(folder, { recursive: true });
});

async function sent(body: Buffer, announced = body.length) {
  const { port } = server.address() as AddressInfo;
  const headers = { "content-length": announced };
  const client = request({ host: "127.0.0.1", port, method: "POST", headers }).on("error", () => undefined);
  client.write(body);
  const [message, response] = (await once(server, "request")) as [IncomingMessage, ServerResponse];
  const held = holdBody(message);
  return { client, response, held };
}
const MB = 1024 * 1024;

it("a long body lies in a file until its request is answered", async () => {
  const bytes = randomBytes(3 * MB);
  bytes[0] = 0x2d;
  const { client, response, held } = await sent(bytes);
  client.end();
  const body = await held;
  expect(body?.bytes).toBeUndefined();
  expect(readdirSync(folder)).toHaveLength(1);
  const hash = createHash("sha256");
  for await (const chunk of body?.chunks() ?? []) hash.update(chunk);
  expect(hash.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
  await body?.remove();
  expect(readdirSync(folder)).toEqual([]);
  response.end();
});

it.each([
  ["JSON", Buffer.from(`{"a":"${"x".repeat(3 * MB)}"}`)],
  ["short", Buffer.from("---- a form")],
])("a body that is %s lies in memory", async (_, bytes) => {
  const { client, response, held } = await sent(bytes);
  client.end();
  const body = await held;
  expect(body?.bytes?.equals(bytes)).toBe(true);
  expect(readdirSync(folder)).toEqual([]);
  response.end();
});

it("of a client that leaves in the middle nothing is left", async () => {
  const { client, held } = await sent(Buffer.alloc(2 * MB, "x"), 3 * MB);
  await expect.poll(() => readdirSync(folder).length).toBe(1);
  client.destroy();
  expect(await held).toBeUndefined();
  expect(readdirSync(folder)).toEqual([]);
});
