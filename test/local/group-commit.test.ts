import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GroupCommit, openDatabase } from "../../local/database.ts";

let folder: string;
let db: DatabaseSync;
/** Another connection: it sees what is committed, and nothing else. */
let other: DatabaseSync;
let commits: GroupCommit;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "commits-"));
  const options = {
    name: "Notes",
    file: join(folder, "notes.db"),
    migrations: ["CREATE TABLE note (text TEXT NOT NULL) STRICT"],
  };
  db = openDatabase(options);
  other = openDatabase(options);
  commits = new GroupCommit(db);
});
afterEach(() => {
  commits.close();
  db.close();
  other.close();
  rmSync(folder, { recursive: true });
});

const stored = () => Number(other.prepare("SELECT count(*) AS notes FROM note").get()?.notes);
/** Answers how many notes another connection sees at the moment its writer hears. */
const write = (text: string) =>
  commits.run(() => db.prepare("INSERT INTO note VALUES (?)").run(text)).then(stored);

test("a write is not acknowledged before it is stored; alone, it is stored at the end of its turn", async () => {
  const heard = write("alone");
  expect(stored()).toBe(0);
  await setImmediate();
  expect(stored()).toBe(1);
  expect(await heard).toBe(1);
});

test("where a turn writes several, what the next ones write is stored with them", async () => {
  const first = [write("one"), write("of the same turn")];
  await setImmediate();
  const second = write("of the next");
  expect(await Promise.all([...first, second])).toEqual([3, 3, 3]);
});

test("writes that go on and on do not keep the first one waiting", async () => {
  const heard = [write("first")];
  for (let n = 0; n < 60; n++) {
    heard.push(write(`${n}`));
    await setImmediate();
  }
  expect((await Promise.all(heard)).filter((seen) => seen === 24)).toHaveLength(24);
});

test("one that fails takes with it what waits for the same commit, and nothing after", async () => {
  const lost = [write("lost"), write("with it")];
  await setImmediate();
  commits.doom(new Error("half-written"));
  for (const each of lost) await expect(each).rejects.toThrow("half-written");
  expect(await write("kept")).toBe(1);
});
