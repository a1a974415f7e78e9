import type { Clock } from "../../shared/clock.ts";
import type { Random } from "./cloud.ts";
import type { Events } from "./events.ts";

/** What a process serves. */
export type Trigger = "nudges" | "releases" | "sweep";

/** How the platform runs processes; times in ms. */
export interface Layout {
  readonly name: string;
  /** Functions that share processes, and how many processes. */
  readonly groups: readonly { readonly triggers: readonly Trigger[]; readonly processes: number }[];
  readonly sweepEveryMs: number;
  /** A process without an invocation for so long stands still until its trigger has work. */
  readonly freezeAfterMs?: number;
  /** And is taken away after so long. */
  readonly killAfterMs?: number;
  /** From a message that nobody can take until a process is there. */
  readonly startMs: number;
  /** Nobody runs at first. */
  readonly fromZero?: boolean;
}

/** A message's lock: that of a process that died comes again so much later. */
const LOCK_MS = 60_000;
const SLOTS = 64;

/** One process of the service: while it is frozen its timers and its waits stand still, once it is dead they end. */
export class Process {
  readonly name: string;
  readonly clock: Clock;
  state: "alive" | "frozen" | "dead" = "alive";
  invocations = 0;
  idleSinceMs = 0;
  /** It was told to: nothing more is handed to it. */
  isEnding = false;
  readonly #events: Events;
  #waiting: (() => void)[] = [];

  constructor(events: Events, name: string) {
    this.#events = events;
    this.name = name;
    this.clock = {
      now: () => events.nowMs,
      monotonic: () => events.nowMs,
      after: (delayMs, run) => {
        let isOff = false;
        this.#at(delayMs, () => {
          if (!isOff) run();
        });
        return () => {
          isOff = true;
        };
      },
    };
  }

  /** Virtual time passes, for this process. */
  pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.#at(ms, resolve));
  }

  #at(delayMs: number, run: () => void): void {
    this.#events.after(delayMs, () => {
      if (this.state === "alive") run();
      if (this.state === "frozen") this.#waiting.push(run);
    });
  }

  thaw(): void {
    if (this.state !== "frozen") return;
    this.state = "alive";
    for (const run of this.#waiting.splice(0)) run();
  }
}

interface Group<P extends Process> {
  readonly triggers: readonly Trigger[];
  readonly processes: P[];
  isStarting: boolean;
}

/** Service Bus, timers and the scale controller, in virtual time. */
export class Platform<P extends Process> {
  readonly #events: Events;
  readonly #random: Random;
  readonly #layout: Layout;
  readonly #make: (name: string) => P;
  readonly #groups: Group<P>[];
  readonly #queued: Record<Trigger, ((process: P) => Promise<void>)[]> = {
    nudges: [],
    releases: [],
    sweep: [],
  };
  #made = 0;

  constructor(layout: Layout, events: Events, random: Random, make: (name: string) => P) {
    this.#events = events;
    this.#random = random;
    this.#layout = layout;
    this.#make = make;
    this.#groups = layout.groups.map(({ triggers, processes }) => ({
      ...{ triggers, isStarting: false },
      processes: layout.fromZero === true ? [] : Array.from({ length: processes }, () => this.#start()),
    }));
  }

  get processes(): P[] {
    return this.#groups.flatMap(({ processes }) => processes);
  }

  #start(): P {
    return this.#make(`instance-${this.#made++}`);
  }

  /** Has a process handle it, once there is one; again where that one dies meanwhile. */
  deliver(trigger: Trigger, handle: (process: P) => Promise<void>): void {
    this.#queued[trigger].push(handle);
    this.#serve(trigger);
  }

  #serve(trigger: Trigger): void {
    const group = this.#groups.find(({ triggers }) => triggers.includes(trigger));
    if (group === undefined) return;
    for (let handle = this.#queued[trigger][0]; handle !== undefined; handle = this.#queued[trigger][0]) {
      const free = group.processes.filter(
        ({ state, isEnding, invocations }) => state !== "dead" && !isEnding && invocations < SLOTS,
      );
      const process = free[Math.floor(this.#random() * free.length)];
      if (process === undefined) {
        this.#scale(group);
        return;
      }
      this.#queued[trigger].shift();
      void this.#invoke(group, process, trigger, handle);
    }
  }

  #scale(group: Group<P>): void {
    const most = this.#layout.groups[this.#groups.indexOf(group)]?.processes ?? 1;
    const there = group.processes.filter(({ isEnding }) => !isEnding).length;
    if (group.isStarting || there >= most) return;
    group.isStarting = true;
    this.#events.after(this.#layout.startMs, () => {
      group.isStarting = false;
      group.processes.push(this.#start());
      for (const trigger of group.triggers) this.#serve(trigger);
    });
  }

  async #invoke(
    group: Group<P>,
    process: P,
    trigger: Trigger,
    handle: (process: P) => Promise<void>,
  ): Promise<void> {
    process.thaw();
    process.invocations++;
    let isDone = false;
    // What a dead process had in hand comes again.
    const again = () => {
      if (isDone) return;
      if (process.state === "dead") this.deliver(trigger, handle);
      else this.#events.after(LOCK_MS, again);
    };
    this.#events.after(LOCK_MS, again);
    await handle(process);
    isDone = true;
    process.invocations--;
    if (process.invocations === 0) this.#idle(group, process);
    for (const each of group.triggers) this.#serve(each);
  }

  #idle(group: Group<P>, process: P): void {
    const { freezeAfterMs, killAfterMs } = this.#layout;
    const sinceMs = this.#events.nowMs;
    process.idleSinceMs = sinceMs;
    const after = (ms: number | undefined, act: () => void) => {
      if (ms === undefined) return;
      this.#events.after(ms, () => {
        if (process.invocations === 0 && process.idleSinceMs === sinceMs) act();
      });
    };
    after(freezeAfterMs, () => {
      if (process.state === "alive") process.state = "frozen";
    });
    after(killAfterMs, () => this.kill(process, group));
  }

  /** It hears that it is to end, and is gone so much later; another is started in its place. */
  end(process: P, graceMs: number): void {
    process.isEnding = true;
    const group = this.#groups.find(({ processes }) => processes.includes(process));
    if (group === undefined) return;
    this.#scale(group);
    this.#events.after(graceMs, () => this.kill(process, group));
  }

  kill(process: P, of?: Group<P>): void {
    const group = of ?? this.#groups.find(({ processes }) => processes.includes(process));
    process.state = "dead";
    group?.processes.splice(group.processes.indexOf(process), 1);
  }
}
