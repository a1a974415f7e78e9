import { setTimeout as sleep } from "node:timers/promises";
import type { FaultEffect } from "../../local/cosmos/fault-plan.ts";
import type { FaultRule as BusRule } from "../../local/service-bus/fault-plan.ts";
import type { Chances } from "./seeded.ts";
import type { Service } from "./service.ts";

/** A fault of a run: does its harm, and resolves when it is over. What it began it ends itself. */
export interface Injector {
  readonly name: string;
  /** Processes it kills, on average one. */
  readonly kills: boolean;
  readonly run: (service: Service, c: Chances, tally: Tally) => Promise<void>;
}

/** What was done, for the table at the end. */
export class Tally {
  readonly counts = new Map<string, number>();
  hostsKilled = 0;
  kills = 0;

  add(name: string, times = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + times);
  }
}

function killHost(service: Service, pid: number | undefined, tally: Tally): void {
  if (pid === undefined || !service.signal(pid, "SIGKILL")) return;
  tally.hostsKilled++;
  tally.kills++;
}

const oneHost: Injector = {
  name: "kill -9 of a host",
  kills: true,
  run: async (service, c, tally) => {
    const { host } = service.processes();
    if (host.length > 0) killHost(service, c.pick(host), tally);
  },
};

const everyHost: Injector = {
  name: "kill -9 of all hosts at once",
  kills: true,
  run: async (service, _c, tally) => {
    for (const pid of service.processes().host) killHost(service, pid, tally);
  },
};

const emulators: Injector = {
  name: "kill -9 of the emulators",
  kills: true,
  run: async (service, _c, tally) => {
    const { emulators: pid } = service.processes();
    if (pid !== null && service.signal(pid, "SIGKILL")) tally.kills++;
  },
};

/** Longer than the local lease of 3 s and the sweeper's own watch of as long. */
const FROZEN_MS = 8_000;

const freeze: Injector = {
  name: "a host frozen beyond its lease, then continued",
  kills: false,
  run: async (service, c) => {
    const { host } = service.processes();
    if (host.length === 0) return;
    const pid = c.pick(host);
    if (!service.signal(pid, "SIGSTOP")) return;
    await sleep(FROZEN_MS);
    service.signal(pid, "SIGCONT");
  },
};

/** How long a fault plan is in force. */
const PLAN_MS = 2_500;

/** A plan dies with the emulators it was given to; ending it then is no more than that. */
async function during(set: () => Promise<void>, end: () => Promise<void>): Promise<void> {
  await quietly(set);
  await sleep(PLAN_MS);
  await quietly(end);
}

/** The emulators may be down at this moment: then there is nothing to plan for. */
async function quietly(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (thrown) {
    if (!isAway(thrown)) throw thrown;
  }
}

function isAway(thrown: unknown): boolean {
  const name = (thrown as Error).name;
  return thrown instanceof TypeError || name === "TimeoutError" || name === "AbortError";
}

function cosmos(name: string, probability: number, effect: (c: Chances) => FaultEffect): Injector {
  return {
    name: `Cosmos: ${name}`,
    kills: false,
    run: async (service, c) => {
      const seed = c.whole(1, 1_000_000);
      const rules = [{ operation: "any" as const, probability, effect: effect(c) }];
      await during(
        () => service.setFaults({ cosmos: { seed, rules } }),
        () => service.setFaults({ cosmos: { rules: [] } }),
      );
    },
  };
}

function bus(name: string, rule: (c: Chances) => BusRule): Injector {
  return {
    name: `Service Bus: ${name}`,
    kills: false,
    run: async (service, c) => {
      const seed = c.whole(1, 1_000_000);
      await during(
        () => service.setFaults({ service_bus: { seed, rules: [rule(c)] } }),
        () => service.setFaults({ service_bus: { seed: 0, rules: [] } }),
      );
    },
  };
}

function models(name: string, rule: object): Injector {
  return {
    name: `Models: ${name}`,
    kills: false,
    run: async (service) => {
      await during(
        () => service.setModelFaults([rule]),
        () => service.setModelFaults({ reset: true }),
      );
    },
  };
}

/** Longer than the app waits for one operation, 5 s: a write is applied, and nobody hears of it. */
const TIMED_OUT_MS = 6_000;

export const INJECTORS: readonly (readonly [weight: number, injector: Injector])[] = [
  [30, oneHost],
  [4, everyHost],
  [6, emulators],
  [4, freeze],
  [3, cosmos("429", 0.5, () => ({ kind: "refuse", status: 429, retry_after_ms: 30 }))],
  [3, cosmos("503", 0.4, () => ({ kind: "refuse", status: 503 }))],
  [2, cosmos("449", 0.3, () => ({ kind: "refuse", status: 449 }))],
  [2, cosmos("408", 0.3, () => ({ kind: "refuse", status: 408 }))],
  [2, cosmos("409 and 412", 0.2, (c) => ({ kind: "refuse", status: c.pick([409, 412]) }))],
  [3, cosmos("connection cut before a write", 0.2, () => ({ kind: "drop", when: "before" }))],
  [4, cosmos("connection cut after a write", 0.2, () => ({ kind: "drop", when: "after" }))],
  [
    3,
    cosmos("a time-out before or after it is applied", 0.1, (c) => ({
      kind: "delay",
      ms: TIMED_OUT_MS,
      when: c.pick(["before", "after"]),
    })),
  ],
  [
    2,
    bus("busy", () => ({
      operation: "any",
      probability: 0.4,
      effect: { kind: "refuse", condition: "com.microsoft:server-busy" },
    })),
  ],
  [
    2,
    bus("sends cut before or after", (c) => ({
      operation: "send",
      probability: 0.3,
      effect: { kind: "drop", when: c.pick(["before", "after"]) },
    })),
  ],
  [
    2,
    bus("settlements cut before or after", (c) => ({
      operation: "complete",
      probability: 0.2,
      effect: { kind: "drop", when: c.pick(["before", "after"]) },
    })),
  ],
  [2, bus("slow", () => ({ operation: "any", probability: 0.3, effect: { kind: "delay", ms: 1_500 } }))],
  [
    2,
    bus("locks that run out", () => ({
      operation: "receive",
      probability: 0.3,
      effect: { kind: "expireLock" },
    })),
  ],
  [2, models("503 for a while", { status: 503, probability: 0.3 })],
  [2, models("429 for a while", { status: 429, retry_after_ms: 300, probability: 0.5 })],
  [2, models("connections reset", { fault: "reset", probability: 0.2 })],
  [1, models("hang for 1 s", { latency_ms: 1_000, probability: 0.3 })],
];

export const KILLERS = INJECTORS.filter(([, injector]) => injector.kills);
export const OTHERS = INJECTORS.filter(([, injector]) => !injector.kills);
