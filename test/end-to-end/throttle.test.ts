import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EMULATOR_KEY } from "../../local/cosmos/authorization.ts";
import { cosmosResources } from "../../local/cosmos/resources.ts";
import { type RunningCosmos, startCosmos } from "../../local/cosmos/server.ts";
import { resources } from "../shared/world.ts";
import { chat, Stack } from "./stack.ts";

/** What is too much is turned away, and tenants change while the service runs: over HTTP. */
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-throttle-"));
const tenantsFile = path.join(folder, "tenants.json");
const MAX_IN_FLIGHT = 8;
let cosmos: RunningCosmos;
let stack: Stack;

const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");
interface Entry {
  readonly id: string;
  readonly keys: string[];
  readonly limits?: object;
}
/** However long the test takes, it gets no more than its burst from an instance. */
const limited = { id: "limited", keys: ["limited-1"], limits: { submits_per_second: 0.001, burst: 3 } };
const refilled = { id: "refilled", keys: ["refilled-1"], limits: { submits_per_second: 1, burst: 1 } };
const busy = { id: "busy", keys: ["busy-1", "busy-2"] };
const other = { id: "other", keys: ["other-1"] };
const write = (...tenants: Entry[]) =>
  writeFileSync(
    tenantsFile,
    JSON.stringify({
      tenants: tenants.map(({ keys, ...rest }) => ({ ...rest, key_sha256: keys.map(sha256) })),
      operators: [{ id: "ops", key_sha256: [sha256("operator")] }],
    }),
  );

beforeAll(async () => {
  cosmos = await startCosmos({
    port: 0,
    databaseFile: path.join(folder, "cosmos.db"),
    resources: cosmosResources(resources),
  });
  write(limited, refilled, busy, other);
  stack = new Stack(
    {
      DRAIN_SECONDS: "1",
      TENANTS_FILE: tenantsFile,
      MAX_REQUESTS_IN_FLIGHT: String(MAX_IN_FLIGHT),
      COSMOS: `AccountEndpoint=http://127.0.0.1:${cosmos.port}/;AccountKey=${EMULATOR_KEY};`,
    },
    ["--instances", "2"],
  );
  await stack.start();
});
afterAll(async () => {
  await stack.remove();
  await cosmos.close();
  rmSync(folder, { recursive: true });
});

const status = async (key: string, route = "/api/models") => (await stack.call(route, { key })).status;
const listed = async (key: string) => (await stack.call("/api/jobs?limit=100", { key })).json.data.length;
/** The same question to both instances, in whatever order they are asked. */
const both = (key: string) => Promise.all(Array.from({ length: 6 }, () => status(key)));

describe("the tenants file", () => {
  it("changed while the service runs, takes effect on all instances, without a restart", {
    tags: ["long"],
  }, async () => {
    expect(await both("busy-2")).toEqual(Array(6).fill(200));
    write(limited, refilled, { ...busy, keys: ["busy-1", "busy-3"] });
    await expect.poll(() => both("busy-2")).toEqual(Array(6).fill(401));
    await expect.poll(() => both("other-1")).toEqual(Array(6).fill(401));
    await expect.poll(() => both("busy-3")).toEqual(Array(6).fill(200));
    expect(await both("busy-1")).toEqual(Array(6).fill(200));

    writeFileSync(tenantsFile, '{"tenants": [{"id": "busy", "key_sha256": ["busy-4"]}]}');
    await expect.poll(() => stack.output).toContain("tenants_refused");
    expect(await status("busy-1")).toBe(200);
    expect(stack.output).not.toContain("busy-4");
    write(limited, refilled, busy, other);
    await expect.poll(() => both("other-1")).toEqual(Array(6).fill(200));
  });
});

describe("the throttle", () => {
  it("turns a tenant's submits over its limit away, stores nothing of them, and lets it in again", async () => {
    const answers = [];
    for (let n = 0; n < 20; n++) answers.push(await stack.submit(chat(`Job ${n}`), { key: "limited-1" }));
    const accepted = answers.filter((answer) => answer.status === 202);
    const refused = answers.filter((answer) => answer.status === 429);
    expect(accepted.length + refused.length).toBe(20);
    expect([3, 4, 5, 6]).toContain(accepted.length);
    for (const answer of refused) {
      expect(answer.json).toMatchObject({ code: "too_many_requests", status: 429 });
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    }
    expect(await listed("limited-1")).toBe(accepted.length);
    // Others are not touched, nor is what the tenant only reads.
    expect((await stack.submit(chat("Hi"), { key: "busy-1" })).status).toBe(202);
    expect(await status("limited-1", "/api/jobs")).toBe(200);
    const again = async () => (await stack.submit(chat("Later"), { key: "refilled-1" })).status;
    await expect.poll(() => Promise.all([again(), again(), again()])).toContain(429);
    await expect.poll(again, { interval: 200 }).toBe(202);
  });

  it("turns requests away when too many are in flight, and lets them in as soon as there is room", async () => {
    const before = await listed("busy-1");
    cosmos.setFaults({ rules: [{ operation: "batch", effect: { kind: "hold" } }] });
    const asked = Array.from({ length: 60 }, (_, n) => stack.submit(chat(`Flood ${n}`), { key: "busy-1" }));
    const first = await Promise.race(
      asked.map(async (answer) =>
        (await answer).status === 429 ? await answer : new Promise<never>(() => undefined),
      ),
    );
    expect(first.json).toMatchObject({ code: "too_many_requests" });
    expect(first.headers.get("retry-after")).toBe("1");
    // Operators and health are let in all the same.
    expect((await stack.call("/api/openapi.json", { key: null })).status).toBe(200);
    cosmos.setFaults({ rules: [] });
    const statuses = (await Promise.all(asked)).map((answer) => answer.status);
    const accepted = statuses.filter((each) => each === 202).length;
    expect(accepted + statuses.filter((each) => each === 429).length).toBe(60);
    expect(accepted).toBeGreaterThan(0);
    expect((await stack.submit(chat("After"), { key: "busy-1" })).status).toBe(202);
    expect(await listed("busy-1")).toBe(before + accepted + 1);
  });

  it("answers a wait at once rather than hold up others, and never refuses it for the waiting", async () => {
    const later = Math.floor(Date.now() / 1000) + 3600;
    const { json } = await stack.submit(chat("Later"), { key: "other-1", envelope: { not_before: later } });
    const waits = Array.from({ length: 4 * MAX_IN_FLIGHT }, () =>
      stack.call(`/api/jobs/${json.id}`, { key: "other-1", headers: { prefer: "wait=60" } }),
    );
    // While all of them wait, there is room for whoever has work.
    await expect.poll(() => status("other-1", `/api/jobs/${json.id}`)).toBe(200);
    await stack.call(`/api/jobs/${json.id}/cancel`, { method: "POST", key: "other-1" });
    for (const wait of await Promise.all(waits)) {
      // Those that came while many were on their way in may have been told to come again.
      if (wait.status === 200) expect(wait.json.status).toBe("cancelled");
      else expect(wait.status).toBe(429);
    }
  });
});
