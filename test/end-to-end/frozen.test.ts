import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chat, Stack } from "./stack.ts";

/** A fifth of the platform's times: frozen after 0.4 s, taken away after 4 s, started within a second. */
const TIMES = { FREEZE_TIME_SCALE: "0.2" };
/** Rare enough that nobody is woken by it. */
const SWEEP = { SWEEP_SECONDS: "30", LEASE_SECONDS: "20" };
const PATIENCE = { timeout: 90_000, interval: 50 };

const tenants = JSON.parse(readFileSync(path.resolve(import.meta.dirname, "../../tenants.json"), "utf8"));

describe("where processes are frozen and taken away between invocations", { tags: ["long"] }, () => {
  const files = { TENANTS_FILE: "" };
  const stack = new Stack(Object.assign(files, TIMES, SWEEP), ["--split", "--freeze", "--seed", "1"]);
  let startedSeconds = 0;
  const write = (ids: readonly string[]) =>
    writeFileSync(
      files.TENANTS_FILE,
      JSON.stringify({
        ...tenants,
        tenants: tenants.tenants.filter(({ id }: { id: string }) => ids.includes(id)),
      }),
    );

  beforeAll(async () => {
    files.TENANTS_FILE = path.join(stack.folder, "tenants.json");
    write(["team-a", "team-b"]);
    const begun = performance.now();
    await stack.start();
    // What all its processes take to start at once: what a machine as slow as this one is allowed beside.
    startedSeconds = (performance.now() - begun) / 1000;
  });
  afterAll(() => stack.remove());

  const pids = (group: string) => stack.processes().groups?.[group] ?? [];
  const isIdle = (group: string) => pids(group).every((pid) => stack.processes().frozen?.includes(pid));
  const WORKERS = ["function:run-job", "function:run-released-job"];
  const trail = async (id: string): Promise<{ event: string; reason: string | null; at: number }[]> =>
    (await stack.call(`/api/jobs/${id}/audit`)).json.data;

  it("a key that was taken out is refused by the first request after 5 s", async () => {
    expect((await stack.call("/api/models", { key: "local-team-b" })).status).toBe(200);
    await expect.poll(() => isIdle("http"), PATIENCE).toBe(true);
    write(["team-a"]);
    const changed = performance.now();
    await expect.poll(() => performance.now() - changed, PATIENCE).toBeGreaterThan(5_000);
    expect((await stack.call("/api/models", { key: "local-team-b" })).status).toBe(401);
  });

  it("a deployment that was switched off is not called after 5 s, by a worker that was frozen meanwhile", async () => {
    const first = await stack.submit(chat("Hello"));
    expect((await stack.ended(first.json.id)).json.status).toBe("completed");
    await expect.poll(() => isIdle("function:run-job"), PATIENCE).toBe(true);
    const off = {
      method: "PUT",
      key: "local-operator",
      body: { state: "off", mode: "park", reason: "a test" },
    };
    const at = "/api/ops/switches/deployment/gpt-sim-local";
    expect((await stack.call(at, off)).status).toBe(200);
    const changed = performance.now();
    await expect.poll(() => performance.now() - changed, PATIENCE).toBeGreaterThan(5_000);
    const { id } = (await stack.submit(chat("Hello"))).json;
    await expect.poll(async () => (await trail(id)).at(-1)?.event, PATIENCE).toBe("waiting");
    expect((await trail(id)).map(({ event }) => event)).toEqual(["accepted", "waiting"]);
    expect((await stack.call(at, { method: "DELETE", key: "local-operator" })).status).toBe(200);
    // Held jobs go on by the next sweep.
    await expect.poll(async () => (await trail(id)).at(-1)?.event, PATIENCE).toBe("completed");
  });

  it("a job that waits for quota goes within 3 s of its coming back, though every worker was gone", async () => {
    const emulators = JSON.parse(readFileSync(path.join(stack.folder, "emulators.json"), "utf8"));
    const refusedForMs = 40_000;
    const rule = { profile: "xai", status: 429, retry_after_ms: refusedForMs, times: 1 };
    const ordered = await fetch(`http://127.0.0.1:${emulators.model_endpoints_port}/_control`, {
      method: "POST",
      body: JSON.stringify([rule]),
    });
    expect(ordered.status).toBe(200);
    const { id } = (await stack.submit(chat("Hello", "grok-sim"))).json;
    await expect.poll(async () => (await trail(id)).at(-1)?.event, PATIENCE).toBe("waiting");
    await expect.poll(() => WORKERS.flatMap(pids), PATIENCE).toEqual([]);
    expect((await trail(id)).at(-1)?.event).toBe("waiting");
    // How long it takes to start them again is the platform's, and the machine's: that is measured, and not counted.
    let [lookedAtMs, startingMs] = [performance.now(), 0];
    const look = async () => {
      const nowMs = performance.now();
      if (stack.processes().starting?.length !== 0) startingMs += nowMs - lookedAtMs;
      lookedAtMs = nowMs;
      return (await trail(id)).at(-1)?.event;
    };
    await expect.poll(look, PATIENCE).toBe("completed");
    const records = await trail(id);
    const refused = records.find(({ event }) => event === "attempt_failed")?.at ?? 0;
    const again = records.findLast(({ event }) => event === "attempt_started")?.at ?? 0;
    expect(again - refused).toBeGreaterThanOrEqual(refusedForMs / 1000 - 1);
    expect(again - refused).toBeLessThan(refusedForMs / 1000 + 3 + startingMs / 1000 + startedSeconds);
  });
});
