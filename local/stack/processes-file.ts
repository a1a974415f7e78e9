import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "./written-file.ts";

/** What a stack's processes are, for tests and whoever wants to look at one. */
export interface Processes {
  /** Every host process. */
  readonly host: readonly number[];
  readonly emulators: number | null;
  /** With `--split`: the host processes by the group they serve. */
  readonly groups?: Readonly<Record<string, readonly number[]>>;
  /** With `--freeze`: those that are stopped now. */
  readonly frozen?: readonly number[];
  /** With `--freeze`: the groups of which one is on its way, from the platform's decision until it serves. */
  readonly starting?: readonly string[];
}

const fileOf = (dataDir: string) => join(dataDir, "processes.json");

export function writeProcesses(dataDir: string, processes: Processes): void {
  writeWhole(fileOf(dataDir), `${JSON.stringify(processes)}\n`);
}

export function removeProcesses(dataDir: string): void {
  rmSync(fileOf(dataDir), { force: true });
}

/** How often the hosts of a dead stack are continued: one may freeze itself just after. */
const CONTINUE_MS = 100;
/** A host drains, and closes; what has not ended by then is left. */
const PATIENCE_MS = 30_000;

/**
 * Lets the hosts of this folder's stack end after that was killed: those that it had frozen would stay so for ever, for
 * nobody else continues them. Resolves once they are gone; at once where the stack froze none.
 */
export async function outliveFrozenHosts(dataDir: string): Promise<void> {
  const { host, frozen } = readProcesses(dataDir);
  if (frozen === undefined) return;
  for (let waitedMs = 0; waitedMs < PATIENCE_MS && host.filter(goesOn).length > 0; waitedMs += CONTINUE_MS) {
    await new Promise((resolve) => setTimeout(resolve, CONTINUE_MS));
  }
}

/** Continues a process; false when it has ended. */
function goesOn(pid: number): boolean {
  try {
    return process.kill(pid, "SIGCONT");
  } catch {
    return false;
  }
}

function readProcesses(dataDir: string): Processes {
  try {
    return JSON.parse(readFileSync(fileOf(dataDir), "utf8")) as Processes;
  } catch {
    // The stack has never got so far as to write it.
    return { host: [], emulators: null };
  }
}
