import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { CosmosClient } from "@azure/cosmos";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EMULATOR_KEY } from "../../local/cosmos/authorization.ts";
import { cosmosResources } from "../../local/cosmos/resources.ts";
import { type RunningCosmos, startCosmos } from "../../local/cosmos/server.ts";
import { queuesFromResources } from "../../local/service-bus/config.ts";
import { type RunningServiceBus, startServiceBus } from "../../local/service-bus/server.ts";
import { verifyChain } from "../../shared/audit/chain.ts";
import { resources } from "../shared/world.ts";
import { chat, Stack } from "./stack.ts";

describe("when a dependency is away", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-own-"));
  let cosmos: RunningCosmos;
  let serviceBus: RunningServiceBus;
  let stack: Stack;
  const cosmosOn = (port: number) =>
    startCosmos({
      port,
      databaseFile: path.join(folder, "cosmos.db"),
      resources: cosmosResources(resources),
    });
  const serviceBusOn = (port: number) =>
    startServiceBus({
      port,
      databaseFile: path.join(folder, "bus.db"),
      queues: queuesFromResources(resources),
    });

  beforeAll(async () => {
    cosmos = await cosmosOn(0);
    serviceBus = await serviceBusOn(0);
    stack = new Stack({
      DRAIN_SECONDS: "1",
      COSMOS: `AccountEndpoint=http://127.0.0.1:${cosmos.port}/;AccountKey=${EMULATOR_KEY};`,
      SERVICEBUS: `Endpoint=sb://127.0.0.1:${serviceBus.port};SharedAccessKeyName=k;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;`,
    });
    await stack.start();
  });
  afterAll(async () => {
    await stack.remove();
    await cosmos.close();
    await serviceBus.close();
    rmSync(folder, { recursive: true });
  });

  it("Cosmos down: a submit is answered 503 with Retry-After, and works once it is back", async () => {
    const { port } = cosmos;
    await cosmos.close();
    const refused = await stack.submit(chat("Hi"));
    expect(refused).toMatchObject({ status: 503, json: { code: "store_unavailable" } });
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    const health = await stack.call("/api/health", { key: null });
    expect(health).toMatchObject({ status: 503, json: { status: "unavailable" } });
    cosmos = await cosmosOn(port);
    const { json } = await stack.submit(chat("Hi again"));
    expect((await stack.ended(json.id)).json.status).toBe("completed");
  });

  it("Cosmos down while a submit's client waits: it hears that the job was accepted", async () => {
    const { port } = cosmos;
    const held = stack.submit(chat("[[sim:hang]] Held"), { headers: { prefer: "wait=60" } });
    const running = async () => (await stack.call("/api/jobs?status=in_progress")).json.data.length;
    await expect.poll(running).toBe(1);
    await cosmos.close();
    const { status, json, headers } = await held;
    // As it was accepted: by then it may have begun here.
    expect(status).toBe(202);
    expect(["queued", "in_progress"]).toContain(json.status);
    expect(headers.has("preference-applied")).toBe(false);
    cosmos = await cosmosOn(port);
    const cancel = () => stack.call(`/api/jobs/${json.id}/cancel`, { method: "POST" });
    await expect.poll(async () => (await cancel()).json.status).toBe("cancelled");
  });

  it("a response whose time is over is told from one that never was", async () => {
    const { json: job } = await stack.submit(chat("Hi"));
    expect((await stack.ended(job.id)).json).toMatchObject({ status: "completed", response_absent: null });
    const endpoint = `http://127.0.0.1:${cosmos.port}/`;
    const client = new CosmosClient({ endpoint, key: EMULATOR_KEY });
    const item = client.database("switchyard").container("jobs").item("response", ["team-a", job.id]);
    const { resource } = await item.read();
    await item.replace({ ...resource, ttl: 1 });
    const seen = async () => (await stack.call(`/api/jobs/${job.id}`)).json;
    await expect.poll(async () => (await seen()).response_absent).toBe("expired");
    expect(await seen()).toMatchObject({ status: "completed", response: null, content_deleted_at: null });
    const { json: cancelled } = await stack.submit(chat("Later"), {
      envelope: { not_before: Math.floor(Date.now() / 1000) + 3_600 },
    });
    await stack.call(`/api/jobs/${cancelled.id}/cancel`, { method: "POST" });
    expect((await stack.call(`/api/jobs/${cancelled.id}`)).json).toMatchObject({
      response_absent: "no_answer",
    });
    client.dispose();
  });

  it("Cosmos throttles: the status tells what it could read, and what it could not", {
    tags: ["long"],
  }, async () => {
    const status = () => stack.call("/api/ops/status", { key: "local-operator" });
    await expect.poll(async () => (await status()).json.sweeper).not.toBeNull();
    const refuse = { kind: "refuse", status: 429, retry_after_ms: 60_000 } as const;
    cosmos.setFaults({ rules: [{ operation: "query", effect: refuse }] });
    const { status: code, json } = await status();
    expect([code, [...json.not_read].sort()]).toEqual([200, ["counts", "dead_letters", "jobs"]]);
    expect(json).toMatchObject({
      running: null,
      lost_leases: null,
      dead_letters: null,
      sweeper: { took_ms: expect.any(Number) },
    });
    expect(json.backlog).toMatchObject({ queued: null, exact: false, jobs_read: 0 });
    cosmos.setFaults({ rules: [{ operation: "any", effect: refuse }] });
    expect((await status()).json.not_read).toHaveLength(4);
    cosmos.setFaults({ rules: [] });
    expect((await status()).json).toMatchObject({ not_read: [], running: 0 });
  });

  it("Service Bus down: a submit is still accepted, and the job ends once it is back", {
    tags: ["long"],
  }, async () => {
    const { port } = serviceBus;
    await serviceBus.close();
    const accepted = await stack.submit(chat("Patience"));
    expect(accepted.status).toBe(202);
    serviceBus = await serviceBusOn(port);
    expect((await stack.ended(accepted.json.id)).json.status).toBe("completed");
  });
});

