import { chmodSync, mkdirSync, readdirSync, statSync } from "node:fs";

/** Names of what stacks keep in DATA_DIR. */
const OURS = /\.(db|lock|tmp|log)(-wal|-shm|-journal)?$|^(processes|emulators)\.json|^azurite$/;

/**
 * Makes a folder for prompts and answers, which other users of the machine have no business to read: what this process
 * and its children write from now on is its user's alone, and so is a folder that holds nothing but that.
 */
export function privateFolder(folder: string): void {
  process.umask(0o077);
  mkdirSync(folder, { recursive: true });
  const isOurs = readdirSync(folder).every((name) => OURS.test(name));
  if (isOurs && statSync(folder).uid === process.getuid?.()) chmodSync(folder, 0o700);
}
