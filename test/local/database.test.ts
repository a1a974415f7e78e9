import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DatabaseUnusable, openDatabase } from "../../local/database.ts";

const FIRST = "CREATE TABLE note (text TEXT NOT NULL) STRICT";
const SECOND = "ALTER TABLE note ADD COLUMN at INTEGER NOT NULL DEFAULT 7";
let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "database-"));
  file = join(folder, "notes.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (...migrations: string[]) => openDatabase({ name: "Notes", file, migrations });

test("a store of an older version is brought to this one, with what it holds", () => {
  const old = open(FIRST);
  old.exec("INSERT INTO note VALUES ('kept')");
  old.close();
  const db = open(FIRST, SECOND);
  expect(db.prepare("SELECT text, at FROM note").all()).toEqual([{ text: "kept", at: 7 }]);
  db.close();
  expect(() => open(FIRST)).toThrow(/newer version \(2; this one knows 1\)/);
});

test("a step that fails leaves the store as it was, and names it", () => {
  const old = open(FIRST);
  old.exec("INSERT INTO note VALUES ('kept')");
  old.close();
  expect(() => open(FIRST, `${SECOND}; SELECT nonsense FROM nowhere`)).toThrow(DatabaseUnusable);
  const db = open(FIRST);
  expect(db.prepare("SELECT * FROM note").all()).toEqual([{ text: "kept" }]);
  db.close();
});

test("another program's database is refused by name", () => {
  const other = open("CREATE TABLE note (other TEXT)");
  other.exec("PRAGMA user_version = 0");
  other.close();
  expect(() => open(FIRST)).toThrow(/^Notes: .*notes\.db cannot be opened/);
});

/** A disk that is full, for the whole process: no file may grow beyond so many blocks of 1 KB (bash's ulimit). */
test("on a full disk the emulator refuses to store, says so, and keeps what it acknowledged", async () => {
  const script = fileURLToPath(new URL("./service-bus/full-disk-process.ts", import.meta.url));
  const child = spawn("bash", [
    "-c",
    'trap "" XFSZ; ulimit -f 600; exec "$0" "$@"',
    process.execPath,
    script,
    file,
  ]);
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    out += chunk;
  });
  expect(await once(child, "close")).toEqual([0, null]);
  const { stored, refused, kept } = JSON.parse(out.split("\n").find((line) => line.startsWith("{")) ?? "{}");
  expect(stored).toBeGreaterThan(0);
  expect(refused).toMatch(/could not be stored/);
  expect(kept).toBe(stored);
});
