import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { TokenCredential } from "@azure/identity";
import { keptSecondsAtMost, sealDays } from "../shared/audit/seal/sealing.ts";
import { CosmosBilledCalls } from "../shared/azure/cosmos/billed-calls.ts";
import { CosmosBudgetLedger, CosmosOverBudgetJobs } from "../shared/azure/cosmos/budgets.ts";
import { CONTROL_CONTAINER, JOBS_CONTAINER, openDatabase } from "../shared/azure/cosmos/client.ts";
import { CosmosControlTrail } from "../shared/azure/cosmos/control-trail.ts";
import { CosmosDeadLetters } from "../shared/azure/cosmos/dead-letters.ts";
import { CosmosJobStore } from "../shared/azure/cosmos/job-store.ts";
import { CosmosLeaseWatch } from "../shared/azure/cosmos/lease-watch.ts";
import { CosmosLiveJobs } from "../shared/azure/cosmos/live-jobs.ts";
import { CosmosOverrides } from "../shared/azure/cosmos/overrides.ts";
import { CosmosParkedJobs } from "../shared/azure/cosmos/parked-jobs.ts";
import {
  CosmosDispatcherLeases,
  CosmosQuotaLedger,
  CosmosQuotaReports,
} from "../shared/azure/cosmos/quota.ts";
import { CosmosSeals } from "../shared/azure/cosmos/seals.ts";
import { CosmosSweepRounds } from "../shared/azure/cosmos/sweep-rounds.ts";
import { CosmosSweptJobs } from "../shared/azure/cosmos/swept-jobs.ts";
import { openServiceBus, ServiceBusNudges } from "../shared/azure/service-bus/nudges.ts";
import { ServiceBusReleases } from "../shared/azure/service-bus/releases.ts";
import { Budgets } from "../shared/budget/budgets.ts";
import { ChangedBudgets } from "../shared/budget/changed-budgets.ts";
import { systemClock as clock } from "../shared/clock.ts";
import { loadConfiguration, tenantsOf } from "../shared/configuration.ts";
import { effectiveConfiguration } from "../shared/control/effective.ts";
import { abortsCall } from "../shared/control/overrides.ts";
import { watchOverrides } from "../shared/control/watch-overrides.ts";
import { createAuthenticator } from "../shared/http/authenticate.ts";
import { createDoor } from "../shared/http/throttle.ts";
import { SWITCHED_OFF } from "../shared/job/after-call.ts";
import { createCooling } from "../shared/job/run/cooling.ts";
import { createRunningJobs } from "../shared/job/running-jobs.ts";
import { HeldJobs } from "../shared/job/sweep/release-held.ts";
import { toldRounds } from "../shared/job/sweep/round.ts";
import { Sweeper } from "../shared/job/sweep/sweep.ts";
import { createModelClient } from "../shared/model/client.ts";
import { createLatencies } from "../shared/model/latency.ts";
import { Dispatcher } from "../shared/quota/dispatch/dispatcher.ts";
import { InstanceDoor, isSwitchedOff, limitedOf } from "../shared/quota/door.ts";
import { InstanceQuota } from "../shared/quota/instance/instance-quota.ts";
import { Reporter } from "../shared/quota/instance/reporter.ts";
import { nudgeGraceMs as graceOf } from "../shared/settings.ts";
import { watchTenants } from "../shared/tenant/watched-tenants.ts";
import { registerCancelJob } from "./cancel-job.ts";
import { registerDeadLetter } from "./dead-letter.ts";
import { registerDeleteJob } from "./delete-job.ts";
import { registerGetJob } from "./get-job.ts";
import { registerGetUsage } from "./get-usage.ts";
import { registerHealth } from "./health.ts";
import { registerListAudit } from "./list-audit.ts";
import { registerListControlAudit } from "./list-control-audit.ts";
import { registerListDeadLetters } from "./list-dead-letters.ts";
import { registerListJobs } from "./list-jobs.ts";
import { registerListModels } from "./list-models.ts";
import { processLog } from "./log.ts";
import { registerOpenapi } from "./openapi.ts";
import { registerOpsOverrides } from "./ops-overrides.ts";
import { registerOpsStatus } from "./ops-status.ts";
import { registerRedriveDeadLetter } from "./redrive-dead-letter.ts";
import { registerRunJob } from "./run-job.ts";
import { registerSeal } from "./seal.ts";
import { registerSubmitJob } from "./submit-job.ts";
import { registerSweep } from "./sweep.ts";

