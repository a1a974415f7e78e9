import type { ControlScope } from "../../audit/control-record.ts";
import type { BatchKey } from "../../batch/batch.ts";
import type { AccountKey } from "../../budget/ports.ts";
import { OVERRIDES_ID, OVERRIDES_SCOPE } from "../../control/change-overrides.ts";
import { managedTenantId } from "../../control/change-tenants.ts";
import { ROOT_ID, SECRETS_SCOPE } from "../../control/secrets.ts";
import type { FileKey } from "../../files/file.ts";
import type { OutboxItem } from "../../job/ending/outbox.ts";
import { operationKey } from "../../operation/operation.ts";
import { sha256Hex } from "../../sha256.ts";
import type { JobKey } from "../../store.ts";
import type { Delivery } from "../../webhook/delivery.ts";

/** Where an item is: its id, and its logical partition (tenant and job in `jobs`, a scope in `control`). */
export interface Place {
  readonly id: string;
  readonly partition: string | string[];
}

const padded = (n: number, digits: number) => String(n).padStart(digits, "0");

export const partitionOf = ({ tenant_id, job_id }: JobKey): [string, string] => [tenant_id, job_id];
export const JOB_ID = "job";
export const jobPlace = (key: JobKey): Place => ({ id: JOB_ID, partition: partitionOf(key) });
export type ContentId = "request" | "response";
export const contentPlace = (key: JobKey, id: ContentId): Place => ({ id, partition: partitionOf(key) });
export const chunkPlace = (key: JobKey, contentId: string, n: number): Place => ({
  id: `content-${contentId}-${padded(n, 6)}`,
  partition: partitionOf(key),
});
/** From now on nothing commits them. */
export const removingPlace = (key: JobKey, contentId: string): Place => ({
  id: `removing-${contentId}`,
  partition: partitionOf(key),
});
export const writingPlace = (key: JobKey, contentId: string): Place => ({
  id: `writing-${contentId}`,
  partition: partitionOf(key),
});
const partitionOfBatch = ({ tenant_id, batch_id }: BatchKey): [string, string] => [tenant_id, batch_id];
export const batchPlace = (key: BatchKey): Place => ({ id: "batch", partition: partitionOfBatch(key) });
export const progressPlace = (key: BatchKey): Place => ({ id: "progress", partition: partitionOfBatch(key) });
const partitionOfFile = ({ tenant_id, file_id }: FileKey): [string, string] => [tenant_id, file_id];
export const filePlace = (key: FileKey): Place => ({ id: "file", partition: partitionOfFile(key) });
export const filePagesPlace = (key: FileKey): Place => ({ id: "pages", partition: partitionOfFile(key) });
export const fileWritingPlace = (key: FileKey, id: "writing" | "removing"): Place => ({
  ...{ id, partition: partitionOfFile(key) },
});
/** In the container of files. */
export const pagePlace = (key: FileKey, pageId: string): Place => ({
  ...{ id: pageId, partition: partitionOfFile(key) },
});

/** One for each event, of which a job has one at most. */
export const outboxPlace = (key: JobKey, { event }: Pick<OutboxItem, "event">): Place => ({
  id: `outbox-${event}`,
  partition: partitionOf(key),
});
export const EVENT_LOG_ID = "events";
export const eventLogPlace = (key: JobKey): Place => ({ id: EVENT_LOG_ID, partition: partitionOf(key) });
/** Ids sort as their events do. @param last the number of the last event in it */
export const eventsPlace = (key: JobKey, last: number): Place => ({
  id: `events-${padded(last, 9)}`,
  partition: partitionOf(key),
});
export const deliveryPlace = (of: JobKey & Pick<Delivery, "event" | "endpoint_id">): Place => ({
  id: `delivery-${of.endpoint_id}-${of.event}`,
  partition: partitionOf(of),
});
export const comparisonPlace = (key: JobKey): Place => ({ id: "comparison", partition: partitionOf(key) });
export const operationPlace = ({ job_id }: Pick<JobKey, "job_id">): Place => ({
  id: "operation",
  partition: partitionOf(operationKey(job_id)),
});
export const endpointsKey = (tenant_id: string): JobKey => ({ tenant_id, job_id: "webhooks" });
export const endpointsPlace = (tenantId: string): Place => ({
  id: "endpoints",
  partition: partitionOf(endpointsKey(tenantId)),
});
export const listenersPlace: Place = { id: "listeners", partition: "webhooks" };
export const auditPlace = (key: JobKey, seq: number): Place => ({
  id: `audit-${padded(seq, 6)}`,
  partition: partitionOf(key),
});

