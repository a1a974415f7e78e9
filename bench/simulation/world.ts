import type { DeploymentLimits } from "../../local/model-endpoints/profiles.ts";
import { RateLimiter } from "../../local/model-endpoints/rate-limit.ts";
import type { Priority } from "../../shared/priority.ts";
import type { Random, SimDeployment, SimJob } from "./cloud.ts";
import type { Events } from "./events.ts";
import type { Scenario, Trouble } from "./scenarios.ts";

/** A quota in truth: what the deployments that name it share. */
export interface Quota {
  readonly name: string;
  readonly lab: number;
  readonly members: SimDeployment[];
  readonly limits: DeploymentLimits;
  /** Tokens a second that are ours, as things are now. */
  perSecond: number;
}

export interface Tenant {
  readonly id: string;
  readonly number: number;
  readonly weight: number;
  /** Its share of all jobs. */
  readonly share: number;
  readonly routes: readonly number[];
}

export interface World {
  readonly scenario: Scenario;
  readonly deployments: readonly SimDeployment[];
  readonly quotas: readonly Quota[];
  readonly tenants: readonly Tenant[];
  /** Deployments by route, the preferred first. */
  readonly routes: readonly (readonly string[])[];
  /** Seconds for which jobs are offered. */
  readonly offeredSeconds: number;
}

/** A job that knows what the figures need. */
export interface WorldJob extends SimJob {
  readonly tenant: number;
  readonly route: number;
}

/** A job's prompt and longest answer. */
export const MEAN_TOKENS = 1_000;
const MOST_TOKENS = 6_000;
/** What servers count more than is estimated. */
const COUNTED = 1.03;
const BUCKET_SECONDS = 15;
const WINDOW_SECONDS = 20;
const WEIGHTS = [1, 1, 1, 1, 1, 1, 2, 2, 2, 5];

export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export function makeWorld(scenario: Scenario, random: Random): World {
  const quotas = makeQuotas(scenario, random);
  const deployments = quotas.flatMap(({ members }) => members);
  const perRoute = Math.floor(scenario.deployments / scenario.routes);
  // Deployments are dealt out, so that every route has some of every lab.
  const routes = Array.from({ length: scenario.routes }, (_, route) =>
    deployments
      .filter((_deployment, n) => n % scenario.routes === route)
      .slice(0, perRoute)
      .map(({ name }) => name),
  );
  const idealSeconds = (scenario.jobs / scenario.quotaJobsAnHour) * 3_600;
  const offeredSeconds = idealSeconds * scenario.offeredOver;
  return { scenario, deployments, quotas, routes, offeredSeconds, tenants: makeTenants(scenario, random) };
}

function makeQuotas(scenario: Scenario, random: Random): Quota[] {
  const perSecond = (scenario.quotaJobsAnHour / 3_600) * MEAN_TOKENS;
  const sizes = Array.from({ length: scenario.deployments }, () => 0.5 + 1.5 * random());
  const sum = sizes.reduce((total, each) => total + each, 0);
  const quotas: Quota[] = [];
  for (const [n, size] of sizes.entries()) {
    // Labs one block after the other; in each every tenth deployment shares the quota of the one before.
    const lab = Math.floor((n * scenario.labs) / scenario.deployments);
    const before = quotas.at(-1);
    if (n % 10 === 9 && before?.lab === lab) {
      before.members.push(makeDeployment(n, before, before.members[0]?.limiter));
      continue;
    }
    const tokens = Math.round((perSecond * size * 60) / sum);
    const shape = random() < 0.6 ? "bucket" : "window";
    const seconds = shape === "bucket" ? BUCKET_SECONDS : WINDOW_SECONDS;
    const limits: DeploymentLimits = {
      ...{ requestsPerMinute: Math.ceil(tokens / 900), tokensPerMinute: tokens, shape },
      ...{ windowSeconds: seconds, tokensWindowSeconds: seconds },
    };
    const quota = { name: `pool-${n}`, lab, members: [], limits, perSecond: tokens / 60 };
    quotas.push({ ...quota, members: [makeDeployment(n, quota, undefined)] });
  }
  // What shared pools did not take is left out: all are made larger by as much.
  const made = quotas.reduce((total, each) => total + each.perSecond, 0);
  return quotas.map((quota) => scaled(quota, perSecond / made));
}

function scaled(quota: Quota, factor: number): Quota {
  const { limits } = quota;
  const larger = {
    ...limits,
    requestsPerMinute: Math.ceil(limits.requestsPerMinute * factor),
    tokensPerMinute: Math.round(limits.tokensPerMinute * factor),
  };
  const limiter = new RateLimiter(larger);
  const members = quota.members.map((member) => ({ ...member, limiter, limits: catalogueOf(larger) }));
  return { ...quota, limits: larger, perSecond: larger.tokensPerMinute / 60, members };
}

function catalogueOf({ requestsPerMinute, tokensPerMinute }: DeploymentLimits): SimDeployment["limits"] {
  return { requests_per_minute: requestsPerMinute, tokens_per_minute: tokensPerMinute };
}

function makeDeployment(
  n: number,
  { name, lab, limits }: Pick<Quota, "name" | "lab" | "limits">,
  shared: RateLimiter | undefined,
): SimDeployment {
  const medianMs = 1_500 + 700 * lab;
  return {
    name: `d-${n}`,
    provider: `lab ${String.fromCharCode(65 + lab)}`,
    pool: name,
    limits: catalogueOf(limits),
    limiter: shared ?? new RateLimiter(limits),
    counted: (tokens) => Math.round(tokens * COUNTED),
    callMs: (random) => Math.min(60_000, medianMs * Math.exp(0.5 * normal(random))),
    dead: false,
  };
}

