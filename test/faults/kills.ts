import type { FaultOperation as CosmosOperation } from "../../local/cosmos/fault-plan.ts";
import type { FaultOperation as BusOperation } from "../../local/service-bus/fault-plan.ts";
import type { Injector, World } from "./injector.ts";
import { quietly } from "./injectors.ts";
import type { Chances } from "./seeded.ts";

function killHost({ service, tally }: World, pid: number | undefined): boolean {
  if (pid === undefined || tally.frozen.has(pid) || !service.signal(pid, "SIGKILL")) return false;
  tally.hostsKilled++;
  tally.kills++;
  return true;
}

function killEveryHost(world: World): boolean {
  return world.service
    .processes()
    .host.map((pid) => killHost(world, pid))
    .some(Boolean);
}

function killEmulators({ service, tally }: World): boolean {
  const { emulators: pid } = service.processes();
  if (pid === null || !service.signal(pid, "SIGKILL")) return false;
  tally.kills++;
  return true;
}

/** Any, of whichever group of functions. */
function killSome(world: World, c: Chances): boolean {
  const { host } = world.service.processes();
  return host.length > 0 && killHost(world, c.pick(host));
}

const oneHost: Injector = {
  name: "kill -9 of a host",
  run: async (world, c) => killSome(world, c),
};

const everyHost: Injector = {
  name: "kill -9 of all hosts at once",
  run: async (world) => killEveryHost(world),
};
const emulators: Injector = { name: "kill -9 of the emulators", run: async (world) => killEmulators(world) };

/** Jobs of the lab whose quota is short are waiting at most times: its line is the dispatcher's. */
const dispatcher: Injector = {
  name: "kill -9 of the host that lets waiting jobs go",
  run: async (world) => {
    return killHost(world, await dispatcherOf(world));
  },
};

/** Undefined where none is, or the store that knows is away. */
async function dispatcherOf({ service }: World): Promise<number | undefined> {
  try {
    return await service.dispatcher();
  } catch {
    return undefined;
  }
}

/** Where a job can be caught: an operation that is held up while it waits to be done, or done and not answered. */
type Step =
  | { readonly at: "cosmos"; readonly operation: CosmosOperation; readonly when: "before" | "after" }
  | { readonly at: "service_bus"; readonly operation: BusOperation; readonly when: "before" | "after" }
  | { readonly at: "call" };

/** How long it is held up: the kill comes long before; what is held up then is done for a caller who is gone. */
const HELD_MS = 1_500;
/** When no job comes to the step within this time the kill is called off. */
const STEP_PATIENCE_MS = 3_000;

export const STEPS: readonly Step[] = [
  { at: "cosmos", operation: "batch", when: "before" },
  { at: "cosmos", operation: "batch", when: "after" },
  { at: "cosmos", operation: "read_batch", when: "before" },
  { at: "cosmos", operation: "read", when: "after" },
  { at: "service_bus", operation: "send", when: "before" },
  { at: "service_bus", operation: "send", when: "after" },
  { at: "service_bus", operation: "complete", when: "before" },
  { at: "service_bus", operation: "complete", when: "after" },
  { at: "call" },
];

export const stepName = (step: Step) =>
  step.at === "call" ? "call" : `${step.at} ${step.operation}, ${step.when} it is done`;

/** Orders that the step be held up for the next one who comes to it, but for the first `skip`. */
export async function holdUp({ service }: World, step: Step, skip: number): Promise<void> {
  switch (step.at) {
    case "cosmos": {
      const { operation, when } = step;
      const effect = { kind: "delay" as const, ms: HELD_MS, when };
      const rules = [{ operation, container: "jobs", skip, count: 1, effect }];
      return service.setFaults({ cosmos: { seed: 1, rules } });
    }
    case "service_bus": {
      // Done and never answered: the connection is cut, and its host dies before it can open another.
      const effect =
        step.when === "before"
          ? { kind: "delay" as const, ms: HELD_MS }
          : { kind: "drop" as const, when: "after" as const };
      const rules = [{ operation: step.operation, skip, count: 1, effect }];
      return service.setFaults({ service_bus: { seed: 1, rules } });
    }
    case "call":
      return service.setModelFaults([{ latency_ms: HELD_MS, after: skip, times: 1 }]);
  }
}

/** How many have been held up so far, by kind of step. */
export async function heldUp({ service }: World): Promise<Record<Step["at"], number>> {
  const { cosmos, service_bus } = await service.counters();
  const call = await service.modelFaultsStruck("once");
  return { cosmos: cosmos.faults ?? 0, service_bus: service_bus.faults ?? 0, call };
}

export async function letGo({ service }: World): Promise<void> {
  await service.setFaults({ cosmos: { rules: [] }, service_bus: { seed: 0, rules: [] } });
}

/** What is killed while it waits: whoever of the hosts is held up is among all of them. */
const VICTIMS: readonly (readonly [weight: number, kill: (world: World, c: Chances) => boolean])[] = [
  [3, (world) => killEveryHost(world)],
  [4, (world, c) => killSome(world, c)],
  [2, (world) => killEmulators(world)],
];

/** The job is whoever comes there: under load, some are at each step. */
async function killAt(world: World, step: Step, skip: number, kill: () => boolean): Promise<boolean> {
  return world.plans.take(async () => {
    let killed = false;
    await quietly(async () => {
      const before = await heldUp(world);
      await holdUp(world, step, skip);
      const met = await world.service.until(
        STEP_PATIENCE_MS,
        async () => (await heldUp(world))[step.at] > before[step.at],
      );
      killed = met && kill();
    });
    await quietly(() => letGo(world));
    if (killed) world.tally.add(`  at ${stepName(step)}`);
    return killed;
  });
}

const atSomeStep: Injector = {
  name: "kill -9 at a step of a job's life",
  run: async (world, c) => {
    const [step, skip, kill] = [c.pick(STEPS), c.whole(0, 5), c.weighted(VICTIMS)];
    return killAt(world, step, skip, () => kill(world, c));
  },
};

/** All hosts die, so that whoever is held up there dies with them; if one is frozen, it is none of them. */
const atStep = (step: Step): Injector => ({
  name: `kill -9 of all hosts, one of them at ${stepName(step)}`,
  run: (world, c) => killAt(world, step, c.whole(0, 5), () => killEveryHost(world)),
});

/** Faults that kill, with their weights. */
export const KILLERS: readonly (readonly [weight: number, injector: Injector])[] = [
  [20, oneHost],
  [2, everyHost],
  [5, emulators],
  [5, dispatcher],
  [14, atSomeStep],
];

/** What every long run has of them; with the steps' 27 victims they are over 60. */
export const LONG_KILLS: readonly (readonly [times: number, injector: Injector])[] = [
  ...STEPS.map((step) => [1, atStep(step)] as const),
  [14, oneHost],
  [1, everyHost],
  [6, emulators],
  [4, dispatcher],
  [6, atSomeStep],
];
