import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FolderInUse, lockFolder, lockFolderSoon } from "../../../local/stack/folder-lock.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lock-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const MODULE = new URL("../../../local/stack/folder-lock.ts", import.meta.url).href;
/** Another process that holds the folder until it is killed. */
async function holder(): Promise<ReturnType<typeof spawn>> {
  const script = `import { lockFolder } from ${JSON.stringify(MODULE)};
    globalThis.lock = lockFolder(process.argv[1], "start"); console.log("held"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return child;
}

it("names the process that holds the folder, and frees it when that is killed", async () => {
  const child = await holder();
  expect(() => lockFolder(folder, "start")).toThrow(FolderInUse);
  expect(() => lockFolder(folder, "start")).toThrow(`process ${child.pid} `);
  // Another role is another lock.
  lockFolder(folder, "emulators").release();
  const later = lockFolderSoon(folder, "start", 10_000);
  child.kill("SIGKILL");
  (await later).release();
});

it("can be taken again once it is released", () => {
  const first = lockFolder(folder, "start");
  expect(() => lockFolder(folder, "start")).toThrow(`process ${process.pid} `);
  first.release();
  lockFolder(folder, "start").release();
});
