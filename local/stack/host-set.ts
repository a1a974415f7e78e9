import { randomBytes } from "node:crypto";
import { HTTP_GROUP } from "../host/function-groups.ts";
import { Child, type ReadyMessage } from "./child.ts";
import { FrontDoor } from "./front-door.ts";
import { type Hosts, type HostsOptions, instanceEnv } from "./hosts.ts";
import { onPort } from "./ports.ts";
import type { Processes } from "./processes-file.ts";

interface HostSetOptions extends HostsOptions {
  /** Each group of functions in processes of its own. */
  readonly split: boolean;
}

interface Member {
  readonly group: string | undefined;
  readonly child: Child;
}

/**
 * Host processes that are always there: one that listens itself, or several behind a front door. One that dies is
 * started again.
 */
export class HostSet implements Hosts {
  readonly #options: HostSetOptions;
  readonly #members: Member[] = [];
  #door: FrontDoor | undefined;

  constructor(options: HostSetOptions) {
    this.#options = options;
  }

  async start(): Promise<number> {
    const { instances, split } = this.#options;
    let { port } = this.#options;
    if (instances > 1 || split) {
      const door = new FrontDoor();
      port = await onPort("PORT", port, (wanted) => door.listen(wanted));
      this.#door = door;
    }
    const group = split ? HTTP_GROUP : undefined;
    // The first alone: it tells of a fault in the configuration once, and its port is kept over restarts.
    const first = await this.#add(group, 1);
    if (this.#door === undefined) return first.port ?? port;
    const others: Promise<ReadyMessage>[] = [];
    for (let n = 2; n <= instances; n++) others.push(this.#add(group, n));
    for (const { name } of split ? (first.groups ?? []) : []) {
      for (let n = 1; n <= instances && name !== HTTP_GROUP; n++) others.push(this.#add(name, n));
    }
    await Promise.all(others);
    return port;
  }

  async stop(graceMs: number): Promise<void> {
    this.#door?.close();
    await Promise.all(
      this.#members.map(({ child }) => child.stop((process) => process.kill("SIGTERM"), graceMs)),
    );
  }

  kill(): void {
    for (const { child } of this.#members) child.kill();
  }

  processes(): Omit<Processes, "emulators"> {
    const alive = this.#members.flatMap(({ group, child }) =>
      child.pid === undefined ? [] : [{ group, pid: child.pid }],
    );
    const host = alive.map(({ pid }) => pid);
    if (!this.#options.split) return { host };
    const groups: Record<string, number[]> = {};
    for (const { group = "", pid } of alive) groups[group] = [...(groups[group] ?? []), pid];
    return { host, groups };
  }

  #add(group: string | undefined, n: number): Promise<ReadyMessage> {
    const { instances, log, onChange, spawn } = this.#options;
    const number = instances === 1 ? "" : ` ${n}`;
    const child = new Child({
      name: group === undefined ? `host${number}` : `${group}${number}`,
      spawn: (known) =>
        spawn({
          // Behind a door each listens for itself besides, for whoever wants to ask one of them.
          PORT: String(this.#door === undefined ? (known?.port ?? this.#options.port) : 0),
          ...(group === undefined ? {} : instanceEnv(group, n, randomBytes(4).toString("hex"))),
        }),
      log,
      onChange,
      onReady: (process) => {
        if (group === undefined || group === HTTP_GROUP) this.#door?.open(process);
      },
    });
    this.#members.push({ group, child });
    return child.start();
  }
}
