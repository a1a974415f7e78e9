import { z } from "zod";
import type { Clock } from "../../clock.ts";
import { type TestDeps, testDeployment } from "../../control/test-deployment.ts";
import type { OverridesWatch } from "../../control/watch-overrides.ts";
import { Problem } from "../../errors.ts";
import type { LiveJobs } from "../../job/backlog.ts";
import { type ProbeDeps, probe } from "../../job/probe.ts";
import { MAX_STATUS_JOBS } from "../../limits.ts";
import type { Catalogue, Deployment } from "../../model/catalogue.ts";
import { ILLNESSES } from "../../model/wait-cause.ts";
import { leftOf } from "../../quota/belief/belief.ts";
import { type Breaker, CLOSED, lastFailed, permitsAtMs } from "../../quota/belief/breaker.ts";
import { type Pool, poolAt } from "../../quota/belief/pool.ts";
import type { InstanceQuota } from "../../quota/instance/instance-quota.ts";
import { limitedOf } from "../../quota/limited.ts";
import type { PoolRecord } from "../../quota/pool-record.ts";
import type { QuotaLedger } from "../../quota/ports.ts";
import { json } from "../answer.ts";
import { type Route, route } from "../route.ts";
import { changeHeaders, changeOf } from "./change.ts";
import { secondsOf, text, unixTime, whole } from "./fields.ts";
import { callUsage, costSchema } from "./job-resource.ts";
import { origin, originOf } from "./origin.ts";
import { listSchema } from "./page.ts";
import { named } from "./parameters.ts";

export interface OpsDeploymentsDeps extends ProbeDeps, TestDeps {
  readonly catalogue: () => Catalogue;
  readonly quotaLedger: Pick<QuotaLedger, "read">;
  readonly overridesWatch: OverridesWatch;
  readonly quota: Pick<InstanceQuota, "breakerOf">;
  readonly liveJobs: Pick<LiveJobs, "soonest" | "running">;
  readonly clock: Clock;
}

const limitSchema = z
  .object({
    per_minute: z.number().describe("As it is believed now."),
    left: z
      .number()
      .nullable()
      .describe(
        "What is free of it now, by the share that is free of what there can be at once; null: not known yet.",
      ),
  })
  .nullable()
  .describe("Null: no limit is known.");

const deploymentSchema = z
  .object({
    name: text("As in the catalogue."),
    object: z.literal("deployment"),
    provider: text("The lab that made its model."),
    model: text("Its model."),
    source: origin.source,
    breaker: z
      .enum(["closed", "open", "half_open"])
      .describe("`open`: it is shut. `half_open`: a probe is under way."),
    next_probe: unixTime(
      "When one job is let through to see whether it is well; null: it is not shut.",
    ).nullable(),
    in_flight: whole("Calls that run, on all instances."),
    longest_seconds: whole("How long the longest of them has run; null: none runs.").nullable(),
    quota: z
      .object({
        pool: text("Its quota's name; several deployments may share one."),
        requests: limitSchema,
        tokens: limitSchema,
      })
      .describe("What is believed of it: learnt from the lab's answers, or of the catalogue."),
    last_error: z
      .object({
        illness: z.enum(ILLNESSES).describe("What it was ill with."),
        message: text("In the lab's words."),
        at: unixTime(),
      })
      .nullable()
      .describe("Of the last call that failed, as far as this instance or the quota's ledger knows."),
  })
  .meta({ id: "OpsDeployment", title: "A deployment, as operators see it" });

const list = route({
  name: "list-ops-deployments",
  method: "GET",
  path: "api/ops/deployments",
  who: "operator",
  summary: "Operators: how each deployment is, what runs there, and what is believed of its quota",
  answers: { 200: { description: "All of the catalogue.", schema: listSchema(deploymentSchema) } },
  handle: async (deps: OpsDeploymentsDeps) => {
    const { deployments } = deps.catalogue();
    const pools = [...new Set(deployments.map((each) => limitedOf(each).pool))];
    const [calls, ...records] = await Promise.all([
      deps.liveJobs.running(MAX_STATUS_JOBS),
      ...pools.map(async (pool) => [pool, (await deps.quotaLedger.read(pool))?.value] as const),
    ]);
    const known = new Map(records);
    const nowMs = deps.clock.now();
    const set = deps.overridesWatch.current().deployments;
    const data = deployments.map((deployment) => {
      const since = calls.filter((call) => call.deployment === deployment.name);
      const record = known.get(limitedOf(deployment).pool);
      const own = deps.quota.breakerOf(deployment.name);
      const { source } = originOf(set.find(({ name }) => name === deployment.name));
      return resource(deployment, {
        record,
        own,
        since: since.map((call) => call.started_at_ms),
        nowMs,
        source,
      });
    });
    return json(200, { object: "list", data });
  },
});

interface Known {
  readonly record: PoolRecord | undefined;
  /** As this instance sees it. */
  readonly own: Breaker | undefined;
  /** When each call that runs there began, Unix ms. */
  readonly since: readonly number[];
  readonly nowMs: number;
  readonly source: "file" | "store";
}

