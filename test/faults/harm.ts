import { setTimeout as sleep } from "node:timers/promises";
import type { Injector, World } from "./injector.ts";
import { OTHERS, refusedForLong } from "./injectors.ts";
import { KILLERS, LONG_KILLS } from "./kills.ts";
import { MIN_KILLS, missingHarm } from "./kinds.ts";
import { type Chances, chances } from "./seeded.ts";

export interface HarmOptions {
  readonly seed: number;
  readonly jobs: number;
  readonly kills: number;
  readonly others: number;
  readonly isLong: boolean;
}

interface Load {
  readonly submitted: number;
  readonly done: number;
  /** Whether jobs still come. */
  readonly wantsMore: boolean;
}

/**
 * Spread over the run: the next fault comes when its share of the jobs has been submitted. In a long run those that
 * had nobody to be done to, or struck nobody, are then tried again, as long as jobs come.
 */
export async function harmOf(options: HarmOptions, world: World, load: Load): Promise<void> {
  const { seed, jobs, isLong } = options;
  const inflict = async (injector: Injector, c: Chances) => {
    await sleep(c.whole(0, 250));
    if ((await injector.run(world, c)) !== false) world.tally.add(injector.name);
  };
  const sequence = async (faults: readonly Injector[], c: Chances) => {
    for (const [n, injector] of faults.entries()) {
      const share = ((n + 0.5) / faults.length) * jobs;
      while (load.submitted < Math.floor(share) && load.done < jobs) await sleep(20);
      await inflict(injector, c);
    }
  };
  const [kills, others] = [chances(seed, "kills"), chances(seed, "others")];
  const killers = isLong ? times(LONG_KILLS) : dealt(KILLERS, options.kills, kills);
  await Promise.all([
    sequence(shuffled(killers, kills), kills),
    sequence(shuffled(dealt(OTHERS, options.others, others), others), others),
    sequence(isLong ? [refusedForLong] : [], others),
  ]);
  while (isLong && load.wantsMore) {
    const [missing] = missingHarm(world.tally);
    const more = world.tally.kills < MIN_KILLS ? LONG_KILLS.at(-1)?.[1] : undefined;
    const next = missing ?? more;
    if (next === undefined) return;
    await inflict(next, kills);
  }
}

function times(from: readonly (readonly [times: number, injector: Injector])[]): Injector[] {
  return from.flatMap(([many, injector]) => Array.from({ length: many }, () => injector));
}

/** So many by their weight, each kind at least once where there is room for all. */
function dealt(
  from: readonly (readonly [weight: number, injector: Injector])[],
  many: number,
  c: Chances,
): Injector[] {
  const each = many < from.length ? [] : from.map(([, injector]) => injector);
  return [...each, ...Array.from({ length: many - each.length }, () => c.weighted(from))];
}

function shuffled(injectors: readonly Injector[], c: Chances): Injector[] {
  return injectors
    .map((injector) => ({ injector, at: c.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ injector }) => injector);
}
