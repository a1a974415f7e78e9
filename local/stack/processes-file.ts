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
}

const fileOf = (dataDir: string) => join(dataDir, "processes.json");

export function writeProcesses(dataDir: string, processes: Processes): void {
  writeWhole(fileOf(dataDir), `${JSON.stringify(processes)}\n`);
}

export function removeProcesses(dataDir: string): void {
  rmSync(fileOf(dataDir), { force: true });
}

/**
 * Continues every process that the stack of this folder had frozen when it was killed: nobody else would, and none
 * could end.
 */
export function continueFrozen(dataDir: string): void {
  for (const pid of frozenOf(dataDir)) {
    try {
      process.kill(pid, "SIGCONT");
    } catch {
      // It has ended already.
    }
  }
}

function frozenOf(dataDir: string): readonly number[] {
  try {
    const { frozen = [] } = JSON.parse(readFileSync(fileOf(dataDir), "utf8")) as Processes;
    return frozen;
  } catch {
    // The stack has never got so far as to write it.
    return [];
  }
}
