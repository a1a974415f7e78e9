import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { StorePorts } from "../service.ts";
import type { Settings } from "../settings.ts";
import { CosmosBatches } from "./cosmos/batches.ts";
import { CosmosBilledCalls } from "./cosmos/billed-calls.ts";
import { CosmosBudgetLedger } from "./cosmos/budgets.ts";
import { CONTROL_CONTAINER, FILES_CONTAINER, JOBS_CONTAINER, openDatabase } from "./cosmos/client.ts";
import { CosmosComparisons } from "./cosmos/comparisons.ts";
import { CosmosContent, CosmosLooseContent } from "./cosmos/content.ts";
import { CosmosControlTrail } from "./cosmos/control-trail.ts";
import { CosmosDeadLetters } from "./cosmos/dead-letters.ts";
import { CosmosEventLogs } from "./cosmos/event-logs.ts";
import { CosmosFiles } from "./cosmos/files.ts";
import { ITEMS } from "./cosmos/items.ts";
import { CosmosJobStore } from "./cosmos/job-store.ts";
import { CosmosJobsInLine } from "./cosmos/jobs-in-line.ts";
import { CosmosKeyUses } from "./cosmos/key-uses.ts";
import { CosmosLeaseWatch } from "./cosmos/lease-watch.ts";
import { CosmosLiveJobs } from "./cosmos/live-jobs.ts";
import { CosmosOperations } from "./cosmos/operations.ts";
import { CosmosOverrides } from "./cosmos/overrides.ts";
import { CosmosDispatcherLeases, CosmosQuotaLedger, CosmosQuotaReports } from "./cosmos/quota.ts";
import { CosmosSeals } from "./cosmos/seals.ts";
import { StoredItems } from "./cosmos/stored-items.ts";
import { CosmosSweepRounds } from "./cosmos/sweep-rounds.ts";
import { CosmosSweptJobs } from "./cosmos/swept-jobs.ts";
import { CosmosTurns } from "./cosmos/turns.ts";
import type { Charged } from "./cosmos/undici-http-client.ts";
import { CosmosWaitingJobs } from "./cosmos/waiting-jobs.ts";
import { CosmosDeliveries, CosmosEndpoints, CosmosListeners } from "./cosmos/webhooks.ts";
import type { Credentials } from "./identity.ts";

/** Every store port on Cosmos DB, over one client. `dispose` closes its connections. */
export function cosmosPorts(
  settings: Pick<Settings, "cosmos" | "contentRetentionDays" | "auditRetentionDays">,
  credentials: Credentials,
  clock: Clock,
  log: Log,
  charged: Charged,
): { ports: StorePorts; dispose: () => void } {
  const { database, dispose } = openDatabase(settings.cosmos, credentials, charged);
  const jobs = new StoredItems(database.container(JOBS_CONTAINER), log);
  const control = new StoredItems(database.container(CONTROL_CONTAINER), log);
  const { contentRetentionDays: contentDays, auditRetentionDays: auditDays } = settings;
  const ports: StorePorts = {
    store: new CosmosJobStore(jobs, { contentDays, auditDays }, new CosmosContent(jobs, clock)),
    batches: new CosmosBatches(jobs, { contentDays, auditDays }, clock),
    files: new CosmosFiles(jobs, new StoredItems(database.container(FILES_CONTAINER), log), clock),
    uncommitted: new CosmosLooseContent(jobs),
    sweptJobs: new CosmosSweptJobs(jobs.container, clock),
    jobsInLine: new CosmosJobsInLine(jobs.container),
    waitingJobs: new CosmosWaitingJobs(jobs),
    liveJobs: new CosmosLiveJobs(jobs.container),
    eventLogs: new CosmosEventLogs(jobs, clock),
    billedCalls: new CosmosBilledCalls(jobs),
    leaseWatch: new CosmosLeaseWatch(control),
    sweepRounds: new CosmosSweepRounds(control),
    deadLetters: new CosmosDeadLetters(control),
    overrides: new CosmosOverrides(control),
    keyUses: new CosmosKeyUses(control),
    trail: new CosmosControlTrail(control),
    quotaLedger: new CosmosQuotaLedger(control),
    quotaReports: new CosmosQuotaReports(control),
    dispatcherLeases: new CosmosDispatcherLeases(control),
    budgetLedger: new CosmosBudgetLedger(control),
    seals: new CosmosSeals(jobs, control),
    comparisons: new CosmosComparisons(jobs, clock),
    operations: new CosmosOperations(jobs),
    endpoints: new CosmosEndpoints(jobs),
    deliveries: new CosmosDeliveries(jobs, clock),
    heard: new CosmosListeners(control),
    deliveryTurns: new CosmosTurns(jobs, [ITEMS.outbox, ITEMS.delivery], "look_at_ms"),
    operationTurns: new CosmosTurns(jobs, [ITEMS.operation], "wake_at_ms"),
    comparisonTurns: new CosmosTurns(jobs, [ITEMS.comparison], "wake_at_ms"),
  };
  return { ports, dispose };
}
