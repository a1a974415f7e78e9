import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Checkpoints } from "../../local/checkpoints.ts";
import { ManualClock } from "../../local/clock.ts";
import { openDatabase } from "../../local/database.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "checkpoints-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (file: string) =>
  openDatabase({ name: "Notes", file, migrations: ["CREATE TABLE note (text TEXT) STRICT"] });

/** Writes until the log is shorter than it was: it is written from its start again. Answers how much was written. */
async function writeUntilRestart(db: DatabaseSync, checkpoints: Checkpoints, rest: () => void) {
  const insert = db.prepare("INSERT INTO note VALUES (?)");
  const logPages = () => Number(db.prepare("PRAGMA wal_checkpoint(NOOP)").get()?.log);
  let [written, longest] = [0, 0];
  for (let pages = 0; pages >= longest; pages = logPages()) {
    longest = pages;
    insert.run("x".repeat(3_000));
    written += 1;
    checkpoints.committed();
    await setImmediate();
    rest();
  }
  return { written, longest };
}

test("the log of a store is copied into its file and written from its start again, while others write", async () => {
  const file = join(folder, "notes.db");
  const db = open(file);
  const bounds = { uncopiedPages: 100, logPages: 400, quietMs: 10 };
  const checkpoints = new Checkpoints(db, file, bounds, new ManualClock());
  const { written, longest } = await writeUntilRestart(db, checkpoints, () => undefined);
  expect(longest).toBeGreaterThan(bounds.logPages);
  checkpoints.close();
  db.close();
  const again = open(file);
  expect(again.prepare("SELECT count(*) AS notes FROM note").get()).toEqual({ notes: written });
  again.close();
});

test("a shorter log is written from its start again after a quiet moment", async () => {
  const file = join(folder, "notes.db");
  const db = open(file);
  const clock = new ManualClock();
  const bounds = { uncopiedPages: 100, logPages: 1_000_000, quietMs: 10 };
  const checkpoints = new Checkpoints(db, file, bounds, clock);
  const { written } = await writeUntilRestart(db, checkpoints, () => clock.advance(bounds.quietMs));
  checkpoints.close();
  db.close();
  const again = open(file);
  expect(again.prepare("SELECT count(*) AS notes FROM note").get()).toEqual({ notes: written });
  again.close();
});
