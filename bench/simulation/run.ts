import { seeded } from "../../local/model-endpoints/seeded.ts";
import { percentile } from "../measure.ts";
import { Cloud } from "./cloud.ts";
import { Events } from "./events.ts";
import { Figures } from "./figures.ts";
import type { Counts } from "./machinery.ts";
import type { Scenario } from "./scenarios.ts";
import { emptied, makeWorld, offer, trouble, type World } from "./world.ts";

export interface Run {
  readonly scenario: Scenario;
  readonly seed: string;
  readonly world: World;
  readonly counts: Counts;
  readonly figures: Figures;
  /** Virtual time until the last job had ended. */
  readonly seconds: number;
  readonly utilisation: number;
  readonly jainLowest: number;
  readonly jainMedian: number;
  readonly mostWaiting: number;
  /** This machine's, which differs from run to run. */
  readonly schedulerCpuMs: number;
}

/** Bins of a plot. */
const BINS = 60;
/** A run that has not ended after so many times the time it should take is broken. */
const MOST_TIMES = 5;
const MARGIN_SECONDS = 600;

/** One scenario from beginning to end: the same seed gives the same run, but for the CPU it takes. */
export function run(scenario: Scenario, seed: string): Run {
  const events = new Events();
  const startMs = events.nowMs;
  const world = makeWorld(scenario, seeded(`world ${seed}`));
  const weights = new Map(world.tenants.map(({ id, weight }) => [id, weight]));
  const ideal = Math.max(world.offeredSeconds, (scenario.jobs / scenario.quotaJobsAnHour) * 3_600);
  const figures = new Figures(world, startMs, Math.max(1, Math.ceil((ideal * 1.1) / BINS)));
  const cloud = new Cloud(events, world.deployments, {
    instances: scenario.instances,
    random: seeded(`delays ${seed}`),
    weightOf: (tenant) => weights.get(tenant) ?? 1,
    watch: figures.watch(),
  });
  for (const { members, limits } of world.quotas)
    if (members[0] !== undefined && scenario.bucketsFull !== true)
      emptied(members[0].limiter, limits, startMs);
  let submitted = 0;
  offer(world, events, seeded(`jobs ${seed}`), (job) => {
    submitted++;
    figures.submitted(job);
    cloud.submit(job);
  });
  trouble(world, events);
  let mostWaiting = 0;
  const isDone = () => submitted === scenario.jobs && cloud.isDone;
  const everySecond = (): void => {
    mostWaiting = Math.max(mostWaiting, cloud.scheduler.queue.size);
    figures.look((name) => cloud.scheduler.queue.isWaitedFor(name));
    if (!isDone()) events.after(1_000, everySecond);
  };
  events.after(1_000, everySecond);
  events.run(startMs + (ideal * MOST_TIMES + MARGIN_SECONDS) * 1_000, isDone);
  const jain = figures.jain.toSorted((a, b) => a - b);
  return {
    ...{ scenario, seed, world, figures, counts: cloud.counts, mostWaiting },
    seconds: (cloud.lastEndedMs - startMs) / 1_000,
    utilisation: figures.used / figures.offered,
    jainLowest: jain[0] ?? Number.NaN,
    jainMedian: percentile(jain, 0.5),
    schedulerCpuMs: cloud.schedulerCpuMs,
  };
}