function makeTenants({ tenants, skew, routes }: Scenario, random: Random): Tenant[] {
  const raw = Array.from({ length: tenants }, (_, n) => (n + 1) ** -skew);
  const sum = raw.reduce((total, each) => total + each, 0);
  return raw.map((each, number) => {
    const count = Math.min(routes, 1 + Math.floor(random() * 3));
    const first = Math.floor(random() * routes);
    return {
      ...{ id: `tenant-${number}`, number, share: each / sum },
      weight: WEIGHTS[Math.floor(random() * WEIGHTS.length)] ?? 1,
      routes: Array.from({ length: count }, (_, n) => (first + n * 3) % routes),
    };
  });
}

/** One job after the other as they are offered, each at its time. */
export function offer(world: World, events: Events, random: Random, submit: (job: WorldJob) => void): void {
  const { scenario, tenants, offeredSeconds } = world;
  const startMs = events.nowMs;
  const upTo: number[] = [];
  for (const { share } of tenants) upTo.push((upTo.at(-1) ?? 0) + share);
  let made = 0;
  const next = (): void => {
    if (made === scenario.jobs) return;
    events.at(
      startMs + offeredAt(scenario, (made + random()) / scenario.jobs) * offeredSeconds * 1000,
      () => {
        const tenant = tenants[indexOf(upTo, random())];
        if (tenant !== undefined) submit(makeJob(world, tenant, made, events.nowMs, random));
        made++;
        next();
      },
    );
  };
  next();
}

/** When, in shares of the time, a share of all jobs has been offered: the load goes up and down. */
function offeredAt({ wave, waves }: Scenario, share: number): number {
  if (wave === 0) return share;
  const by = (at: number) => at - (wave * Math.cos(2 * Math.PI * waves * at) - wave) / (2 * Math.PI * waves);
  let [low, high] = [0, 1];
  for (let n = 0; n < 30; n++) {
    const middle = (low + high) / 2;
    if (by(middle) < share) low = middle;
    else high = middle;
  }
  return low;
}

function indexOf(upTo: readonly number[], share: number): number {
  let [low, high] = [0, upTo.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((upTo[middle] ?? 1) < share) low = middle + 1;
    else high = middle;
  }
  return low;
}

function makeJob(world: World, tenant: Tenant, n: number, nowMs: number, random: Random): WorldJob {
  const route = tenant.routes[Math.floor(random() * tenant.routes.length)] ?? 0;
  // Lognormal; what is cut off at the top is made up for by the factor, so that the mean stays.
  const tokens = MEAN_TOKENS * Math.exp(0.7 * normal(random) - 0.245) * (1 / COUNTED);
  const [kind, urgency] = [random(), random()];
  const priority: Priority = kind < 0.1 ? "high" : kind < 0.8 ? "standard" : "low";
  return {
    ...{ tenant_id: tenant.id, job_id: `job-${n}`, priority, tenant: tenant.number, route },
    tokens: Math.round(Math.min(MOST_TOKENS, Math.max(60, tokens))),
    deployments: turned(world.routes[route] ?? [], random),
    since_ms: nowMs,
    offered_ms: nowMs,
    deadline_ms: nowMs + (urgency < 0.01 ? 600_000 : 86_400_000),
  };
}

/** A weighted route: it may begin with any of its deployments. */
function turned(names: readonly string[], random: Random): readonly string[] {
  const first = Math.floor(random() * names.length);
  return [...names.slice(first), ...names.slice(0, first)];
}

/** Lets the scenario's troubles come and go. */
export function trouble(world: World, events: Events): void {
  const startMs = events.nowMs;
  for (const each of world.scenario.troubles) {
    const at = (share: number) => startMs + share * world.offeredSeconds * 1000;
    events.at(at(each.from), () => begin(world, each, events.nowMs));
    events.at(at(each.to), () => end(world, each, events.nowMs));
  }
}

function begin(world: World, { kind, lab, share = 0.5 }: Trouble, nowMs: number): void {
  for (const quota of world.quotas) {
    if (quota.lab !== lab) continue;
    const { limits } = quota;
    if (kind === "down") for (const member of quota.members) member.dead = true;
    else if (kind === "foreign") relimit(quota, { ...limits, strangerShare: share }, nowMs);
    else
      relimit(
        quota,
        {
          ...limits,
          requestsPerMinute: limits.requestsPerMinute * share,
          tokensPerMinute: limits.tokensPerMinute * share,
        },
        nowMs,
      );
  }
}

function end(world: World, { kind, lab }: Trouble, nowMs: number): void {
  for (const quota of world.quotas) {
    if (quota.lab !== lab) continue;
    if (kind === "down") for (const member of quota.members) member.dead = false;
    else relimit(quota, quota.limits, nowMs);
  }
}

function relimit(quota: Quota, limits: DeploymentLimits, nowMs: number): void {
  const limiter = new RateLimiter(limits);
  emptied(limiter, limits, nowMs);
  for (const member of quota.members) member.limiter = limiter;
  quota.perSecond = (limits.tokensPerMinute / 60) * (1 - (limits.strangerShare ?? 0));
}

/** A full bucket would be quota that nobody reckons with: it begins empty. */
export function emptied(limiter: RateLimiter, limits: DeploymentLimits, nowMs: number): void {
  if (limits.shape !== "bucket") return;
  limiter.admit(nowMs, Math.floor((limits.tokensPerMinute * (limits.tokensWindowSeconds ?? 60)) / 60));
}
