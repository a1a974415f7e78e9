import type { DeploymentLimits } from "../../local/model-endpoints/profiles.ts";
import { RateLimiter } from "../../local/model-endpoints/rate-limit.ts";
import { seeded } from "../../local/model-endpoints/seeded.ts";
import { head, row } from "../measure.ts";
import type { SimDeployment } from "./cloud.ts";
import { Events } from "./events.ts";
import type { Layout } from "./platform.ts";
import { PlayedService, turn } from "./played-service.ts";

/**
 * The scheduler as the platform runs it: functions of different triggers in different processes, which stand still or
 * are taken away whenever no invocation is under way.
 */
export interface Hosting {
  readonly name: string;
  readonly layout: Layout;
  readonly jobs: number;
  /** Calls a minute; absent: no quota. */
  readonly perMinute?: number;
  readonly callMs: number;
  readonly concurrency?: number;
  /** All jobs at the first moment, not within some seconds. */
  readonly atOnce?: boolean;
  /** What happens to the process that dispatches, and at which seconds. */
  readonly leader?: { readonly end: "killed" | "told to end"; readonly atSeconds: readonly number[] };
}

const SHARED: Layout = {
  name: "two processes",
  groups: [{ triggers: ["nudges", "releases", "sweep"], processes: 2 }],
  ...{ sweepEveryMs: 5_000, startMs: 2_000 },
};
const SPLIT: Layout = {
  name: "split, two of each",
  groups: (["nudges", "releases", "sweep"] as const).map((trigger) => ({
    triggers: [trigger],
    processes: 2,
  })),
  ...{ sweepEveryMs: 5_000, startMs: 2_000 },
};
const KILLED: Layout = { ...SPLIT, name: "split, idle ones taken away", killAfterMs: 20_000 };
const FROZEN: Layout = { ...KILLED, name: "split, frozen and taken away", freezeAfterMs: 2_000 };
const FROZEN_AT_ONCE: Layout = { ...FROZEN, name: "split, frozen after 0.5 s", freezeAfterMs: 500 };
const SLOW_SWEEP: Layout = { ...FROZEN, name: "split, frozen, sweep every 30 s", sweepEveryMs: 30_000 };
const FROM_ZERO: Layout = {
  ...FROZEN,
  name: "split, from zero, 40 s a start",
  fromZero: true,
  startMs: 40_000,
};

const BACKLOG = { jobs: 600, perMinute: 600, callMs: 300 };
const FEW_AT_A_TIME = { jobs: 160, callMs: 1_000, concurrency: 4 };
const TWO_AT_A_TIME = { jobs: 12, callMs: 50_000, concurrency: 2, atOnce: true };

export const HOSTINGS: readonly Hosting[] = [
  ...[SHARED, SPLIT, KILLED, FROZEN, FROZEN_AT_ONCE, SLOW_SWEEP].map((layout) => ({
    ...{ name: "backlog", layout, ...BACKLOG },
  })),
  { name: "the leader killed", layout: SPLIT, ...BACKLOG, leader: { end: "killed", atSeconds: [20] } },
  {
    ...{ name: "the leader told to end, three times", layout: SPLIT, ...BACKLOG },
    leader: { end: "told to end", atSeconds: [15, 30, 45] },
  },
  { name: "backlog at once", layout: FROM_ZERO, ...BACKLOG, jobs: 300, atOnce: true },
  ...[SHARED, SPLIT, KILLED, FROZEN].map((layout) => ({
    ...{ name: "4 at a time", layout, ...FEW_AT_A_TIME },
  })),
  {
    ...{ name: "4 at a time, the leader told to end, three times", layout: SPLIT, ...FEW_AT_A_TIME },
    leader: { end: "told to end", atSeconds: [10, 20, 30] },
  },
  {
    ...{ name: "4 at a time, the leader killed", layout: SPLIT, ...FEW_AT_A_TIME },
    leader: { end: "killed", atSeconds: [15] },
  },
  ...[SHARED, SPLIT, FROZEN].map((layout) => ({ name: "2 at a time", layout, ...TWO_AT_A_TIME })),
];

export interface Hosted {
  readonly done: number;
  readonly seconds: number;
  readonly ideal: number;
  /** The longest time without a call, while jobs waited. */
  readonly longestGap: number;
  readonly refused: number;
  readonly mostRunning: number;
}

const OFFERED_MS = 3_000;
const TOKENS = 500;
const MOST_SECONDS = 900;

export async function host(hosting: Hosting, seed: string): Promise<Hosted> {
  const { layout, jobs, perMinute, callMs, concurrency, leader } = hosting;
  const events = new Events();
  const startMs = events.nowMs;
  const limits: DeploymentLimits | undefined =
    perMinute === undefined
      ? undefined
      : {
          ...{ requestsPerMinute: perMinute, tokensPerMinute: perMinute * 10 * TOKENS, shape: "bucket" },
          ...{ windowSeconds: 1, tokensWindowSeconds: 1 },
        };
  const deployment: SimDeployment = {
    ...{ name: "one", provider: "one", pool: "one", dead: false, limiter: new RateLimiter(limits) },
    limits: {
      ...(perMinute === undefined ? {} : { requests_per_minute: perMinute }),
      ...(concurrency === undefined ? {} : { concurrency }),
    },
    ...{ counted: (tokens) => tokens, callMs: () => callMs },
  };
  const service = new PlayedService(events, [deployment], layout, { random: seeded(seed) });
  for (let n = 0; n < jobs; n++)
    events.after(hosting.atOnce === true ? 0 : (n / jobs) * OFFERED_MS, () =>
      service.submit({
        ...{ tenant_id: "a", job_id: `job-${n}`, priority: "standard", tokens: TOKENS, deployments: ["one"] },
        ...{ since_ms: events.nowMs, offered_ms: events.nowMs, deadline_ms: events.nowMs + 86_400_000 },
      }),
    );
  for (const second of leader?.atSeconds ?? [])
    events.after(second * 1_000, () => service.endLeader(leader?.end === "killed"));
  await turn(events, startMs + MOST_SECONDS * 1_000, () => service.done >= jobs);
  const ideal =
    perMinute === undefined
      ? (jobs / (concurrency ?? jobs)) * (callMs / 1_000)
      : ((jobs - perMinute / 60) * 60) / perMinute + callMs / 1_000;
  return {
    ...{ done: service.done, ideal, mostRunning: service.mostRunning },
    seconds: (service.lastEndedMs - startMs) / 1_000,
    longestGap: service.longestGapMs / 1_000,
    refused: service.refusedStraight + service.refusedGranted,
  };
}

export async function hostings(seed: string, only: string): Promise<void> {
  head(
    "what",
    "processes",
    "jobs done",
    "seconds",
    "ratio to the ideal",
    "longest gap, s",
    "refused",
    "most at a time",
  );
  for (const hosting of HOSTINGS) {
    if (!hosting.name.startsWith(only)) continue;
    const { done, seconds, ideal, longestGap, refused, mostRunning } = await host(hosting, seed);
    const [ratio, gap] = [(seconds / ideal).toFixed(3), longestGap.toFixed(1)];
    row(hosting.name, hosting.layout.name, done, seconds.toFixed(1), ratio, gap, refused, mostRunning);
  }
}
