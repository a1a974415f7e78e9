import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Checkpoints } from "../../local/checkpoints.ts";
import { openDatabase } from "../../local/database.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "checkpoints-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("the log of a store is copied into its file and written from its start again, while others write", async () => {
  const file = join(folder, "notes.db");
  const open = () =>
    openDatabase({ name: "Notes", file, migrations: ["CREATE TABLE note (text TEXT) STRICT"] });
  const db = open();
  const checkpoints = new Checkpoints(db, file, 100);
  const insert = db.prepare("INSERT INTO note VALUES (?)");
  const logPages = () => Number(db.prepare("PRAGMA wal_checkpoint(NOOP)").get()?.log);
  let written = 0;
  let restarts = 0;
  for (let pages = 0; restarts < 1; ) {
    insert.run("x".repeat(3_000));
    written += 1;
    checkpoints.committed();
    restarts += logPages() < pages ? 1 : 0;
    pages = logPages();
    await setImmediate();
  }
  checkpoints.close();
  db.close();
  const again = open();
  expect(again.prepare("SELECT count(*) AS notes FROM note").get()).toEqual({ notes: written });
  again.close();
});
