import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { EMULATOR_KEY } from "../../../local/cosmos/authorization.ts";
import type { Job } from "../../../shared/job/job.ts";
import { storeConnection } from "../../../tools/audit/connection.ts";
import { AuditWorld } from "./world.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-audit-"));
const file = path.join(folder, "seals.jsonl");
let world: AuditWorld;
let job: Job;
beforeAll(async () => {
  world = await AuditWorld.open();
  job = await world.job();
  await world.job();
  await world.change("off");
  await world.sealDay();
});
afterAll(async () => {
  await world.close();
  rmSync(folder, { recursive: true });
});

/** The command as `npm run audit:verify -- …` runs it, against the store of this test. */
async function command(args: readonly string[], environment: Record<string, string> = {}) {
  const COSMOS = `AccountEndpoint=http://127.0.0.1:${world.opened.cosmos.port}/;AccountKey=${EMULATOR_KEY}`;
  const child = spawn(process.execPath, [path.join(root, "tools/audit/main.ts"), ...args], {
    env: { ...process.env, COSMOS, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  const [code] = await once(child, "close");
  return { code: Number(code), out, err };
}

describe("npm run audit:verify", () => {
  vi.setConfig({ testTimeout: 180_000 }); // a process each, on a machine that may be busy
  it("says what holds, and ends with 0", async () => {
    const { code, out } = await command([]);
    expect(out).toBe("2 jobs with 6 records, 1 control record, 1 seal with 3 sealed heads. All hold.\n");
    expect(code).toBe(0);
  });

  it("exports the seals, and never over a file that is there", { tags: ["long"] }, async () => {
    expect(await command(["--export", file])).toMatchObject({ code: 0, out: `1 seals are in ${file}.\n` });
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    expect(await command(["--export", file])).toMatchObject({ code: 2 });
    expect(await command(["--seal", file])).toMatchObject({
      code: 0,
      out: expect.stringContaining("2 seals with 6 sealed heads. All hold."),
    });
  });

  it("names what is broken, by the exported seals even when the store's own are gone, and ends with 1", {
    tags: ["long"],
  }, async () => {
    for (const id of ["job", "request", "response"]) await world.item(job, id).delete();
    for (const id of ["seal-000001", "seal-head"]) await world.opened.control.item(id, "seals").delete();
    expect(await command([])).toMatchObject({ code: 0 });
    const { code, out } = await command(["--seal", file]);
    expect(out).toContain(`BROKEN ${job.tenant_id}/${job.job_id} at 3: the whole trail is gone: seal 1`);
    expect(out).toContain(`BROKEN ${file} at 1: the store does not have this seal\n`);
    expect(out).toContain("2 faults.");
    expect(code).toBe(1);
  });

  it("ends with 2 when it cannot be found out: a bad file, a bad setting, a store that is away", {
    tags: ["long"],
  }, async () => {
    const cut = path.join(folder, "cut.jsonl");
    writeFileSync(cut, readFileSync(file, "utf8").slice(0, -20));
    const [bad, setting, away] = await Promise.all([
      command(["--seal", cut]),
      command([], { COSMOS: "nonsense" }),
      command([], { COSMOS: `AccountEndpoint=http://127.0.0.1:1/;AccountKey=${EMULATOR_KEY}` }),
    ]);
    expect(bad).toMatchObject({ code: 2, err: expect.stringContaining("line 3: is not a JSON object") });
    expect(setting).toMatchObject({ code: 2, err: expect.stringContaining("setting COSMOS") });
    expect(away).toMatchObject({ code: 2, err: expect.stringContaining("StoreUnavailable") });
  });

  it("explains itself", async () => {
    const { code, out } = await command(["--help"], { COSMOS: "nonsense" });
    expect(code).toBe(0);
    for (const word of ["--seal", "--export", "Exit code", "COSMOS__accountEndpoint"])
      expect(out).toContain(word);
  });
});

describe("the store it looks at", () => {
  const files: Record<string, string> = {
    "/app/local.settings.sample.json": JSON.stringify({
      Values: { COSMOS: "AccountEndpoint=http://127.0.0.1:8081/;AccountKey=a2V5" },
    }),
    "/app/.switchyard/emulators.json": JSON.stringify({ cosmos_port: 4711 }),
    "/data/emulators.json": JSON.stringify({ cosmos_port: 4712 }),
  };
  const connect = (environment: Record<string, string>) =>
    storeConnection(environment, "/app", (name) => files[name]);

  it("is the app's by its settings, else the local stack's at the port it has", () => {
    const local = (port: number) => ({
      kind: "connection_string",
      connectionString: `AccountEndpoint=http://127.0.0.1:${port}/;AccountKey=a2V5`,
    });
    expect(connect({})).toEqual(local(4711));
    expect(connect({ DATA_DIR: "/data" })).toEqual(local(4712));
    expect(connect({ DATA_DIR: "/nothing-yet", COSMOS: "" })).toEqual(local(8081));
    expect(connect({ COSMOS__accountEndpoint: "https://a.documents.azure.com/" })).toMatchObject({
      kind: "identity",
    });
  });
});
