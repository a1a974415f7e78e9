import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { packageRoot } from "../../../examples/demo/package-root.ts";

const run = promisify(execFile);
const root = packageRoot();
const main = join(root, "dist", "examples", "demo", "main.js");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "demo-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const options = (more: Record<string, string> = {}) => ({
  cwd: root,
  env: { ...process.env, TMPDIR: folder, ...more },
  // Before the test's own patience ends, so that nothing of it lives on.
  timeout: 110_000,
});

it("runs every prompt through every lab, verifies the trails and leaves nothing behind", {
  tags: ["long"],
}, async () => {
  const { stdout } = await run(process.execPath, [main], options({ MODEL_LATENCY_SCALE: "0" }));
  expect(stdout).toContain("These models are SIMULATED");
  for (const lab of ["openai", "xai", "deepseek", "anthropic"])
    expect(stdout).toMatch(new RegExp(`^${lab} .* 28/28 `, "m"));
  expect(stdout).toMatch(/^all +112\/112 /m);
  expect(stdout).toMatch(/^classify-usher +openai +melancholy /m);
  expect(stdout).toMatch(/^The batch batch_\w+ \(simulated\): 28 lines, 28 answered, 0 failed/m);
  expect(stdout).toMatch(/Verified: \d+ audit records in 112 trails/);
  expect(readdirSync(folder)).toEqual([]);
});

it("ends its stack and removes its folder when it is interrupted", async () => {
  // So slow that no job ends before the signal.
  const demo = spawn(process.execPath, [main], {
    ...options({ MODEL_LATENCY_SCALE: "100" }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const base = await new Promise<string>((resolve) => {
    demo.stdout.on("data", (chunk) => {
      said += chunk;
      const found = /Ready at (\S+)/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  let complaint = "";
  demo.stderr.on("data", (chunk) => {
    complaint += chunk;
  });
  demo.kill("SIGINT");
  const [code] = await once(demo, "exit");
  expect(code).toBe(1);
  expect(complaint).toContain("Ended by SIGINT.");
  expect(readdirSync(folder)).toEqual([]);
  await expect(fetch(`${base}/api/health`)).rejects.toThrow("fetch failed");
});

it("explains itself, and refuses what it does not know", async () => {
  const { stdout } = await run(process.execPath, [main, "--help"], options());
  expect(stdout).toContain("--keep");
  await expect(run(process.execPath, [main, "--nonsense"], options())).rejects.toMatchObject({ code: 1 });
});