/**
 * The composition root: the one place that reads the environment, opens clients and wires functions to them. A fault
 * in settings, catalogue or tenants is thrown here, and the host does not start.
 */
const configuration = loadConfiguration(
  process.env,
  (file) => readFileSync(file, "utf8"),
  () => randomBytes(4).toString("hex"),
);
const { settings } = configuration;
const { tenantsFile, local } = settings;
const watchedTenants = watchTenants(
  { tenants: configuration.tenants, text: configuration.tenantsText },
  {
    readText: (signal) => readFile(tenantsFile, { encoding: "utf8", signal }),
    parse: (text) => tenantsOf(tenantsFile, text, local),
    clock,
    log: processLog,
  },
);
watchedTenants.watch();

const credentials = new Map<string | undefined, TokenCredential>();
/** Of a user-assigned identity where a client id is given, else of whatever identity there is. One of each. */
function credential(clientId: string | undefined = process.env.AZURE_CLIENT_ID): TokenCredential {
  let known = credentials.get(clientId);
  if (known === undefined) {
    known = identity(clientId);
    credentials.set(clientId, known);
  }
  return known;
}

/** Loads `@azure/identity` with the first token: keys never ask for one, and a cold start need not wait for it. */
function identity(clientId: string | undefined): TokenCredential {
  let loaded: Promise<TokenCredential> | undefined;
  return {
    getToken: async (scopes, options) => {
      loaded ??= import("@azure/identity").then(({ DefaultAzureCredential, ManagedIdentityCredential }) =>
        clientId === undefined ? new DefaultAzureCredential() : new ManagedIdentityCredential({ clientId }),
      );
      return (await loaded).getToken(scopes, options);
    },
  };
}

const { database } = openDatabase(settings.cosmos, credential);

const jobs = database.container(JOBS_CONTAINER);
const store = new CosmosJobStore(jobs, {
  contentDays: settings.contentRetentionDays,
  auditDays: settings.auditRetentionDays,
});
const control = database.container(CONTROL_CONTAINER);
const deadLetters = new CosmosDeadLetters(control);
const trail = new CosmosControlTrail(control);
const overridesStore = new CosmosOverrides(control);
const running = createRunningJobs();
const overrides = watchOverrides({
  store: overridesStore,
  clock,
  log: processLog,
  onChange: (changed) =>
    running.abortWhere(
      ({ lease, model }) => lease !== null && abortsCall(changed, { ...lease, model }),
      SWITCHED_OFF,
    ),
});
overrides.watch();
/** The files as operators have changed them. */
const { catalogue, tenants } = effectiveConfiguration(
  () => configuration.catalogue,
  watchedTenants.current,
  overrides.current,
);
const nudges = new ServiceBusNudges(() => openServiceBus(settings.serviceBus, credential));
const models = createModelClient({ settings: process.env, credential: () => credential(), clock });
const authenticator = createAuthenticator({ tenants, entra: settings.entra, clock });
const door = createDoor({
  maxInFlight: settings.maxRequestsInFlight,
  submitsPerSecond: settings.submitsPerSecond,
  clock,
});
const entrance = { authenticator, door };
const cooling = createCooling(clock);
const latencies = createLatencies(clock);
const nudgeGraceMs = graceOf(settings);
const { instance } = settings;
const ledger = new CosmosQuotaLedger(control);
const reports = new CosmosQuotaReports(control);
const releases = new ServiceBusReleases(() => openServiceBus(settings.serviceBus, credential));
const dispatcher = new Dispatcher({
  leases: new CosmosDispatcherLeases(control),
  ...{ ledger, reports, clock, instance, log: processLog },
  parked: new CosmosParkedJobs(jobs),
  releases,
  deployments: () => catalogue().deployments.map(limitedOf),
  isOff: (name) => isSwitchedOff(catalogue(), name),
  weightOf: (tenantId) => tenants().get(tenantId)?.weight ?? 1,
});
const quota = new InstanceDoor({
  catalogue,
  quota: new InstanceQuota({ ledger, clock, log: processLog }),
  dispatcher,
  reporter: new Reporter({ reports, clock, log: processLog, instance }),
});
const budgets = new Budgets({
  ...{ store, nudges, tenants, clock, random: Math.random, log: processLog },
  ledger: new CosmosBudgetLedger(control),
});
const overBudget = new CosmosOverBudgetJobs(jobs);
const changedBudgets = new ChangedBudgets({ store, overBudget, nudges, tenants, clock, nudgeGraceMs });
const sweeper = new Sweeper({
  ...{ store, nudges, urgent: releases, clock, nudgeGraceMs, leaseSeconds: settings.leaseSeconds },
  jobs: new CosmosSweptJobs(jobs, clock),
  watch: new CosmosLeaseWatch(control),
});
const rounds = new CosmosSweepRounds(control);
const heldJobs = new HeldJobs({ store, nudges, clock, nudgeGraceMs, revision: () => catalogue().revision });
const sweep = toldRounds({ sweep: (log) => sweeper.sweep(log), rounds, clock, instance });

