import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { completion } from "../shared/labs.ts";
import { chat, Stack } from "./stack.ts";

/** Two hosts, and a lab whose calls hang for a tenant: what becomes of everybody else's? Over HTTP. */
const HANGING = 300;
const BUSY_AT_ONCE = 16;
const MOST_OF_ONE = 14;
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-slots-"));
const files = {
  MODELS_FILE: path.join(folder, "models.json"),
  TENANTS_FILE: path.join(folder, "tenants.json"),
};
const stack = new Stack(files, ["--instances", "2"]);
let lab: Server;
/** Calls that hang, by the path they came on. */
const hanging = new Map<string, number>();
/** What else the labs answered, in its order: whose. */
const answered: string[] = [];
/** What they keep back while the test says so. */
const kept: (() => void)[] = [];
let keeps = false;

const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");

beforeAll(async () => {
  lab = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const name = request.url?.split("/")[1] ?? "";
    if (body.includes("hang")) {
      hanging.set(name, (hanging.get(name) ?? 0) + 1);
      response.once("close", () => hanging.set(name, (hanging.get(name) ?? 1) - 1));
      return;
    }
    const send = () => {
      answered.push(/tenant-(\w)/.exec(body)?.[1] ?? "");
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(completion("Hi")));
    };
    if (keeps) kept.push(send);
    else send();
  });
  await new Promise<void>((resolve) => lab.listen(0, "127.0.0.1", resolve));
  const { port } = lab.address() as AddressInfo;
  const deployment = (name: string, limits: object) => ({
    ...{ name, provider: "meta", model: name, limits, auth: { kind: "none" }, simulated: true },
    base_url: `http://127.0.0.1:${port}/${name}/v1`,
    endpoints: ["/v1/chat/completions"],
    price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
  });
  const deployments = [
    deployment("limitless", {}),
    deployment("three-hundred", { concurrency: 300 }),
    deployment("idle", {}),
    deployment("busy", { concurrency: BUSY_AT_ONCE }),
  ];
  writeFileSync(files.MODELS_FILE, JSON.stringify({ deployments }));
  const tenant = (id: string) => ({
    id,
    key_sha256: [sha256(`key-${id}`)],
    limits: { submits_per_second: 1_000 },
  });
  writeFileSync(files.TENANTS_FILE, JSON.stringify({ tenants: ["a", "b", "c"].map(tenant) }));
  await stack.start();
});
afterAll(async () => {
  await stack.remove();
  lab.closeAllConnections();
  lab.close();
  rmSync(folder, { recursive: true });
});

async function submit(tenant: string, text: string, model: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 20) {
    const together = Array.from({ length: Math.min(20, count - n) }, () =>
      stack.submit(chat(`${text} of tenant-${tenant}`, model), { key: `key-${tenant}` }),
    );
    for (const { json } of await Promise.all(together)) ids.push(json.id);
  }
  return ids;
}

const isDone = async (ids: readonly string[], tenant: string) => {
  const jobs = await Promise.all(ids.map((id) => stack.call(`/api/jobs/${id}`, { key: `key-${tenant}` })));
  return jobs.every(({ json }) => json.status === "completed");
};
const allDone = (ids: readonly string[], tenant: string) =>
  expect.poll(() => isDone(ids, tenant), { interval: 100 }).toBe(true);

describe.each(["limitless", "three-hundred"])(
  "300 calls of one tenant that hang on the deployment %s",
  { tags: ["long"] },
  (name) => {
    it("take no slot that another tenant's calls need, there or elsewhere", async () => {
      const ids = await submit("a", "hang", name, HANGING);
      await expect.poll(() => hanging.get(name)).toBeGreaterThan(200);
      // The calls hang until they are cancelled: whoever waited for their slots would not be done.
      for (const on of ["idle", name]) await allDone(await submit("b", "quick", on, 20), "b");
      expect(hanging.get(name)).toBeGreaterThan(200);
      const states = await Promise.all(ids.map((id) => stack.call(`/api/jobs/${id}`, { key: "key-a" })));
      const waiting = states.flatMap(({ json }) => (json.waiting === null ? [] : [json.waiting.reason]));
      // Those that came once others waited are in the same line. How many wait is up to who got them.
      for (const reason of waiting) expect(["concurrency", "quota"]).toContain(reason);
      for (let n = 0; n < ids.length; n += 20)
        await Promise.all(
          ids
            .slice(n, n + 20)
            .map((id) => stack.call(`/api/jobs/${id}/cancel`, { method: "POST", key: "key-a" })),
        );
      await expect.poll(() => hanging.get(name)).toBe(0);
    });
  },
);

it("a busy deployment's calls go to tenants in turns", { tags: ["long"] }, async () => {
  keeps = true;
  const many = await submit("a", "kept", "busy", 200);
  // Of which a tenant alone has seven eighths.
  await expect.poll(() => kept.length).toBe(MOST_OF_ONE);
  const few = await submit("c", "kept", "busy", 40);
  const inLine = async () => {
    const jobs = await Promise.all(few.map((id) => stack.call(`/api/jobs/${id}`, { key: "key-c" })));
    return jobs.filter(({ json }) => json.waiting !== null).length;
  };
  await expect.poll(async () => (await inLine()) + kept.length - MOST_OF_ONE).toBe(few.length);
  keeps = false;
  for (const send of kept.splice(0)) send();
  await allDone(few, "c");
  // Half of what runs, beside those that had begun before; the last of the few may be told of a little later.
  const last = answered.lastIndexOf("c");
  expect(answered.slice(0, last).filter((who) => who === "a").length).toBeLessThan(40 + 2 * BUSY_AT_ONCE);
  await allDone(many, "a");
});
