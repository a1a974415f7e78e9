import type { Budgets } from "../../budget/budgets.ts";
import type { OverridesWatch } from "../../control/watch-overrides.ts";
import type { LiveJobs } from "../../job/backlog.ts";
import { backlogOf } from "../../job/backlog.ts";
import type { DeadLetters } from "../../job/ports.ts";
import type { SweepRounds } from "../../job/sweep/round.ts";
import { MAX_STATUS_JOBS } from "../../limits.ts";
import type { Catalogue } from "../../model/catalogue.ts";
import { leftOf } from "../../quota/belief/belief.ts";
import { CLOSED } from "../../quota/belief/breaker.ts";
import { poolAt } from "../../quota/belief/pool.ts";
import { limitedOf } from "../../quota/limited.ts";
import type { QuotaLedger } from "../../quota/ports.ts";
import type { Tenants } from "../../tenant/tenants.ts";
import { route } from "../route.ts";
import { budgetResource } from "./budget.ts";
import { type Metric, prometheusText } from "./prometheus.ts";

export interface OpsMetricsDeps {
  readonly liveJobs: LiveJobs;
  readonly deadLetters: Pick<DeadLetters, "count">;
  readonly sweepRounds: Pick<SweepRounds, "last">;
  readonly overridesWatch: OverridesWatch;
  readonly quotaLedger: Pick<QuotaLedger, "read">;
  readonly catalogue: () => Catalogue;
  readonly tenants: () => Pick<Tenants, "budgeted">;
  readonly budgets: Pick<Budgets, "account">;
  readonly clock: { now(): number };
}

export const opsMetricsRoute = route({
  name: "get-ops-metrics",
  method: "GET",
  path: "api/ops/metrics",
  who: "operator",
  summary:
    "Operators: figures of the whole service as Prometheus text, from the store, the same whichever instance answers",
  answers: { 200: { description: "The figures.", type: "text/plain" } },
  handle: async (deps: OpsMetricsDeps) => ({
    status: 200,
    headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    body: prometheusText(await metricsOf(deps)),
  }),
});

async function metricsOf(deps: OpsMetricsDeps): Promise<Metric[]> {
  await deps.overridesWatch.look();
  const { deployments } = deps.catalogue();
  const { switches } = deps.overridesWatch.current();
  const pools = [...new Set(deployments.map((each) => limitedOf(each).pool))];
  const [counts, jobs, calls, letters, round, ...records] = await Promise.all([
    deps.liveJobs.count(),
    deps.liveJobs.soonest(MAX_STATUS_JOBS),
    deps.liveJobs.running(MAX_STATUS_JOBS),
    deps.deadLetters.count(),
    deps.sweepRounds.last(),
    ...pools.map(async (pool) => ({ pool, record: (await deps.quotaLedger.read(pool))?.value })),
  ]);
  const nowMs = deps.clock.now();
  const { rows, waiting, lostLeases } = backlogOf(jobs, nowMs);
  const limits = records.flatMap(({ pool, record }) => {
    const now = record === undefined ? undefined : poolAt(record.pool, nowMs);
    if (now === undefined) return [];
    return (["requests", "tokens"] as const).flatMap((kind) => {
      const belief = now[kind];
      return belief === null ? [] : [{ labels: { pool, kind }, belief }];
    });
  });
  const ofDeployment = ({ name, provider, model }: Catalogue["deployments"][number]) => ({
    ...{ deployment: name, provider, model },
  });
  const breakers = new Map(records.flatMap(({ record }) => Object.entries(record?.breakers ?? {})));
  return [
    ...(await budgetMetrics(deps)),
    gauge("jobs", "Jobs that have not ended: exact.", [
      [{ status: "queued" }, counts.queued],
      [{ status: "in_progress" }, counts.running],
    ]),
    gauge(
      "backlog_jobs",
      `Live jobs by whose and what, of the first ${MAX_STATUS_JOBS}.`,
      rows.flatMap(({ tenant_id: tenant, model, ...row }) =>
        (["waiting", "scheduled", "running"] as const).map(
          (state) => [{ tenant, model, state }, row[state]] as const,
        ),
      ),
    ),
    gauge(
      "oldest_wait_seconds",
      "How long the oldest has waited.",
      rows.flatMap(({ tenant_id: tenant, model, oldest_wait_seconds: wait }) =>
        wait === null ? [] : [[{ tenant, model }, wait] as const],
      ),
    ),
    gauge(
      "waiting_jobs",
      "Of the same, how many wait for what besides a worker.",
      Object.entries(waiting).map(([reason, count]) => [{ reason }, count] as const),
    ),
    gauge("lost_leases", "Running jobs whose lease was not renewed in time.", [[{}, lostLeases]]),
    gauge("dead_letters", "Dead letters of the last 90 days.", [
      [{ state: "kept" }, letters.kept],
      [{ state: "untouched" }, letters.untouched],
    ]),
    gauge(
      "sweep_age_seconds",
      "Since the sweeper's last recorded round.",
      round === undefined ? [] : [[{}, Math.max(0, (nowMs - round.at_ms) / 1000)]],
    ),
    gauge(
      "deployment_calls",
      "Calls that run there, on all instances.",
      deployments.map((each) => [
        ofDeployment(each),
        calls.filter(({ deployment }) => deployment === each.name).length,
      ]),
    ),
    gauge(
      "deployment_open",
      "1: its breaker is open, or a probe is under way.",
      deployments.map((each) => [
        ofDeployment(each),
        (breakers.get(each.name) ?? CLOSED).state === "closed" ? 0 : 1,
      ]),
    ),
    gauge(
      "quota_per_minute",
      "What is believed of a pool's quota.",
      limits.map(({ labels, belief }) => [labels, belief.per_second * 60]),
    ),
    gauge(
      "quota_left",
      "What is free of it now, where that is known.",
      limits.flatMap(({ labels, belief }) => {
        const left = leftOf(belief);
        return left === null ? [] : [[labels, left] as const];
      }),
    ),
    gauge(
      "switched",
      "What operators have switched off or drained.",
      switches.map(({ kind, name, state }) => [{ kind, name, state }, 1]),
    ),
  ];
}

/** One read for each tenant that has a budget. */
async function budgetMetrics({ tenants, budgets, clock }: OpsMetricsDeps): Promise<Metric[]> {
  const standings = await Promise.all(
    tenants().budgeted.map(async ({ id: tenant, budget }) => {
      if (budget === undefined) return [];
      const { currency, day, month } = budgetResource(budget, await budgets.account(tenant), clock.now());
      return Object.entries({ day, month }).flatMap(([period, standing]) =>
        standing === null ? [] : [{ labels: { tenant, currency, period }, standing }],
      );
    }),
  );
  const of = (name: "limit" | "spent" | "reserved", help: string) =>
    gauge(
      `budget_${name}`,
      help,
      standings.flat().map(({ labels, standing }) => [labels, Number(standing[name])]),
    );
  return [
    of("limit", "What a tenant may spend in the running day or month (UTC)."),
    of("spent", "Of it, spent."),
    of("reserved", "Of it, put aside for running calls."),
  ];
}

function gauge(name: string, help: string, samples: Metric["samples"]): Metric {
  return { name: `switchyard_${name}`, help, samples };
}