/** Begins the ids of a scope's trail; nothing else that a change writes may have such an id. */
export const TRAIL_PREFIX = "audit-";
export const controlHeadPlace = (scope: ControlScope): Place => ({ id: "audit-head", partition: scope });
/** A number of 9 digits: ids sort as their records do, for a thousand years of changes. */
export const controlRecordPlace = (scope: ControlScope, seq: number): Place => ({
  id: `${TRAIL_PREFIX}${padded(seq, 9)}`,
  partition: scope,
});
/** Any text may name a change, so its item is named by the text's hash. */
export const controlChangePlace = (scope: ControlScope, changeId: string): Place => ({
  id: `${TRAIL_PREFIX}change-${sha256Hex(changeId)}`,
  partition: scope,
});
export const rootPlace: Place = { id: ROOT_ID, partition: SECRETS_SCOPE };
/** Beside the overrides, so that a change of either is one batch with its record. */
export const managedTenantPlace = (tenantId: string): Place => ({
  id: managedTenantId(tenantId),
  partition: OVERRIDES_SCOPE,
});
export const tenantIdOf = (id: string): string => id.slice(managedTenantId("").length);
export const keyUsePlace = (keyId: string): Place => ({ id: keyId, partition: "key_uses" });
export const overridesPlace: Place = { id: OVERRIDES_ID, partition: OVERRIDES_SCOPE };

/** One logical partition, whose trail says what operators made of the letters. */
export const DEAD_LETTERS_SCOPE: ControlScope = "dead_letters";
export const deadLetterPlace = (id: string): Place => ({ id, partition: DEAD_LETTERS_SCOPE });

/** Each tenant's accounts are a logical partition: one tenant's calls do not slow another's. */
export const budgetPlace = ({ tenant_id, month, currency }: AccountKey): Place => ({
  id: `${month}-${currency}`,
  partition: `budget:${tenant_id}`,
});

export const watchedLeasesPlace: Place = { id: "watched-leases", partition: "sweeper" };
export const sweepRoundPlace: Place = { id: "last-round", partition: "sweeper" };

/** One logical partition, so that many pools can be in one batch. */
export const QUOTA_SCOPE = "quota";
/** `/ \ ? #` may not stand in an id, and a pool's name may hold a slash. */
export const poolPlace = (pool: string): Place => ({
  id: `pool-${encodeURIComponent(pool)}`,
  partition: QUOTA_SCOPE,
});
export const dispatcherLeasePlace: Place = { id: "dispatcher", partition: QUOTA_SCOPE };
export const REPORTS_SCOPE = "quota_reports";
export const reportPlace = (instance: string): Place => ({ id: instance, partition: REPORTS_SCOPE });

export const SEALS_SCOPE = "seals";
export const sealHeadPlace: Place = { id: "seal-head", partition: SEALS_SCOPE };
export const sealPlace = (n: number): Place => ({ id: `seal-${padded(n, 6)}`, partition: SEALS_SCOPE });
export const leavesScope = (n: number): string => `seal-${padded(n, 6)}`;
export const leavesPrefix = (run: string): string => `${run}-`;
export const leavesPlace = (n: number, run: string, index: number): Place => ({
  id: `${leavesPrefix(run)}${padded(index, 6)}`,
  partition: leavesScope(n),
});