function resource(
  { name, provider, model, limits }: Deployment,
  { record, own, since, nowMs, source }: Known,
): z.input<typeof deploymentSchema> {
  const breaker = later(own, record?.breakers[name]);
  const { fault } = breaker;
  const pool = record === undefined ? undefined : poolAt(record.pool, nowMs);
  return {
    ...{ name, object: "deployment", provider, model, source, breaker: breaker.state },
    next_probe: breaker.state === "closed" ? null : secondsOf(permitsAtMs(breaker, nowMs)),
    in_flight: since.length,
    longest_seconds: since.length === 0 ? null : Math.max(0, secondsOf(nowMs - Math.min(...since))),
    quota: {
      pool: limitedOf({ name, limits }).pool,
      requests: limitOf(pool, "requests", limits.requests_per_minute),
      tokens: limitOf(pool, "tokens", limits.tokens_per_minute),
    },
    last_error:
      fault === undefined
        ? null
        : { illness: fault.illness, message: fault.message, at: secondsOf(fault.at_ms) },
  };
}

/** Of two views of a deployment the one with the newer news. */
function later(one: Breaker = CLOSED, other: Breaker = CLOSED): Breaker {
  return other.counted_ms > one.counted_ms ? other : one;
}

function limitOf(pool: Pool | undefined, kind: "requests" | "tokens", named: number | undefined) {
  if (pool === undefined) return named === undefined ? null : { per_minute: named, left: named };
  const belief = pool[kind];
  return belief === null ? null : { per_minute: Math.round(belief.per_second * 60), left: leftOf(belief) };
}

const probeSchema = z
  .object({
    object: z.literal("probe"),
    deployment: text("What is probed."),
    tenant_id: text("Whose job it is."),
    job_id: text("The job that goes there now."),
  })
  .meta({ id: "Probe", title: "What a probe answers" });

const probeRoute = route({
  name: "probe-deployment",
  method: "POST",
  path: "api/ops/deployments/{name}/probe",
  who: "operator",
  summary: "Operators: let the job that waits longest for an ill deployment go there now",
  params: {
    schema: z.object({ name: named("deployment") }),
    absent: "setting_not_found",
  },
  answers: { 202: { description: "The job is on its way.", schema: probeSchema } },
  errors: ["setting_not_found", "none_waits"],
  handle: async (deps: OpsDeploymentsDeps, { path: { name } }) => {
    if (deps.catalogue().deployment(name) === undefined)
      throw new Problem("setting_not_found", `The catalogue has no deployment ${name}.`);
    const breaker = deps.quota.breakerOf(name) ?? CLOSED;
    const probed = await probe(deps, name, lastFailed(breaker));
    return json(202, { object: "probe", deployment: name, ...probed });
  },
});

const toldLimit = z
  .object({
    per_minute: whole("Null: not told.").nullable(),
    left: whole("Of it, then."),
    reset_ms: whole("Until all is there again; null: not told.").nullable(),
  })
  .nullable()
  .describe("Null: not told.");
const testSchema = z
  .object({
    object: z.literal("deployment_test"),
    deployment: text("What was tested."),
    at: unixTime(),
    endpoint: text("What was called."),
    outcome: text("As in the audit trail of a job: `completed`, `retry`, `turned_away`, …"),
    status_code: whole("Of the answer; null: none came.").nullable(),
    message: text("In the lab's words, where it did not complete.").nullable(),
    latency_ms: whole("How long it took."),
    usage: callUsage.nullable(),
    cost: costSchema.nullable(),
    cost_unknown: text(
      "Why nobody can say what it cost; null: `cost` does, or it was not billed.",
    ).nullable(),
    limits: z
      .object({ requests: toldLimit, tokens: toldLimit })
      .nullable()
      .describe("What the answer's headers tell of the quota; null: nothing."),
  })
  .meta({ id: "DeploymentTest", title: "What a test of a deployment answers" });

const testRoute = route({
  name: "test-deployment",
  method: "POST",
  path: "api/ops/deployments/{name}/test",
  who: "operator",
  summary:
    "Operators: call a deployment once with a short fixed prompt, whatever is switched off; it is billed",
  params: {
    schema: z.object({ name: named("deployment") }),
    absent: "setting_not_found",
  },
  headers: changeHeaders,
  answers: { 200: { description: "How it went.", schema: testSchema } },
  errors: ["setting_not_found", "test_running", "invalid_request"],
  handle: async (deps: OpsDeploymentsDeps, input, caller) => {
    const { name } = input.path;
    await deps.overridesWatch.look();
    const deployment = deps.catalogue().deployment(name);
    if (deployment === undefined)
      throw new Problem("setting_not_found", `The catalogue has no deployment ${name}.`);
    const { at, details } = await testDeployment(deps, deployment, changeOf(deps, "POST", input, caller));
    const said = testSchema.strip().parse({ ...details, object: "deployment_test", deployment: name, at });
    return json(200, said);
  },
});

export const opsDeploymentRoutes: readonly Route<OpsDeploymentsDeps>[] = [list, probeRoute, testRoute];
