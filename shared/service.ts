import type { ControlTrailStore } from "./audit/control-trail.ts";
import { keptSecondsAtMost, type SealStore, sealDays } from "./audit/seal/sealing.ts";
import type { BatchDeps } from "./batch/create.ts";
import type { BatchStore, BatchTurns } from "./batch/ports.ts";
import { sweepBatches } from "./batch/turn.ts";
import type { TurnDeps } from "./batch/turn-state.ts";
import { Budgets } from "./budget/budgets.ts";
import type { BudgetLedger } from "./budget/ports.ts";
import type { Clock } from "./clock.ts";
import type { ComparisonStore } from "./comparison/ports.ts";
import { type ComparisonDeps, comparisonTurn } from "./comparison/turn.ts";
import { catalogueCheck } from "./configuration.ts";
import { type Leftovers, leftoversSweep } from "./content/leftovers.ts";
import { effectiveConfiguration } from "./control/effective.ts";
import { type KeyUseStore, KeyUses } from "./control/key-uses.ts";
import { abortsCall } from "./control/overrides.ts";
import type { Secrets } from "./control/secrets.ts";
import { type OverridesStore, watchOverrides } from "./control/watch-overrides.ts";
import { EventLogs } from "./events/event-logs.ts";
import type { EventLogStore } from "./events/ports.ts";
import { Pace } from "./files/pace.ts";
import type { FileStore } from "./files/ports.ts";
import type { UploadDeps } from "./files/upload.ts";
import type { FreshCopy } from "./fresh-copy.ts";
import { Invocations } from "./invocations.ts";
import { SWITCHED_OFF } from "./job/after-call.ts";
import type { LiveJobs } from "./job/backlog.ts";
import { UsualDurations } from "./job/ending/look-times.ts";
import type { IntakeDeps } from "./job/intake/intake.ts";
import { ConnectedClients } from "./job/intake/join.ts";
import { Starts } from "./job/intake/starts.ts";
import type { RedriveDeps } from "./job/letters/redrive.ts";
import { nudgeFor } from "./job/nudge.ts";
import type { DeadLetters, JobStore, Nudges, SweptJobs } from "./job/ports.ts";
import { Bulkhead } from "./job/run/bulkhead.ts";
import { claimRecords } from "./job/run/claim-finding.ts";
import type { RunDeps } from "./job/run/run-deps.ts";
import { createRunningJobs } from "./job/running-jobs.ts";
import {
  accountChange,
  budgetChange,
  ChangedWaits,
  catalogueChange,
  type WaitingJobs,
} from "./job/sweep/changed-waits.ts";
import type { LeaseWatch } from "./job/sweep/lease-watch.ts";
import { type SweepParts, sharedAnswer } from "./job/sweep/parts.ts";
import { type SweepRounds, toldRounds } from "./job/sweep/round.ts";
import { NOTHING_SWEPT, Sweeper } from "./job/sweep/sweep.ts";
import { MAX_REQUEST_BYTES } from "./limits.ts";
import { type Log, reasonOf } from "./log.ts";
import type { Catalogue } from "./model/catalogue.ts";
import type { ModelClient } from "./model/client.ts";
import { createLatencies } from "./model/latency.ts";
import { OPERATORS, type OperationStore } from "./operation/operation.ts";
import { operationTurn } from "./operation/turn.ts";
import { Dispatcher } from "./quota/dispatch/dispatcher.ts";
import { InstanceQuota } from "./quota/instance/instance-quota.ts";
import { Reporter } from "./quota/instance/reporter.ts";
import { limitedIn, limitedOf } from "./quota/limited.ts";
import type { DispatcherLeases, JobsInLine, QuotaLedger, Releases, Reports } from "./quota/ports.ts";
import { signedReleases } from "./quota/signed-words.ts";
import { resenders } from "./resend.ts";
import { type Environment, nudgeGraceMs as graceOf, type Settings } from "./settings.ts";
import { tellGauges } from "./telemetry/gauges.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";
import { toldStore } from "./telemetry/told-store.ts";
import type { Tenants } from "./tenant/tenants.ts";
import type { BilledCalls } from "./usage/usage-report.ts";
import type { AnswerChecks } from "./validation/answer-checks.ts";
import { Announcer, announcingStore } from "./webhook/announce.ts";
import { type DeliverDeps, deliver } from "./webhook/deliver.ts";
import { watchListeners } from "./webhook/listeners.ts";
import type { ManageDeps } from "./webhook/manage.ts";
import type {
  DeliveryNudge,
  DeliveryQueue,
  DeliveryStore,
  EndpointStore,
  HeardStore,
  Turns,
} from "./webhook/ports.ts";
import type { Sender } from "./webhook/send.ts";
import { Slots } from "./webhook/slots.ts";
import { tend } from "./webhook/tend.ts";

