import type { ControlTrailStore } from "./audit/control-trail.ts";
import { keptSecondsAtMost, type SealStore, sealDays } from "./audit/seal/sealing.ts";
import { Budgets } from "./budget/budgets.ts";
import type { BudgetLedger } from "./budget/ports.ts";
import type { Clock } from "./clock.ts";
import { effectiveConfiguration } from "./control/effective.ts";
import { abortsCall } from "./control/overrides.ts";
import { type OverridesStore, watchOverrides } from "./control/watch-overrides.ts";
import { SWITCHED_OFF } from "./job/after-call.ts";
import type { LiveJobs } from "./job/backlog.ts";
import type { SubmitDeps } from "./job/intake/submit.ts";
import type { RedriveDeps } from "./job/letters/redrive.ts";
import { nudgeFor } from "./job/nudge.ts";
import type { DeadLetters, JobStore, Nudges, SweptJobs } from "./job/ports.ts";
import { claimRecords } from "./job/run/claim-finding.ts";
import type { RunDeps } from "./job/run/run-deps.ts";
import { createRunningJobs } from "./job/running-jobs.ts";
import { budgetChange, ChangedWaits, catalogueChange, type WaitingJobs } from "./job/sweep/changed-waits.ts";
import type { LeaseWatch } from "./job/sweep/lease-watch.ts";
import type { SweepParts } from "./job/sweep/parts.ts";
import { type SweepRounds, toldRounds } from "./job/sweep/round.ts";
import { Sweeper } from "./job/sweep/sweep.ts";
import type { Log } from "./log.ts";
import type { Catalogue } from "./model/catalogue.ts";
import type { ModelClient } from "./model/client.ts";
import { createLatencies } from "./model/latency.ts";
import { Dispatcher } from "./quota/dispatch/dispatcher.ts";
import { InstanceDoor, isSwitchedOff, limitedOf } from "./quota/door.ts";
import { InstanceQuota } from "./quota/instance/instance-quota.ts";
import { Reporter } from "./quota/instance/reporter.ts";
import type { DispatcherLeases, DispatcherLedger, ParkedJobs, Releases, Reports } from "./quota/ports.ts";
import { nudgeGraceMs as graceOf, type Settings } from "./settings.ts";
import type { Tenants } from "./tenant/tenants.ts";
import type { BilledCalls } from "./usage/usage-report.ts";

/** All that is stored. Every method of every port throws StoreUnavailable, and nothing else that a cloud can cause. */
export interface StorePorts {
  readonly store: JobStore;
  readonly sweptJobs: SweptJobs;
  readonly parkedJobs: ParkedJobs;
  readonly waitingJobs: WaitingJobs;
  readonly liveJobs: LiveJobs;
  readonly billedCalls: BilledCalls;
  readonly leaseWatch: LeaseWatch;
  readonly sweepRounds: SweepRounds;
  readonly deadLetters: DeadLetters;
  readonly overrides: OverridesStore;
  readonly trail: ControlTrailStore;
  readonly quotaLedger: DispatcherLedger;
  readonly quotaReports: Reports;
  readonly dispatcherLeases: DispatcherLeases;
  readonly budgetLedger: BudgetLedger;
  readonly seals: SealStore;
}

/** What the service needs of the world: production, every test and the benchmarks give it all of this. */
export interface ServicePorts extends StorePorts {
  readonly nudges: Nudges;
  readonly releases: Releases & Pick<Nudges, "send">;
  readonly models: ModelClient;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Hex digits that nobody can guess, two for each byte. */
  readonly randomHex: (bytes: number) => string;
  readonly newId: () => string;
  /** Of what happens outside of any invocation. */
  readonly log: Log;
}

/** What the files and settings say, read anew where it may change. */
export interface ServiceConfiguration {
  readonly settings: Pick<
    Settings,
    | "instance"
    | "leaseSeconds"
    | "sweepSeconds"
    | "maxAttempts"
    | "defaultDeadlineSeconds"
    | "maxDeadlineSeconds"
    | "auditRetentionDays"
    | "contentRetentionDays"
  >;
  readonly catalogue: () => Catalogue;
  readonly tenants: () => Tenants;
}

export type Service = ReturnType<typeof composeService>;

/** Every use case, composed once: what ships is what is tested. Nothing in it is optional. */
export function composeService(ports: ServicePorts, configuration: ServiceConfiguration) {
  const { store, nudges, releases, clock, random, log } = ports;
  const { settings } = configuration;
  const { instance, leaseSeconds } = settings;
  const nudgeGraceMs = graceOf(settings);
  const running = createRunningJobs();
  const overrides = watchOverrides({
    store: ports.overrides,
    ...{ clock, log },
    onChange: (changed) =>
      running.abortWhere(({ lease, model }) => abortsCall(changed, { ...lease, model }), SWITCHED_OFF),
  });
  /** The files as operators have changed them. */
  const { catalogue, tenants } = effectiveConfiguration(
    configuration.catalogue,
    configuration.tenants,
    overrides.current,
  );
  const dispatcher = new Dispatcher({
    leases: ports.dispatcherLeases,
    ledger: ports.quotaLedger,
    reports: ports.quotaReports,
    parked: ports.parkedJobs,
    ...{ releases, clock, instance, log },
    deployments: () => catalogue().deployments.map(limitedOf),
    isOff: (name) => isSwitchedOff(catalogue(), name),
    weightOf: (tenantId) => tenants().get(tenantId)?.weight ?? 1,
  });
  const quota = new InstanceDoor({
    ...{ catalogue, dispatcher },
    quota: new InstanceQuota({ ledger: ports.quotaLedger, clock, log }),
    reporter: new Reporter({ reports: ports.quotaReports, clock, log, instance }),
  });
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
  const rounds = toldRounds({
    sweep: (of) => sweeper.sweep(of),
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

  const submit: Omit<SubmitDeps, "log"> = {
    ...{ store, nudges, running, budgets, clock, nudgeGraceMs },
    newJobId: () => `job_${ports.newId().replaceAll("-", "")}`,
  };
  const run: Omit<RunDeps, "log"> = {
    ...{ store, nudges, catalogue, tenants, quota, budgets, running, clock, random, nudgeGraceMs },
    models: ports.models,
    latencies: createLatencies(clock),
    newClaimId: ports.newId,
    actor: `worker:${instance}`,
    leaseSeconds,
    maxAttempts: settings.maxAttempts,
  };
  const redrive: Omit<RedriveDeps, "log"> = {
    ...{ store, nudges, budgets, clock, nudgeGraceMs },
    deadLetters: ports.deadLetters,
    trail: ports.trail,
    defaultDeadlineSeconds: settings.defaultDeadlineSeconds,
    maxDeadlineSeconds: settings.maxDeadlineSeconds,
  };
  /** What one turn of the sweep timer does; each part whatever becomes of the others. */
  const sweep: SweepParts = {
    sweep: rounds,
    changed_catalogue: (of) => changedCatalogue.nudge(of),
    changed_budgets: (of) => changedBudgets.nudge(of),
    budgets: () => budgets.tend(),
    dispatcher: () => dispatcher.tend(),
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
    ...{ settings, catalogue, tenants, running, budgets, quota, dispatcher },
    ...{ submit, run, redrive, sweep, seal },
    /** What operators have set, as this instance sees it. */
    overridesWatch: overrides,
  };
}
