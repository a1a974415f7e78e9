import { setTimeout as sleep } from "node:timers/promises";
import type { FaultEffect } from "../../local/cosmos/fault-plan.ts";
import type { FaultRule as BusRule } from "../../local/service-bus/fault-plan.ts";
import { courier, poison } from "./courier.ts";
import type { Injector, World } from "./injector.ts";
import type { Chances } from "./seeded.ts";

/** Longer than the local lease of 3 s and the sweeper's own watch of as long. */
const FROZEN_MS = 8_000;

const freeze: Injector = {
  name: "a host frozen beyond its lease, then continued",
  run: async ({ service }, c) => {
    const { host } = service.processes();
    if (host.length === 0) return false;
    const pid = c.pick(host);
    if (!service.signal(pid, "SIGSTOP")) return false;
    await sleep(FROZEN_MS);
    return service.signal(pid, "SIGCONT");
  },
};

/** How long a fault plan is in force. */
const PLAN_MS = 2_500;

/** A plan dies with the emulators it was given to; ending it then is no more than that. */
async function during(
  { plans }: World,
  set: () => Promise<void>,
  end: () => Promise<void>,
): Promise<undefined> {
  await plans.take(async () => {
    await quietly(set);
    await sleep(PLAN_MS);
    await quietly(end);
  });
  return undefined;
}

/** The emulators may be down at this moment: then there is nothing to plan for. */
export async function quietly(act: () => Promise<void>): Promise<void> {
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
    run: async (world, c) => {
      const { service } = world;
      const seed = c.whole(1, 1_000_000);
      const rules = [{ operation: "any" as const, probability, effect: effect(c) }];
      return during(
        world,
        () => service.setFaults({ cosmos: { seed, rules } }),
        () => service.setFaults({ cosmos: { rules: [] } }),
      );
    },
  };
}

function bus(name: string, rule: (c: Chances) => BusRule): Injector {
  return {
    name: `Service Bus: ${name}`,
    run: async (world, c) => {
      const { service } = world;
      const seed = c.whole(1, 1_000_000);
      return during(
        world,
        () => service.setFaults({ service_bus: { seed, rules: [rule(c)] } }),
        () => service.setFaults({ service_bus: { seed: 0, rules: [] } }),
      );
    },
  };
}

function models(name: string, rule: object): Injector {
  return {
    name: `Models: ${name}`,
    run: async (world) => {
      const { service } = world;
      return during(
        world,
        () => service.setModelFaults([rule]),
        () => service.setModelFaults({ reset: true }),
      );
    },
  };
}

/** Longer than the app waits for one operation, 5 s: a write is applied, and nobody hears of it. */
const TIMED_OUT_MS = 6_000;

/** Replicas lag this far. */
const STALE_MS = 2_000;

const staleReads: Injector = {
  name: "Cosmos: reads from a replica that lags",
  run: async ({ service, client, tally, plans }, c) => {
    const effect: FaultEffect = { kind: "stale", ms: STALE_MS };
    const rules = [{ operation: "any" as const, probability: 0.3, effect }];
    const seed = c.whole(1, 1_000_000);
    return plans.take(async () => {
      const window = { from: client.now(), to: Number.POSITIVE_INFINITY };
      tally.stale.push(window);
      await quietly(() => service.setFaults({ cosmos: { seed, rules } }));
      await sleep(PLAN_MS);
      await quietly(() => service.setFaults({ cosmos: { rules: [] } }));
      window.to = client.now();
      return true;
    });
  },
};

/** Longer than a minute: a grant lapses meanwhile, the breaker closes and opens, jobs wait in line. */
const REFUSED_MS = 65_000;
/** The rule dies with the emulators, and is ended with the rules of others: it is set again and again. */
const REFUSED_AGAIN_MS = 1_000;

/** In the long form, once a run. */
export const refusedForLong: Injector = {
  name: "Models: a lab that answers nothing but 429 for over a minute",
  run: async ({ service }) => {
    const until = performance.now() + REFUSED_MS;
    while (performance.now() < until) {
      await quietly(async () => {
        await service.setModelFaults({ reset: true, profile: "deepseek" });
        await service.setModelFaults([{ profile: "deepseek", status: 429, retry_after_ms: 2_000 }]);
      });
      await sleep(REFUSED_AGAIN_MS);
    }
    await quietly(() => service.setModelFaults({ reset: true, profile: "deepseek" }));
    return true;
  },
};

/** Faults that kill nobody, with their weights. */
export const OTHERS: readonly (readonly [weight: number, injector: Injector])[] = [
  [4, freeze],
  [3, staleReads],
  [4, courier],
  [2, poison],
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
