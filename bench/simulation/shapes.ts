import type { DeploymentLimits } from "../../local/model-endpoints/profiles.ts";
import { RateLimiter } from "../../local/model-endpoints/rate-limit.ts";
import { seeded } from "../../local/model-endpoints/seeded.ts";
import { Cloud, type SimDeployment, type SimJob } from "./cloud.ts";
import { Events } from "./events.ts";

/** Three deployments of 600 requests and 540,000 tokens a minute, 300 ms a call, as they can be limited. */
const LIMIT = { requestsPerMinute: 600, tokensPerMinute: 540_000 };
const bucket: DeploymentLimits = { ...LIMIT, windowSeconds: 1, tokensWindowSeconds: 1, shape: "bucket" };
const window: DeploymentLimits = { ...LIMIT, windowSeconds: 20, tokensWindowSeconds: 20, shape: "window" };

export interface Shape {
  readonly name: string;
  readonly limits: DeploymentLimits;
  /** The catalogue's figure over the true one. */
  readonly configured?: number;
  /** What else the catalogue says. */
  readonly says?: { readonly window_seconds?: number; readonly shape?: "bucket" | "window" };
  readonly deadFromMs?: number;
}

export const SHAPES: readonly Shape[] = [
  { name: "bucket", limits: bucket },
  { name: "bucket, refused calls count", limits: { ...bucket, refusedCallsCount: true } },
  { name: "window", limits: window },
  { name: "bucket, half taken by a stranger", limits: { ...bucket, strangerShare: 0.5 } },
  { name: "window, half taken by a stranger", limits: { ...window, strangerShare: 0.5 } },
  { name: "bucket, configured twice too high", limits: bucket, configured: 2 },
  { name: "window, configured twice too high", limits: window, configured: 2 },
  { name: "bucket, no headers", limits: { ...bucket, headers: false } },
  { name: "window, no headers", limits: { ...window, headers: false }, says: { window_seconds: 20 } },
  { name: "bucket, one dead from second 10", limits: bucket, deadFromMs: 10_000 },
  {
    name: "window of a second",
    limits: { ...window, windowSeconds: 1, tokensWindowSeconds: 1 },
  },
];

export const JOBS = Number(process.env.QUOTA_JOBS ?? 2_000);

/** Lognormal sizes with a mean of 1,000 tokens, none larger than a bucket holds. */
export function sizes(seed: string, count: number): number[] {
  const random = seeded(seed);
  const raw = Array.from({ length: count }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return 1000 * Math.exp(0.7 * normal - 0.245);
  });
  const scale = (1000 * count) / raw.reduce((sum, each) => sum + each, 0);
  return raw.map((each) => Math.round(Math.min(6_000, Math.max(60, each * scale))));
}

/** Seconds the work takes at best: whole windows where there are windows. */
export function idealSeconds(shape: Shape, tokens: readonly number[], deployments: number): number {
  const share = 1 - (shape.limits.strangerShare ?? 0);
  const total = tokens.reduce((sum, each) => sum + each, 0);
  const perMinute = shape.limits.tokensPerMinute * share * deployments;
  if (shape.limits.shape === "bucket") return (total / perMinute) * 60 + 0.3;
  const seconds = shape.limits.tokensWindowSeconds ?? 60;
  return Math.floor(total / ((perMinute * seconds) / 60)) * seconds + 0.3;
}

export function runShape(shape: Shape, seed: string): string {
  const events = new Events();
  const random = seeded(seed);
  const startMs = events.nowMs;
  const names = ["a", "b", "c"];
  const factor = shape.configured ?? 1;
  const deployments: SimDeployment[] = names.map((name) => ({
    name,
    provider: name,
    pool: name,
    limits: {
      requests_per_minute: LIMIT.requestsPerMinute * factor,
      tokens_per_minute: LIMIT.tokensPerMinute * factor,
      ...shape.says,
    },
    limiter: new RateLimiter(shape.limits),
    counted: (tokens) => Math.round(tokens * 1.03),
    callMs: () => 300,
    dead: false,
  }));
  const cloud = new Cloud(events, deployments, { instances: 2, random });
  const tokens = sizes(seed, JOBS);
  for (const [n, each] of tokens.entries()) {
    const job: SimJob = {
      tenant_id: "team-a",
      job_id: `job-${n}`,
      priority: "standard",
      tokens: Math.round(each / 1.03),
      deployments: names,
      since_ms: startMs + n,
      deadline_ms: startMs + 86_400_000,
      offered_ms: startMs + (n / JOBS) * 2_500,
    };
    events.at(job.offered_ms, () => cloud.submit(job));
  }
  const last = deployments.at(-1);
  if (shape.deadFromMs !== undefined && last !== undefined)
    events.after(shape.deadFromMs, () => {
      last.dead = true;
    });
  events.run(startMs + 600_000, () => cloud.counts.done + cloud.counts.late === JOBS);
  const seconds = (cloud.lastEndedMs - startMs) / 1000;
  let ideal = idealSeconds(shape, tokens, 3);
  if (shape.deadFromMs !== undefined) {
    const total = tokens.reduce((sum, each) => sum + each, 0);
    const before = shape.deadFromMs / 1000;
    ideal = before + (total - 27_000 * before) / 18_000 + 0.3;
  }
  const { done, refused, failedCalls, jobWrites, quotaWrites, nudges } = cloud.counts;
  const cells = [
    shape.name,
    done,
    seconds.toFixed(1),
    (seconds / ideal).toFixed(3),
    (refused / JOBS).toFixed(3),
    failedCalls,
    ((jobWrites + quotaWrites) / JOBS).toFixed(2),
    (nudges / JOBS).toFixed(2),
  ];
  return `| ${cells.join(" | ")} |`;
}
