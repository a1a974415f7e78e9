import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";

/** The second pass copies what was written during the first, so that little is left. */
const PASSES = 2;

/** The thread of `Checkpoints`: `workerData` is the store's file; a message asks for a checkpoint, `done` answers. */
parentPort?.on("message", () => {
  // Opened for this one time, so that nothing is held once the store is closed.
  const db = new DatabaseSync(String(workerData));
  try {
    for (let pass = 0; pass < PASSES; pass++) db.exec("PRAGMA wal_checkpoint(PASSIVE)");
  } finally {
    db.close();
  }
  parentPort?.postMessage("done");
});
