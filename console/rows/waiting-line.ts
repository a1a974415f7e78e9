import type { Job, OpsDeployment, Page } from "../resources.ts";
import { linkTo } from "./location.ts";

/** What GET /api/ops/status says of what waits. */
export interface Backlog {
  readonly queued: number | null;
  readonly oldest_wait_seconds: number | null;
  readonly exact: boolean;
  readonly jobs_read: number;
  readonly by_tenant_and_model: readonly {
    readonly tenant_id: string;
    readonly model: string;
    readonly waiting: number;
    readonly scheduled: number;
    readonly running: number;
    readonly oldest_wait_seconds: number | null;
  }[];
}

export interface Status {
  readonly at: number;
  readonly not_read: readonly string[];
  readonly backlog: Backlog;
  readonly running: number | null;
  readonly lost_leases: number | null;
  readonly dead_letters: { readonly untouched: number } | null;
  readonly sweeper: { readonly age_seconds: number; readonly failure: string | null } | null;
}

/** When jobs are likely to begin. */
export type Start =
  /** They are looked at again then, Unix time, seconds. */
  | { readonly kind: "at"; readonly at: number }
  /** At best all of them within so many seconds, by the requests a minute that their deployment is believed to allow. */
  | { readonly kind: "within"; readonly seconds: number }
  | { readonly kind: "next" }
  /** Nobody can tell. */
  | { readonly kind: "unknown" };

/** Jobs of a tenant and a priority that wait for the same: they go in the order they came. */
export interface Lane {
  readonly key: string;
  readonly tenant: string | undefined;
  readonly priority: string;
  readonly model: string;
  /** Undefined: for nothing but a worker. */
  readonly reason: string | undefined;
  readonly deployment: string | null;
  readonly jobs: number;
  /** Since when the one that waits longest does. */
  readonly since: number;
  readonly start: Start;
  /** The id of the one that waits longest. */
  readonly first: string;
}

const sinceOf = ({ waiting, created_at }: Job) => waiting?.since ?? created_at;

/**
 * The lanes of these queued jobs, the longest wait first.
 * @param deployments what is believed of their quota: all lanes that wait for one share what it allows
 */
export function lanesOf(
  jobs: readonly Job[],
  deployments: readonly Pick<OpsDeployment, "name" | "quota">[] = [],
): readonly Lane[] {
  const keyOf = ({ tenant_id, priority, model, waiting }: Job) =>
    JSON.stringify([tenant_id, priority, model, waiting?.reason, waiting?.deployment]);
  const forQuotaOf = (name: string) =>
    jobs.filter(({ waiting }) => waiting?.reason === "quota" && waiting.deployment === name).length;
  return [...Map.groupBy(jobs, keyOf)]
    .flatMap(([key, lane]) => {
      const first = oldestFirst(lane)[0];
      if (first === undefined) return [];
      const { tenant_id: tenant, priority, model, waiting } = first;
      const deployment = waiting?.deployment ?? null;
      const perMinute = deployments.find(({ name }) => name === deployment)?.quota.requests?.per_minute ?? 0;
      const start: Start =
        waiting?.reason === "quota" && waiting.until === null && deployment !== null && perMinute > 0
          ? { kind: "within", seconds: (forQuotaOf(deployment) * 60) / perMinute }
          : startOf(first);
      return {
        ...{ key, tenant, priority, model, deployment, reason: waiting?.reason },
        ...{ jobs: lane.length, since: sinceOf(first), start, first: first.id },
      };
    })
    .sort((a, b) => a.since - b.since);
}

export function oldestFirst(jobs: readonly Job[]): readonly Job[] {
  return jobs.toSorted((a, b) => sinceOf(a) - sinceOf(b));
}

export function startOf({ waiting }: Pick<Job, "waiting">): Start {
  if (waiting === null || waiting.ahead === 0) return { kind: "next" };
  return waiting.until === null ? { kind: "unknown" } : { kind: "at", at: waiting.until };
}

/** Where an operator can do something about a wait; undefined: there is nothing to do but wait. */
export function remedyOf({
  reason,
  deployment,
  tenant,
}: Pick<Lane, "reason" | "deployment" | "tenant">):
  | { readonly words: string; readonly href: string }
  | undefined {
  const lab = deployment === null ? linkTo("labs") : linkTo(`labs/${encodeURIComponent(deployment)}`);
  switch (reason) {
    case "quota":
    case "concurrency":
      return { words: "its quota", href: linkTo("labs") };
    case "budget":
      return { words: "the budget", href: linkTo("usage", { tenant }) };
    case "switched_off":
      return { words: "the switches", href: linkTo("controls") };
    case "deployment_failing":
      return { words: "what fails", href: linkTo("labs") };
    case "credential_refused":
    case "account_empty":
      return { words: "the deployment", href: lab };
    default:
      return undefined;
  }
}

/** What a line so long says by itself; undefined: nothing is wrong with it. */
export function alarmsOf({ sweeper, lost_leases, dead_letters, not_read }: Status): readonly string[] {
  const LATE_SECONDS = 60;
  return [
    ...(not_read.length > 0 ? [`The store did not give: ${not_read.join(", ").replaceAll("_", " ")}.`] : []),
    ...(sweeper?.failure ? [`The sweeper's last round failed: ${sweeper.failure}`] : []),
    ...(sweeper && sweeper.age_seconds > LATE_SECONDS
      ? [`The sweeper has not looked for ${sweeper.age_seconds} s: no host may be running.`]
      : []),
    ...(lost_leases
      ? [`${lost_leases} running jobs have lost their worker; the sweeper takes them up.`]
      : []),
    ...(dead_letters?.untouched
      ? [`${dead_letters.untouched} dead letters wait for somebody to decide.`]
      : []),
  ];
}

/** How many jobs of a line are read at most: what is asked of a store must have an end. */
export const MAX_LINE_JOBS = 500;
const PAGE_JOBS = 100;

/** Queued jobs, page after page. @param read a page; `after` is undefined for the first */
export async function readLine(
  read: (after: string | undefined, limit: number) => Promise<Page<Job>>,
): Promise<{ readonly jobs: readonly Job[]; readonly hasMore: boolean }> {
  const jobs: Job[] = [];
  let after: string | undefined;
  while (jobs.length < MAX_LINE_JOBS) {
    const page = await read(after, PAGE_JOBS);
    jobs.push(...page.data);
    if (!page.has_more || page.last_id === null) return { jobs, hasMore: false };
    after = page.last_id;
  }
  return { jobs, hasMore: true };
}