/** Whoever asks for health wants an answer, not a long wait. */
const HEALTH_PATIENCE_MS = 5_000;
/** Of a UUID, for those come from a stock of random bytes: a call for sixteen costs ten times as much. */
const newJobId = () => `job_${randomUUID().replaceAll("-", "")}`;

registerSubmitJob({
  entrance,
  catalogue,
  settings,
  store,
  nudges,
  running,
  budgets,
  clock,
  newJobId,
  nudgeGraceMs,
});
registerGetJob({ entrance, store, running, clock });
registerListJobs({ entrance, store });
registerCancelJob({ entrance, store, running, clock });
registerDeleteJob({ entrance, store, running, clock });
registerListAudit({ entrance, store });
registerListModels({ entrance, catalogue });
registerOpenapi();
registerHealth({
  monotonic: clock.monotonic,
  dependencies: [
    { name: "cosmos", check: () => store.read({ tenant_id: "health", job_id: "health" }) },
    { name: "service_bus", check: () => nudges.check(HEALTH_PATIENCE_MS) },
  ],
});

registerRunJob({
  ready: overrides.ready,
  ...{
    store,
    nudges,
    models,
    catalogue,
    tenants,
    cooling,
    latencies,
    quota,
    budgets,
    running,
    clock,
    nudgeGraceMs,
  },
  random: Math.random,
  newClaimId: randomUUID,
  actor: `worker:${settings.instance}`,
  leaseSeconds: settings.leaseSeconds,
  maxAttempts: settings.maxAttempts,
});
registerSweep({
  sweepSeconds: settings.sweepSeconds,
  parts: {
    sweep,
    held_jobs: (log) => heldJobs.release(log),
    changed_budgets: (log) => changedBudgets.release(log),
    budgets: () => budgets.tend(),
    dispatcher: () => dispatcher.tend(),
  },
});
registerOpsStatus({ authenticator, liveJobs: new CosmosLiveJobs(jobs), deadLetters, rounds, clock });
registerGetUsage({ entrance, calls: new CosmosBilledCalls(jobs), budgets, clock });
registerOpsOverrides({
  ...{ authenticator, catalogue, tenants, trail, clock },
  store: overridesStore,
  watch: overrides,
  newChangeId: randomUUID,
});
registerListControlAudit({ authenticator, trail });
registerListDeadLetters({ authenticator, deadLetters, store });
registerRedriveDeadLetter({
  ...{ authenticator, store, nudges, deadLetters, trail, budgets, clock, nudgeGraceMs },
  defaultDeadlineSeconds: settings.defaultDeadlineSeconds,
  maxDeadlineSeconds: settings.maxDeadlineSeconds,
});
registerDeadLetter({ store, nudges, deadLetters, clock });
const seals = new CosmosSeals(jobs, database.container(CONTROL_CONTAINER));
const newRun = () => randomBytes(8).toString("hex");
registerSeal({
  seal: (log) => sealDays({ seals, clock, newRun, log, keptSeconds: keptSecondsAtMost(settings) }),
});
