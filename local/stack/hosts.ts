import type { ChildProcess } from "node:child_process";
import type { HostLog } from "../host/host-log.ts";
import type { Processes } from "./processes-file.ts";

/** The host processes of a stack, and the port they serve together. */
export interface Hosts {
  /** Resolves with the port once all of them serve. Rejects with StartFailed or PortTaken. */
  start(): Promise<number>;
  /** Ends them in order, and kills what has not ended after `graceMs`. */
  stop(graceMs: number): Promise<void>;
  kill(): void;
  processes(): Omit<Processes, "emulators">;
}

export interface HostsOptions {
  /** Processes, of each group where they are split. */
  readonly instances: number;
  /** Of the stack; 0 takes a free one. */
  readonly port: number;
  /** Starts a host process; these settings come over its own. */
  readonly spawn: (env: Readonly<Record<string, string>>) => ChildProcess;
  readonly log: HostLog;
  /** `processes()` has changed. */
  readonly onChange: () => void;
}

/**
 * What an instance of a group is told of itself on Flex Consumption: the group, and a name that no other process has
 * or has had. The part that differs comes first, for whoever keeps only the beginning of it.
 */
export function instanceEnv(group: string, n: number, random: string): Record<string, string> {
  const name = `${random}-${group.replace(/[^\w-]+/g, "-")}-${n}`;
  return { FUNCTIONS_TARGET_GROUP: group, WEBSITE_POD_NAME: name, CONTAINER_NAME: name };
}
