import type { CallBudgets } from "../../budget/budgets.ts";
import type { Clock } from "../../clock.ts";
import type { EventLogs } from "../../events/event-logs.ts";
import type { Log } from "../../log.ts";
import type { Catalogue } from "../../model/catalogue.ts";
import type { ModelClient } from "../../model/client.ts";
import type { Latencies } from "../../model/latency.ts";
import type { AnswerEvent } from "../../model/protocol/protocol.ts";
import type { InstanceQuota } from "../../quota/instance/instance-quota.ts";
import type { GrantSecrets } from "../../quota/signed-grants.ts";
import type { Tenants } from "../../tenant/tenants.ts";
import type { JobStore, Nudges } from "../ports.ts";
import type { RunningJobs } from "../running-jobs.ts";
import type { Bulkhead } from "./bulkhead.ts";

/** A client that reads one job's answer as it comes. */
export interface PassOn {
  /** Something was passed on: only the attempt that did so may go on with it. */
  readonly isShown: boolean;
  readonly event: (event: AnswerEvent) => void;
}

/** What a worker runs jobs with. */
export interface RunDeps {
  readonly store: JobStore;
  /** Where what a streamed job's call says goes, if no client reads it here. */
  readonly events: Pick<EventLogs, "writer">;
  readonly nudges: Nudges;
  /** For jobs that another process is to go on with at once: they do not queue behind new ones. */
  readonly urgent: Pick<Nudges, "send">;
  readonly models: ModelClient;
  readonly catalogue: () => Catalogue;
  readonly tenants: () => Tenants;
  readonly latencies: Latencies;
  readonly quota: InstanceQuota;
  readonly secrets: GrantSecrets;
  readonly budgets: CallBudgets;
  readonly running: RunningJobs;
  readonly bulkhead: Bulkhead;
  readonly clock: Clock;
  readonly random: () => number;
  readonly newClaimId: () => string;
  readonly log: Log;
  /** Where its client reads the answer as it comes; absent: answers are asked for whole. */
  readonly passOn?: PassOn;
  /** Who this worker is, in audit records: `worker:<instance>`. */
  readonly actor: string;
  readonly leaseSeconds: number;
  readonly maxAttempts: number;
  readonly nudgeGraceMs: number;
}