describe("stopping and starting", () => {
  const stack = new Stack({ DRAIN_SECONDS: "1" });
  afterAll(() => stack.remove());

  it("continues every unfinished job after Ctrl-C and a new start", { tags: ["long"] }, async () => {
    await stack.start();
    const cutOff = await stack.submit(chat("[[sim:hang,times=1]] the first call never ends"));
    const queued: string[] = [];
    for (let n = 0; n < 20; n++) queued.push((await stack.submit(chat(`Job ${n}`, "any-lab"))).json.id);
    const at = Math.floor(Date.now() / 1000) + 4;
    const later = await stack.submit(chat("Later"), { envelope: { not_before: at } });
    expect(await stack.stop("SIGINT")).toBe(0);

    await stack.start();
    for (const id of [...queued, later.json.id, cutOff.json.id]) {
      expect((await stack.ended(id)).json).toMatchObject({ id, status: "completed" });
      const { json } = await stack.call(`/api/jobs/${id}/audit`);
      expect(verifyChain(json.data).intact).toBe(true);
    }
    // Its worker was told to end in the middle of the call: it handed the job back, which was called again.
    const trail = await stack.call(`/api/jobs/${cutOff.json.id}/audit`);
    expect(trail.json.data.map((record: { event: string }) => record.event)).toEqual([
      "accepted",
      "attempt_started",
      "attempt_failed",
      "attempt_started",
      "completed",
    ]);
  });
});

describe("a start that cannot be", () => {
  it("fails and lists every fault of settings, catalogue and tenants", async () => {
    const stack = new Stack({
      LEASE_SECONDS: "soon",
      MAX_ATTEMPTS: "0",
      MODELS_FILE: "package.json",
      TENANTS_FILE: "no-such-file.json",
    });
    const failure = await stack.start().then(
      () => "it started",
      (thrown: Error) => thrown.message,
    );
    for (const fault of [
      "ended with 1",
      "LEASE_SECONDS",
      "MAX_ATTEMPTS",
      "package.json: /deployments",
      "no-such-file.json: cannot be read",
    ]) {
      expect(failure).toContain(fault);
    }
    await stack.remove();
  });
});
