import type { DeploymentLimits } from "../../local/model-endpoints/profiles.ts";
import { RateLimiter } from "../../local/model-endpoints/rate-limit.ts";
import { seeded } from "../../local/model-endpoints/seeded.ts";
import { head, row } from "../measure.ts";
import { Cloud, type SimDeployment, type SimJob } from "./cloud.ts";
import { Events } from "./events.ts";
import { SHAPES, sizes } from "./shapes.ts";

const NAMES = ["a", "b", "c"];
const FEW_JOBS = 10;
const CALL_MS = 300;
/** What servers count more than is estimated. */
const COUNTED = 1.03;
/** The small tenant comes when all is known of the deployments, and the other's jobs wait: at any time of a window. */
const COMES_MS = 60_000;
const COMES_WITHIN_MS = 20_000;
const PATIENCE_MS = 900_000;

/** A tenant with 10 jobs beside one with `jobs`: how long its own take, and how long alone at half the quota. */
export function neighbours(jobs: number, seed: string): void {
  head(
    "limits",
    "alone, half the quota, all of it there: s",
    "their tokens at half the flow, and one call: s",
    `beside ${jobs.toLocaleString("en")} jobs: s`,
  );
  for (const name of ["bucket", "window"]) {
    const limits = SHAPES.find((each) => each.name === name)?.limits;
    if (limits === undefined) continue;
    const alone = secondsOfFew(halved(limits), 200, seed, { isOver: true });
    const beside = secondsOfFew(limits, jobs, seed, { isOver: false });
    const tokens = sizes(`few ${seed}`, FEW_JOBS).reduce((sum, each) => sum + each, 0) * COUNTED;
    const flow = ((NAMES.length * limits.tokensPerMinute) / 60) * 0.5;
    row(name, alone.toFixed(2), (tokens / flow + CALL_MS / 1000).toFixed(2), beside.toFixed(2));
  }
}

/** A bucket stays as large as it is: the largest jobs must fit. */
function halved(limits: DeploymentLimits): DeploymentLimits {
  const { requestsPerMinute, tokensPerMinute, windowSeconds, tokensWindowSeconds = windowSeconds } = limits;
  const longer = limits.shape === "bucket" ? 2 : 1;
  return {
    ...limits,
    ...{ requestsPerMinute: requestsPerMinute / 2, tokensPerMinute: tokensPerMinute / 2 },
    ...{ windowSeconds: windowSeconds * longer, tokensWindowSeconds: tokensWindowSeconds * longer },
  };
}

/**
 * Seconds from the few jobs' offer until the last of them has ended.
 * @param others jobs of another tenant, offered at first
 * @param isOver whether those have ended by then
 */
export function secondsOfFew(
  limits: DeploymentLimits,
  others: number,
  seed: string,
  { isOver }: { isOver: boolean },
): number {
  const events = new Events();
  const startMs = events.nowMs;
  const deployments = NAMES.map(
    (name): SimDeployment => ({
      ...{ name, provider: name, pool: name, dead: false, limiter: new RateLimiter(limits) },
      limits: { requests_per_minute: limits.requestsPerMinute, tokens_per_minute: limits.tokensPerMinute },
      counted: (tokens) => Math.round(tokens * COUNTED),
      callMs: () => CALL_MS,
    }),
  );
  let left = FEW_JOBS;
  const completed = ({ tenant_id }: SimJob) => {
    if (tenant_id === "few") left--;
  };
  const cloud = new Cloud(events, deployments, { instances: 2, random: seeded(seed), watch: { completed } });
  const submit = (tenant_id: string, n: number, tokens: number) =>
    cloud.submit({
      ...{ tenant_id, job_id: `${tenant_id}-${n}`, priority: "standard", tokens, deployments: NAMES },
      ...{ since_ms: events.nowMs, offered_ms: events.nowMs, deadline_ms: events.nowMs + 86_400_000 },
    });
  const many = sizes(seed, others);
  for (const [n, tokens] of many.entries())
    events.after((n / others) * 10_000, () => submit("many", n, tokens));
  const comesMs = startMs + COMES_MS + seeded(`comes ${seed}`)() * COMES_WITHIN_MS;
  events.at(comesMs, () => {
    if (isOver && !cloud.isDone) throw new Error("the other tenant's jobs are not as they should be");
    for (const [n, tokens] of sizes(`few ${seed}`, FEW_JOBS).entries()) submit("few", n, tokens);
  });
  events.run(comesMs + PATIENCE_MS, () => left === 0);
  return left > 0 ? Number.NaN : (events.nowMs - comesMs) / 1000;
}
