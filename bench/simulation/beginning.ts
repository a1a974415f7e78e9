import { seeded } from "../../local/model-endpoints/seeded.ts";
import { row } from "../measure.ts";
import { Events } from "./events.ts";
import type { Asked } from "./memory-store.ts";
import { PlayedService, turn } from "./played-service.ts";
import type { Scenario } from "./scenarios.ts";
import { emptied, makeWorld, offer } from "./world.ts";

/** What the other scenarios leave out: every instance has its own parts of the scheduler (played-service.ts). */
export interface Beginning {
  readonly scenario: Scenario;
  readonly seconds: number;
  readonly done: number;
  /** Called out of an instance's own slice, without waiting. */
  readonly straight: number;
  readonly refusedStraight: number;
  readonly refusedGranted: number;
  readonly jobWrites: number;
  readonly asked: Asked;
}

const MOST_SECONDS = 600;

export async function begin(scenario: Scenario, seed: string): Promise<Beginning> {
  const events = new Events();
  const startMs = events.nowMs;
  const world = makeWorld(scenario, seeded(`world ${seed}`));
  for (const { members, limits } of world.quotas)
    if (members[0] !== undefined && scenario.bucketsFull !== true)
      emptied(members[0].limiter, limits, startMs);
  const weights = new Map(world.tenants.map(({ id, weight }) => [id, weight]));
  const layout = {
    ...{ name: "all alike", sweepEveryMs: 5_000, startMs: 0 },
    groups: [{ triggers: ["nudges", "releases", "sweep"], processes: scenario.instances }],
  } as const;
  const service = new PlayedService(events, world.deployments, layout, {
    random: seeded(`delays ${seed}`),
    weightOf: (tenant) => weights.get(tenant) ?? 1,
  });
  offer(world, events, seeded(`jobs ${seed}`), (job) => service.submit(job));
  await turn(events, startMs + MOST_SECONDS * 1_000, () => service.done >= scenario.jobs);
  const { done, straight, refusedStraight, refusedGranted, jobWrites } = service;
  const seconds = (service.lastEndedMs - startMs) / 1_000;
  const { asked } = service.store;
  return { scenario, seconds, done, straight, refusedStraight, refusedGranted, jobWrites, asked };
}

export const BEGINNING_HEAD = [
  ...["jobs", "deployments, instances", "called straight", "refused a job: straight, granted"],
  ...["Cosmos writes a job", "jobs' own", "quota's share", "lease", "pools, by the dispatcher (items)"],
  ...["pools, by instances", "reports", "of these refused (412)", "point reads a job", "queries a job"],
];

export function beginningRow(begun: Beginning): void {
  const { scenario, asked, jobWrites } = begun;
  const each = (count: number, digits = 2) => (count / scenario.jobs).toFixed(digits);
  const quota = asked.lease + asked.dispatcher + asked.instances + asked.reports;
  row(
    `${scenario.jobs.toLocaleString("en")}${scenario.bucketsFull === true ? ", buckets full" : ""}`,
    `${scenario.deployments}, ${scenario.instances}`,
    begun.straight,
    `${each(begun.refusedStraight, 4)}, ${each(begun.refusedGranted, 4)}`,
    each(jobWrites + quota),
    each(jobWrites),
    each(quota),
    asked.lease,
    `${asked.dispatcher} (${asked.items})`,
    asked.instances,
    asked.reports,
    asked.superseded,
    each(asked.reads),
    each(asked.queries),
  );
}
