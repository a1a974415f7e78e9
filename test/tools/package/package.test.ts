import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { unzipSync } from "fflate";
import { afterAll, expect, it } from "vitest";
import { packageContents } from "../../../tools/package/contents.ts";
import { Stack } from "../../end-to-end/stack.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-package-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MAX_FILES = 400;
const MAX_BYTES = 12_000_000;

it("is small: what a cold start has to read", () => {
  const contents = packageContents(root);
  const bytes = [...contents.values()].reduce((sum, each) => sum + each.byteLength, 0);
  expect(contents.size).toBeLessThan(MAX_FILES);
  expect(bytes).toBeLessThan(MAX_BYTES);
});

it("keeps what sends telemetry apart, so that a start without it does not read it", () => {
  const sends = (file: string) =>
    readFileSync(path.join(root, "dist/functions", file), "utf8").includes("OTLPTraceExporter");
  const files = readdirSync(path.join(root, "dist/functions")).filter((file) => file.endsWith(".js"));
  expect(files.filter(sends)).toHaveLength(1);
  expect(sends("index.js")).toBe(false);
});

it(".funcignore lets Azure's own tools upload the same files, but for package.json's text", () => {
  // The file has the syntax of .gitignore, and git says what it leaves.
  const listed = execFileSync("git", ["ls-files", "--others", "--exclude-from=.funcignore"], {
    cwd: root,
    encoding: "utf8",
  });
  const tracked = execFileSync("git", ["ls-files", "--cached", "--ignored", "--exclude-from=.funcignore"], {
    cwd: root,
    encoding: "utf8",
  }).split("\n");
  const all = execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8" }).split("\n");
  const kept = [...all.filter((file) => !tracked.includes(file)), ...listed.split("\n")]
    .filter((file) => file !== "")
    .sort();
  expect(kept).toEqual([...packageContents(root).keys()].sort());
});

it("the app starts from the zip alone, and answers a job", { tags: ["long"] }, async () => {
  const packed = execFileSync(process.execPath, ["tools/package/main.ts"], { cwd: root, encoding: "utf8" });
  const zip = /^(\S+\.zip):/.exec(packed)?.[1] ?? "";
  for (const [file, bytes] of Object.entries(unzipSync(readFileSync(path.join(root, zip))))) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), bytes);
  }
  const stack = new Stack({ AzureWebJobsScriptRoot: folder });
  try {
    await stack.start();
    const answer = await stack.call("/api/jobs", {
      method: "POST",
      headers: { prefer: "wait=30" },
      body: { body: { model: "gpt-sim", messages: [{ role: "user", content: "Hello" }] } },
    });
    expect(answer.json).toMatchObject({ status: "completed", simulated: true });
  } finally {
    await stack.remove();
  }
});
