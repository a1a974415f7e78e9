import { setTimeout as sleep } from "node:timers/promises";
import type { FaultEffect } from "../../local/cosmos/fault-plan.ts";
import type { FaultRule as BusRule } from "../../local/service-bus/fault-plan.ts";
import { courier, poison } from "./courier.ts";
import type { Injector, World } from "./injector.ts";

/** Longer than a lost lease of 3 s takes to be found and its job to be called again, so that two hosts have had it. */
const FROZEN_MS = 12_000;

const freeze: Injector = {
  name: "a host frozen beyond its lease, then continued",
  run: async ({ service, tally }, c) => {
    const { host } = service.processes();
    if (host.length === 0) return false;
    const pid = c.pick(host);
    if (!service.signal(pid, "SIGSTOP")) return false;
    tally.frozen.add(pid);
    await sleep(FROZEN_MS);
    tally.frozen.delete(pid);
    return service.signal(pid, "SIGCONT");
  },
};

/** How long a fault plan is in force. */
const PLAN_MS = 2_500;

/** A plan dies with the emulators it was given to; ending it then is no more than that. Answers how often it struck. */
async function during(
  { plans }: World,
  plan: { set: () => Promise<void>; end: () => Promise<void>; struck: () => Promise<number> },
): Promise<boolean> {
  return plans.take(async () => {
    let times = 0;
    await quietly(async () => {
      const before = await plan.struck();
      await plan.set();
      await sleep(PLAN_MS);
      times = (await plan.struck()) - before;
    });
    await quietly(plan.end);
    return times > 0;
  });
}

/** The emulators may be down at this moment: then there is nothing to plan for. */
export async function quietly(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (thrown) {
    if (!isAway(thrown)) throw thrown;
  }
}

const struckBy = async ({ service }: World, emulator: "cosmos" | "service_bus") =>
  (await service.counters())[emulator].faults ?? 0;

function isAway(thrown: unknown): boolean {
  const name = (thrown as Error).name;
  return thrown instanceof TypeError || name === "TimeoutError" || name === "AbortError";
}

function cosmos(name: string, probability: number, effect: FaultEffect): Injector {
  return {
    name: `Cosmos: ${name}`,
    run: async (world, c) => {
      const { service } = world;
      const seed = c.whole(1, 1_000_000);
      const rules = [{ operation: "any" as const, probability, effect }];
      return during(world, {
        set: () => service.setFaults({ cosmos: { seed, rules } }),
        end: () => service.setFaults({ cosmos: { rules: [] } }),
        struck: () => struckBy(world, "cosmos"),
      });
    },
  };
}

function bus(name: string, rule: BusRule): Injector {
  return {
    name: `Service Bus: ${name}`,
    run: async (world, c) => {
      const { service } = world;
      const seed = c.whole(1, 1_000_000);
      return during(world, {
        set: () => service.setFaults({ service_bus: { seed, rules: [rule] } }),
        end: () => service.setFaults({ service_bus: { seed: 0, rules: [] } }),
        struck: () => struckBy(world, "service_bus"),
      });
    },
  };
}

function models(name: string, rule: object): Injector {
  return {
    name: `Models: ${name}`,
    run: async (world) => {
      const { service } = world;
      return during(world, {
        set: () => service.setModelFaults([rule]),
        end: () => service.setModelFaults({ reset: true }),
        struck: () => service.modelFaultsStruck("all_models"),
      });
    },
  };
}

/** Longer than the app waits for one operation, 5 s: a write is applied, and nobody hears of it. */
const TIMED_OUT_MS = 6_000;

/** Replicas lag this far. */
const STALE_MS = 2_000;

const staleReads: Injector = {
  name: "Cosmos: reads from a replica that lags",
  run: async (world, c) => {
    const { service, client, tally } = world;
    const effect: FaultEffect = { kind: "stale", ms: STALE_MS };
    const rules = [{ operation: "any" as const, probability: 0.3, effect }];
    const seed = c.whole(1, 1_000_000);
    const window = { from: 0, to: Number.POSITIVE_INFINITY };
    return during(world, {
      set: () => {
        window.from = client.now();
        tally.stale.push(window);
        return service.setFaults({ cosmos: { seed, rules } });
      },
      end: async () => {
        await service.setFaults({ cosmos: { rules: [] } });
        window.to = client.now();
      },
      struck: () => struckBy(world, "cosmos"),
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

const timedOut = (when: "before" | "after"): FaultEffect => ({ kind: "delay", ms: TIMED_OUT_MS, when });
const refused = (status: number): FaultEffect => ({ kind: "refuse", status });

/** Faults that kill nobody, with their weights. */
export const OTHERS: readonly (readonly [weight: number, injector: Injector])[] = [
  [4, freeze],
  [3, staleReads],
  [4, courier],
  [2, poison],
  [3, cosmos("429", 0.5, { kind: "refuse", status: 429, retry_after_ms: 30 })],
  [3, cosmos("503", 0.4, refused(503))],
  [2, cosmos("449", 0.3, refused(449))],
  [2, cosmos("408", 0.3, refused(408))],
  [1, cosmos("409", 0.2, refused(409))],
  [1, cosmos("412", 0.2, refused(412))],
  [3, cosmos("connection cut before a write", 0.2, { kind: "drop", when: "before" })],
  [4, cosmos("connection cut after a write", 0.2, { kind: "drop", when: "after" })],
  [1, cosmos("a time-out before it is applied", 0.1, timedOut("before"))],
  [2, cosmos("a time-out after it is applied", 0.1, timedOut("after"))],
  [
    2,
    bus("busy", {
      ...{ operation: "any", probability: 0.4 },
      effect: { kind: "refuse", condition: "com.microsoft:server-busy" },
    }),
  ],
  ...(["before", "after"] as const).flatMap((when) => [
    [1, bus(`sends cut ${when}`, cut("send", 0.3, when))] as const,
    [1, bus(`settlements cut ${when}`, cut("complete", 0.2, when))] as const,
  ]),
  [2, bus("slow", { operation: "any", probability: 0.3, effect: { kind: "delay", ms: 1_500 } })],
  [
    2,
    bus("locks that run out", {
      ...{ operation: "receive", probability: 0.3 },
      effect: { kind: "expireLock" },
    }),
  ],
  [2, models("503 for a while", { status: 503, probability: 0.3 })],
  [2, models("429 for a while", { status: 429, retry_after_ms: 300, probability: 0.5 })],
  [2, models("connections reset", { fault: "reset", probability: 0.2 })],
  [1, models("hang for 1 s", { latency_ms: 1_000, probability: 0.3 })],
];

function cut(operation: "send" | "complete", probability: number, when: "before" | "after"): BusRule {
  return { operation, probability, effect: { kind: "drop", when } };
}