/** All that is stored. Every method of every port throws StoreUnavailable, and nothing else that a cloud can cause. */
export interface StorePorts {
  readonly store: JobStore;
  readonly uncommitted: Leftovers;
  readonly files: FileStore;
  readonly batches: BatchStore;
  readonly sweptJobs: SweptJobs;
  readonly jobsInLine: JobsInLine;
  readonly waitingJobs: WaitingJobs;
  readonly liveJobs: LiveJobs;
  readonly eventLogs: EventLogStore;
  readonly billedCalls: BilledCalls;
  readonly leaseWatch: LeaseWatch;
  readonly sweepRounds: SweepRounds;
  readonly deadLetters: DeadLetters;
  readonly overrides: OverridesStore;
  readonly keyUses: KeyUseStore;
  readonly trail: ControlTrailStore;
  readonly quotaLedger: QuotaLedger;
  readonly quotaReports: Reports;
  readonly dispatcherLeases: DispatcherLeases;
  readonly budgetLedger: BudgetLedger;
  readonly seals: SealStore;
  readonly comparisons: ComparisonStore;
  readonly operations: OperationStore;
  readonly endpoints: EndpointStore;
  readonly deliveries: DeliveryStore;
  readonly heard: HeardStore;
  readonly deliveryTurns: Turns;
  readonly comparisonTurns: Turns;
  readonly operationTurns: Turns;
}

/** What the service needs of the world: production, every test and the benchmarks give it all of this. */
export interface ServicePorts extends StorePorts {
  readonly nudges: Nudges;
  readonly turns: BatchTurns;
  readonly releases: Releases & Pick<Nudges, "send">;
  readonly checks: AnswerChecks;
  readonly deliveryQueue: DeliveryQueue;
  readonly sender: Sender;
  readonly models: ModelClient;
  /** What all instances share, and nobody else knows. */
  readonly secrets: Secrets;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Hex digits that nobody can guess, two for each byte. */
  readonly randomHex: (bytes: number) => string;
  readonly newId: () => string;
  /** The log of what happens outside any invocation. */
  readonly log: Log;
}

/** What the files and settings say, read anew where it may change. */
export interface ServiceConfiguration {
  readonly settings: Pick<
    Settings,
    | "instance"
    | "local"
    | "operatorKeySha256"
    | "leaseSeconds"
    | "sweepSeconds"
    | "maxAttempts"
    | "maxCalls"
    | "bodyMemoryBytes"
    | "defaultDeadlineSeconds"
    | "maxDeadlineSeconds"
    | "auditRetentionDays"
    | "contentRetentionDays"
    | "files"
    | "maxBatchLines"
  >;
  /** Where the keys of deployments must be found. */
  readonly environment: Environment;
  readonly catalogue: () => Catalogue;
  readonly tenants: () => Tenants;
  /** What of it may change while the service runs. */
  readonly watched: readonly FreshCopy[];
}

/** A collector that does not answer holds up no process that is told to end. */
const MOST_FLUSH_MS = 1_000;

export type Service = ReturnType<typeof composeService>;

