import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { FeedStore } from "./feed-store.ts";
import { TimerStore } from "./timer-store.ts";

/** Where the hosts of a stack keep whose turn a timer is. */
export const timersFile = (dataDir: string) => join(dataDir, "timers.db");

/** … and how far a change feed has been read. */
export const feedsFile = (dataDir: string) => join(dataDir, "feeds.db");

/**
 * Makes the files that hosts share, before several of them start at once: SQLite does not wait its turn while one is
 * made. Throws DatabaseUnusable.
 */
export function makeSharedStores(dataDir: string): void {
  mkdirSync(dataDir, { recursive: true });
  new TimerStore(timersFile(dataDir), "").close();
  new FeedStore(feedsFile(dataDir), "").close();
}
