import type { DeploymentLimits } from "../../local/model-endpoints/profiles.ts";
import { RateLimiter } from "../../local/model-endpoints/rate-limit.ts";
import { seeded } from "../../local/model-endpoints/seeded.ts";
import { head, percentile, row } from "../measure.ts";
import { Cloud, type SimDeployment, type SimJob } from "./cloud.ts";
import { Events } from "./events.ts";
import { sizes } from "./shapes.ts";

/** Deployments of 10 calls and 10,000 tokens a second each, which bear 40 calls at a time of 1.5 s. */
const NAMES = ["a", "b", "c", "d"];
const LIMITS: DeploymentLimits = {
  ...{ requestsPerMinute: 600, tokensPerMinute: 600_000, shape: "bucket" },
  ...{ windowSeconds: 1, tokensWindowSeconds: 1 },
};
const CONCURRENCY = 40;
const CALL_MS = 1_500;
const HONEST = 20;
/** Each honest tenant offers so much of what a fair share of 21 would be. */
const OFFERED_SHARE = 0.85;
const FAIR_PER_SECOND = (NAMES.length * 10) / (HONEST + 1);
const SECONDS = 120;
/** The hostile tenant comes once all is known of the deployments. */
const COMES_MS = 20_000;
const HOURS_MS = 86_400_000;

interface Hostility {
  readonly name: string;
  /** Jobs that it offers at once, and then each second. */
  readonly jobs: number;
  readonly eachSecond?: number;
  readonly job: Partial<SimJob>;
}

export const WAYS: readonly Hostility[] = [
  { name: "calls of 20 minutes", jobs: 400, job: { takesMs: 1_200_000 } },
  { name: "jobs that are always refused", jobs: 20, job: { fate: "refused" } },
  { name: "prompts that fail", jobs: 20, eachSecond: 5, job: { fate: "failed" } },
  { name: "jobs of no tokens", jobs: 5_000, job: { tokens: 0, uses: 0 } },
  { name: "prompts hidden from the estimate", jobs: 2_000, job: { tokens: 20, uses: 6_000 } },
  { name: "5,000 jobs of one not_before", jobs: 5_000, job: {} },
];

export interface Harm {
  /** The share of the honest jobs that was called within the time. */
  readonly called: number;
  readonly p50: number;
  readonly p95: number;
  /** The longest. */
  readonly most: number;
}

/** What honest tenants get beside one that does all of these. */
export function beside(ways: readonly Hostility[], seed: string): Harm {
  const events = new Events();
  const startMs = events.nowMs;
  const random = seeded(`hostile ${seed}`);
  const deployments = NAMES.map(
    (name): SimDeployment => ({
      ...{ name, provider: name, pool: name, dead: false, limiter: new RateLimiter(LIMITS) },
      limits: {
        requests_per_minute: LIMITS.requestsPerMinute,
        tokens_per_minute: LIMITS.tokensPerMinute,
        concurrency: CONCURRENCY,
      },
      counted: (tokens) => tokens,
      callMs: () => CALL_MS,
    }),
  );
  const waits: number[] = [];
  const completed = ({ tenant_id, offered_ms }: SimJob, startedMs: number) => {
    if (tenant_id !== "hostile") waits.push((startedMs - offered_ms) / 1_000);
  };
  const cloud = new Cloud(events, deployments, { instances: 3, random, watch: { completed } });
  let made = 0;
  const submit = (tenant_id: string, tokens: number, change: Partial<SimJob> = {}) => {
    const first = made++ % NAMES.length;
    const preferred = [...NAMES.slice(first), ...NAMES.slice(0, first)];
    cloud.submit({
      ...{ tenant_id, job_id: `job-${made}`, priority: "standard", tokens, deployments: preferred },
      ...{ since_ms: events.nowMs, offered_ms: events.nowMs, deadline_ms: events.nowMs + HOURS_MS },
      ...change,
    });
  };
  const jobs = Math.floor(HONEST * SECONDS * FAIR_PER_SECOND * OFFERED_SHARE);
  for (const [n, tokens] of sizes(`honest ${seed}`, jobs).entries())
    events.at(startMs + (n / jobs) * SECONDS * 1_000, () => submit(`honest-${n % HONEST}`, tokens));
  for (const { jobs: atOnce, eachSecond = 0, job } of ways) {
    const offer = (count: number) => {
      for (let n = 0; n < count; n++) submit("hostile", 1_000, job);
    };
    events.at(startMs + COMES_MS, () => offer(atOnce));
    for (let second = 1; second < SECONDS - COMES_MS / 1_000; second++)
      events.at(startMs + COMES_MS + second * 1_000, () => offer(eachSecond));
  }
  events.run(startMs + SECONDS * 1_000, () => false);
  waits.sort((a, b) => a - b);
  const figures = {
    p50: percentile(waits, 0.5),
    p95: percentile(waits, 0.95),
    most: waits.at(-1) ?? Infinity,
  };
  // What was offered in the last seconds may be under way still.
  const due = jobs * (1 - (2 * CALL_MS) / 1_000 / SECONDS);
  return { called: Math.min(1, waits.length / due), ...figures };
}

/** 20 tenants beside one that does them harm: in no way, in each, and in all at once. */
export function hostilities(seed: string): void {
  head("the 21st tenant offers", "honest jobs called", "lost", "they waited, s: p50", "p95", "longest");
  const alone = beside([], seed);
  const tell = (name: string, { called, p50, p95, most }: Harm) => {
    const lost = Math.max(0, alone.called - called);
    row(name, percent(called), percent(lost), p50.toFixed(2), p95.toFixed(2), most.toFixed(1));
  };
  tell("nothing", alone);
  for (const way of WAYS) tell(way.name, beside([way], seed));
  tell("all of these at once", beside(WAYS, seed));
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