/** Every use case, composed once: what ships is what is tested. Nothing in it is optional. */
export function composeService(ports: ServicePorts, configuration: ServiceConfiguration) {
  const { nudges, releases, secrets, telemetry, clock, random, log } = ports;
  const listeners = watchListeners({ store: ports.heard, clock, log });
  const announcer = new Announcer(ports.deliveryQueue, log);
  const store = announcingStore(toldStore(ports.store, { telemetry, clock, log }), { listeners, announcer });
  const { settings } = configuration;
  const { instance, leaseSeconds } = settings;
  const retention = {
    contentDays: settings.contentRetentionDays,
    auditDays: settings.auditRetentionDays,
  };
  const nudgeGraceMs = graceOf(settings);
  const running = createRunningJobs();
  const overrides = watchOverrides({
    store: ports.overrides,
    ...{ clock, log },
    onChange: (changed) =>
      running.abortWhere(({ lease, model }) => abortsCall(changed, { ...lease, model }), SWITCHED_OFF),
  });
  /** The files as operators have changed them. */
  const check = catalogueCheck(configuration.environment, settings.maxCalls);
  const { catalogue, tenants, written } = effectiveConfiguration(
    configuration.catalogue,
    configuration.tenants,
    overrides,
    { check, onLeftOut: (names) => log.error("catalogue_entries_left_out", { names: names.join(", ") }) },
  );
  const shared = { ledger: ports.quotaLedger, reports: ports.quotaReports, clock, log, instance };
  const weightOf = (tenantId: string) => tenants().get(tenantId)?.weight ?? 1;
  const dispatcher = new Dispatcher({
    ...{
      ...shared,
      releases: signedReleases(releases, secrets),
      leases: ports.dispatcherLeases,
      line: ports.jobsInLine,
    },
    deployments: () => limitedIn(catalogue(), Math.ceil(settings.maxCalls / 2)),
    weightOf,
  });
  const reporter = new Reporter(shared);
  const quota = new InstanceQuota({
    ...{ ...shared, dispatcher, reporter, weightOf, jobs: ports.jobsInLine },
    deployment: (name) => {
      const deployment = catalogue().deployment(name);
      return deployment && limitedOf(deployment);
    },
  });
  const events = new EventLogs({ store: ports.eventLogs, clock, log });
  const budgets = new Budgets({
    ledger: ports.budgetLedger,
    claims: claimRecords(store),
    wake: (job) => nudges.send(nudgeFor(job)),
    ...{ tenants, clock, random, log },
  });
  const sweeper = new Sweeper({
    ...{ store, nudges, urgent: releases, clock, nudgeGraceMs, leaseSeconds },
    jobs: ports.sweptJobs,
    watch: ports.leaseWatch,
  });
  const anyLives = sharedAnswer(() => ports.liveJobs.isAny());
  const rounds = toldRounds({
    sweep: async (of) => ((await anyLives()) ? sweeper.sweep(of) : NOTHING_SWEPT),
    rounds: ports.sweepRounds,
    ...{ clock, instance },
  });
  const waits = { store, nudges, clock, nudgeGraceMs };
  const { waitingJobs } = ports;
  const changedCatalogue = new ChangedWaits(
    waits,
    catalogueChange(waitingJobs, () => catalogue().revision),
  );
  const changedBudgets = new ChangedWaits(waits, budgetChange(waitingJobs, tenants));

  /** As operators correct accounts of tenants. */
  const accounts = {
    ...{ trail: ports.trail, clock, budgets },
    letGo: async (tenantId: string) => {
      await new ChangedWaits(waits, accountChange(waitingJobs, tenants, tenantId)).nudge(log);
    },
  };
  const durations = new UsualDurations();
  const intake: Omit<IntakeDeps, "log" | "heldCalls"> = {
    ...{ store, nudges, running, durations, budgets, clock, nudgeGraceMs, retention, catalogue, settings },
    ...{ secrets, connected: new ConnectedClients() },
    traces: telemetry,
    starts: new Starts(),
    newJobId: () => `job_${ports.newId().replaceAll("-", "")}`,
  };
  const comparing: Omit<ComparisonDeps, "intake"> & { readonly intake: typeof intake } = {
    ...{ comparisons: ports.comparisons, intake, randomHex: ports.randomHex },
    ending: { store, clock, running, events },
    wants: listeners.wants,
    announce: (key, outbox) => announcer.announce(key, outbox),
  };
  const run: Omit<RunDeps, "log"> = {
    ...{ store, events, nudges, catalogue, tenants, quota, secrets, budgets, running, clock, random },
    nudgeGraceMs,
    urgent: releases,
    bulkhead: new Bulkhead({ calls: settings.maxCalls, bytes: settings.bodyMemoryBytes }, weightOf),
    ...{ models: ports.models, checks: ports.checks },
    latencies: createLatencies(clock),
    newClaimId: ports.newId,
    actor: `worker:${instance}`,
    leaseSeconds,
    maxAttempts: settings.maxAttempts,
  };
  const upload: UploadDeps = {
    ...{ files: ports.files, clock, limits: settings.files },
    pace: new Pace(settings.files.bytesPerSecond, clock),
    newFileId: () => `file-${ports.randomHex(16)}`,
  };
  const batch: BatchDeps = {
    ...{ batches: ports.batches, turns: ports.turns, files: ports.files, budgets, clock },
    newBatchId: () => `batch_${ports.randomHex(16)}`,
  };
  /** What the doors' own forms are is for whoever registers it to say. */
  const batchTurn: Omit<TurnDeps, "log" | "readText" | "failureOf"> = {
    ...{ ...batch, store, running, catalogue, tenants, quota, retention, nudgeGraceMs, clock },
    ...{ traces: telemetry, pace: upload.pace, randomHex: ports.randomHex },
    ...{ wants: listeners.wants, announce: (key, outbox) => announcer.announce(key, outbox) },
    limits: { maxLines: settings.maxBatchLines, maxLineBytes: MAX_REQUEST_BYTES },
  };
  const redrive: Omit<RedriveDeps, "log"> = {
    ...{ store, nudges, budgets, clock, nudgeGraceMs, retention },
    resend: resenders(ports),
    deadLetters: ports.deadLetters,
    traces: telemetry,
    trail: ports.trail,
    defaultDeadlineSeconds: settings.defaultDeadlineSeconds,
    maxDeadlineSeconds: settings.maxDeadlineSeconds,
  };
  const webhooks: Omit<DeliverDeps, "log"> & Omit<ManageDeps, "log"> = {
    ...{ deliveries: ports.deliveries, endpoints: ports.endpoints, heard: ports.heard, sender: ports.sender },
    ...{ announcer, listeners, secrets, clock, random, randomHex: ports.randomHex, slots: new Slots(clock) },
  };
  /** What operators ask for of many at once. */
  const bulk = {
    ...{ operations: ports.operations, trail: ports.trail, announcer, clock },
    ending: comparing.ending,
  };
  const copies = [overrides, listeners, ...configuration.watched];
  /** Resolves once what is in force is known here, whatever became of this process meanwhile. */
  const fresh = async () =>
    void (await Promise.all([...copies.map((copy) => copy.fresh()), secrets.ready()]));
  const invocations = new Invocations({
    ...{ clock, fresh, flush: async () => void (await Promise.all([reporter.flush(), announcer.flush()])) },
    look: async () => void (await Promise.all(copies.map((copy) => copy.look()))),
  });
  /**
   * What one turn of the sweep timer does; each part whatever becomes of the others. While no job lives a turn asks that
   * one question, and no part has anything to do, but for money that was put aside and not settled.
   */
  const sweep: SweepParts = {
    sweep: async (of) => {
      await rounds(of);
      sweptAt = clock.monotonic();
    },
    changed_catalogue: async (of) => (await anyLives()) && changedCatalogue.nudge(of),
    changed_budgets: async (of) => (await anyLives()) && changedBudgets.nudge(of),
    budgets: () => budgets.tend(),
    erased_events: () => events.sweep(),
    dispatcher: async () => (await anyLives()) && dispatcher.tend(),
    uncommitted: leftoversSweep(ports.uncommitted, clock),
    files: leftoversSweep(ports.files, clock),
    batches: (of) => sweepBatches({ ...batch, log: of }),
    deliveries: async () => listeners.isAny() && tend({ turns: ports.deliveryTurns, announcer, clock }),
    operations: async () => (await anyLives()) && tend({ turns: ports.operationTurns, announcer, clock }),
    comparisons: async () => (await anyLives()) && tend({ turns: ports.comparisonTurns, announcer, clock }),
  };
  let sweptAt: number | undefined;
  tellGauges(telemetry, {
    sweepAgeMs: () => (sweptAt === undefined ? undefined : clock.monotonic() - sweptAt),
    lineJobs: () => dispatcher.jobs,
    breakers: () =>
      catalogue().deployments.map(({ name: deployment }) => ({
        ...{ deployment, isClosed: (quota.breakerOf(deployment)?.state ?? "closed") === "closed" },
      })),
  });
  let handedOver: Promise<void> | undefined;
  const handOver = async () => {
    const whats = await Promise.allSettled([dispatcher.handOver(), invocations.idle()]);
    for (const { reason } of whats.filter((what) => what.status === "rejected"))
      log.warn("not_handed_over", { reason: reasonOf(reason) });
    await reporter.flush();
    const enough = new Promise<void>((resolve) => clock.after(MOST_FLUSH_MS, resolve));
    await Promise.race([telemetry.flush(), enough]);
  };
  const seal = (of: Log) =>
    sealDays({
      seals: ports.seals,
      clock,
      newRun: () => ports.randomHex(8),
      log: of,
      keptSeconds: keptSecondsAtMost(settings),
    });
  return {
    ...ports,
    ...{ store, settings, catalogue, tenants, running, durations, budgets, quota, dispatcher, events },
    ...{ intake, run, redrive, upload, batch, batchTurn, accounts, sweep, seal, fresh, webhooks, comparing },
    /** What a message of the queue `deliveries` leads to. */
    deliver: (nudge: DeliveryNudge, of: Log) =>
      nudge.tenant_id === OPERATORS
        ? operationTurn({ ...bulk, redrive: { ...redrive, log: of } }, nudge)
        : nudge.event === undefined
          ? comparisonTurn({ ...comparing, intake: { ...intake, log: of } }, nudge)
          : deliver({ ...webhooks, log: of }, nudge),
    /** Runs an invocation of any kind: nothing is decided outside of one. */
    invocation: <T>(work: () => Promise<T>) => invocations.run(work),
    /** This process is told to end: others go on with all that it does. Resolves once they can; never rejects. */
    handOver: () => {
      running.endInstance();
      handedOver ??= handOver();
      return handedOver;
    },
    /** What operators have set, as this instance sees it, and what it lies over. */
    overridesWatch: overrides,
    ...{ written, check, bulk },
    base: { catalogue: configuration.catalogue, tenants: configuration.tenants },
    keyUsed: new KeyUses({ store: ports.keyUses, clock, log }),
  };
}
