import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { privateFolder } from "./private-folder.ts";

/** Another process works in this folder; the message names it. */
export class FolderInUse extends Error {
  override readonly name = "FolderInUse";
}

/** The folder was deleted under a process that works in it. */
export class FolderGone extends Error {
  override readonly name = "FolderGone";
}

const FOLDER_LOOK_MS = 500;

export interface FolderLock {
  /** False: the folder was deleted, or another put in its place. What is open in it goes nowhere then. */
  isThere(): boolean;
  release(): void;
}

/**
 * Takes `folder` for this process. SQLite's write lock is a lock of the operating system: it ends with the process,
 * however that ends, so there is no stale lock to clean up; and others can still read whose it is.
 */
export function lockFolder(folder: string, role: string): FolderLock {
  privateFolder(folder);
  const file = join(folder, `${role}.lock`);
  const db = new DatabaseSync(file);
  try {
    db.exec("BEGIN IMMEDIATE");
    db.exec("CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL)");
    db.exec("DELETE FROM holder");
    db.prepare("INSERT INTO holder (pid) VALUES (?)").run(process.pid);
    db.exec("COMMIT; BEGIN IMMEDIATE");
    const inode = inodeOf(file);
    return { isThere: () => inodeOf(file) === inode, release: () => db.close() };
  } catch (thrown) {
    const pid = holderOf(db);
    db.close();
    if (pid === undefined) throw thrown;
    throw new FolderInUse(
      `DATA_DIR ${folder} is in use by process ${pid} (${role}): stop it, or set DATA_DIR to another folder.`,
    );
  }
}

/** Waits up to `patienceMs` for a process that is just ending. */
export async function lockFolderSoon(folder: string, role: string, patienceMs: number): Promise<FolderLock> {
  const retryMs = 100;
  for (let waitedMs = 0; ; waitedMs += retryMs) {
    try {
      return lockFolder(folder, role);
    } catch (thrown) {
      if (!(thrown instanceof FolderInUse) || waitedMs >= patienceMs) throw thrown;
    }
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}

function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino;
}

/** Ends with one sentence once the folder is gone: what is still answered would be kept nowhere. */
export function watchFolder(lock: FolderLock, folder: string, end: (why: Error) => void): void {
  const timer = setInterval(() => {
    if (lock.isThere()) return;
    clearInterval(timer);
    end(
      new FolderGone(`DATA_DIR ${folder} was deleted while it was in use: nothing could be kept any more.`),
    );
  }, FOLDER_LOOK_MS);
  timer.unref();
}

function holderOf(db: DatabaseSync): number | undefined {
  try {
    const row = db.prepare("SELECT pid FROM holder").get();
    return typeof row?.pid === "number" ? row.pid : undefined;
  } catch {
    // Not a lock file at all, or not readable: the first error says why.
    return undefined;
  }
}
