import { randomBytes } from "node:crypto";
import { seeded } from "../faults.ts";
import type { FreezeMode } from "../host/freezer.ts";
import { type FunctionGroup, HTTP_GROUP } from "../host/function-groups.ts";
import type { BacklogLook } from "./backlog-look.ts";
import type { ReadyMessage } from "./child.ts";
import { type Hosts, type HostsOptions, instanceEnv } from "./hosts.ts";
import { Instance } from "./instance.ts";
import { onPort } from "./ports.ts";
import type { Processes } from "./processes-file.ts";
import { Relay } from "./relay.ts";
import { type Action, decide, type PlatformTimes, startDelayMs } from "./scale-controller.ts";
import { workOf } from "./work.ts";

interface FlexHostsOptions extends HostsOptions {
  readonly freeze: FreezeMode;
  /** Of the platform's whims. */
  readonly seed: number;
  readonly times: PlatformTimes;
  readonly backlog: BacklogLook;
  /** What an instance that is taken away has to end in order, ms. */
  readonly graceMs: number;
}

interface Group {
  readonly group: FunctionGroup;
  readonly instances: readonly Instance[];
}

const LOOK_MS = 100;

/**
 * Each group in instances of its own, which the platform freezes when they have no invocation, takes away when they
 * have had none for long, and starts again when there is work: what Flex Consumption may do at its worst.
 */
export class FlexHosts implements Hosts {
  readonly #options: FlexHostsOptions;
  readonly #groups: Group[] = [];
  readonly #relay: Relay;
  readonly #random: () => number;
  #turn = 0;
  #openRequests = 0;
  #waiting: ((instance: Instance) => void)[] = [];
  #look: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: FlexHostsOptions) {
    this.#options = options;
    this.#random = seeded(options.seed);
    this.#relay = new Relay({
      next: () => this.#next(),
      onOpen: (change) => {
        this.#openRequests += change;
      },
    });
  }

  async start(): Promise<number> {
    const { port, log, seed, freeze } = this.#options;
    const served = await onPort("PORT", port, (wanted) => this.#relay.listen(wanted));
    log.write("information", "Platform", `Instances freeze (${freeze}) when they are idle; --seed ${seed}.`);
    const http = this.#add({ name: HTTP_GROUP, source: { kind: "http" } });
    // The first alone: it tells of a fault in the configuration once, and which groups there are.
    const [first, ...others] = http.instances;
    const { groups = [] }: ReadyMessage = (await first?.start()) ?? { ready: true };
    const rest = groups
      .filter(({ name }) => name !== HTTP_GROUP)
      .flatMap((group) => this.#add(group).instances);
    await Promise.all([...others, ...rest].map((instance) => instance.start()));
    this.#lookLater();
    return served;
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopLooking();
    this.#relay.close();
    await Promise.all(this.#all.map((instance) => instance.end(graceMs)));
    this.#relay.closeAll();
  }

  kill(): void {
    this.#stopLooking();
    for (const instance of this.#all) instance.kill();
  }

  processes(): Omit<Processes, "emulators"> {
    const pids = (instances: readonly Instance[]) => instances.flatMap(({ pid }) => pid ?? []);
    return {
      host: pids(this.#all),
      groups: Object.fromEntries(this.#groups.map(({ group, instances }) => [group.name, pids(instances)])),
      frozen: pids(this.#all.filter(({ state }) => state === "frozen")),
      starting: this.#groups
        .filter(({ instances }) => instances.some(({ state }) => state === "coming" || state === "starting"))
        .map(({ group }) => group.name),
    };
  }

  get #all(): readonly Instance[] {
    return this.#groups.flatMap(({ instances }) => instances);
  }

  #add(group: FunctionGroup): Group {
    const { instances: count, spawn, log, freeze } = this.#options;
    const instances = Array.from({ length: count }, (_, n): Instance => {
      const instance: Instance = new Instance({
        name: `${group.name} ${n + 1}`,
        spawn: () =>
          spawn({
            ...instanceEnv(group.name, n + 1, randomBytes(4).toString("hex")),
            PORT: "0",
            HOST_FREEZE: freeze,
          }),
        log,
        onChange: () => this.#changed(),
        onFrozen: () => this.#relay.wakeFor(instance),
      });
      return instance;
    });
    const added = { group, instances };
    this.#groups.push(added);
    return added;
  }

  #changed(): void {
    this.#options.onChange();
    const instance = this.#waiting.length === 0 ? undefined : this.#choose();
    if (instance === undefined) return;
    for (const resolve of this.#waiting.splice(0)) resolve(instance);
  }

  /** An instance of the HTTP group that is there, in turns. */
  #choose(): Instance | undefined {
    const there = (this.#groups[0]?.instances ?? []).filter(
      ({ state }) => state === "awake" || state === "frozen",
    );
    return there[this.#turn++ % there.length];
  }

  async #next(): Promise<Instance> {
    return this.#choose() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  #stopLooking(): void {
    this.#stopped = true;
    clearTimeout(this.#look);
    this.#options.backlog.close();
  }

  #lookLater(): void {
    if (this.#stopped) return;
    this.#look = setTimeout(async () => {
      const looked = await this.#options.backlog.look();
      if (!this.#stopped) this.#scale({ ...looked, openRequests: this.#openRequests });
      this.#lookLater();
    }, LOOK_MS);
  }

  #scale(backlog: Parameters<typeof workOf>[1]): void {
    const { times } = this.#options;
    for (const { group, instances } of this.#groups) {
      const anyAwake = instances.some(({ state }) => state === "awake");
      const actions = decide(instances, workOf(group.source, backlog, anyAwake), times);
      for (const [n, action] of actions.entries()) this.#act(instances[n], action);
    }
  }

  #act(instance: Instance | undefined, action: Action | undefined): void {
    if (action === "thaw") instance?.wake();
    else if (action === "start") instance?.startIn(startDelayMs(this.#options.times, this.#random));
    else if (action === "end") {
      if (this.#options.freeze === "hard") instance?.kill();
      else void instance?.end(this.#options.graceMs);
    }
  }
}
