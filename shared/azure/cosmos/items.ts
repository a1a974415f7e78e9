import type { z } from "zod";
import { CONTROL_SCOPES, type ControlScope } from "../../audit/control-record.ts";
import type { BatchKey } from "../../batch/batch.ts";
import type { AccountKey } from "../../budget/ports.ts";
import { OVERRIDES_ID, OVERRIDES_SCOPE } from "../../control/change-overrides.ts";
import { overridesDocument } from "../../control/overrides.ts";
import { ROOT_ID, rootDocument, SECRETS_SCOPE } from "../../control/secrets.ts";
import type { FileKey } from "../../files/file.ts";
import type { OutboxItem } from "../../job/ending/outbox.ts";
import { sha256Hex } from "../../sha256.ts";
import type { JobKey } from "../../store.ts";
import type { Delivery } from "../../webhook/delivery.ts";
import { CONTROL_CONTAINER, FILES_CONTAINER, JOBS_CONTAINER } from "./client.ts";
import * as documents from "./documents.ts";
import * as quotaDocuments from "./quota-documents.ts";

/** Where an item is: its id, and its logical partition (tenant and job in `jobs`, a scope in `control`). */
export interface Place {
  readonly id: string;
  readonly partition: string | string[];
}

/** What is true of all items of one kind. The texts are for docs/stored-items.md. */
export interface ItemKind<Document extends z.ZodObject = z.ZodObject> {
  readonly kind: string;
  readonly container: typeof JOBS_CONTAINER | typeof CONTROL_CONTAINER | typeof FILES_CONTAINER;
  readonly partition: string;
  readonly id: string;
  /** A condition that ids of this kind meet, and no others of its partition: what is counted is counted by it. */
  readonly ids?: string;
  /** Indexed paths that queries find it by; none: it is read by its id alone. */
  readonly foundBy: readonly string[];
  readonly until: string;
  /** Seconds from the last write until it goes; -1: never. Absent: each item's own, by its job or its seal. */
  readonly ttlSeconds?: number;
  readonly holds: string;
  /** What a read checks. */
  readonly document: Document;
}

const DAY_SECONDS = 86_400;
const NEVER = { ttlSeconds: -1, until: "for ever" };

/** Everything of a job is in one logical partition, so that each change of it is one batch. */
const OF_A_JOB = { container: JOBS_CONTAINER, partition: "tenant id, job id" } as const;
const WITH_CONTENT = { until: "the job's deadline + `CONTENT_RETENTION_DAYS`", foundBy: [] };
const OF_A_FILE = { container: JOBS_CONTAINER, partition: "tenant id, file id" } as const;
const OF_A_BATCH = { container: JOBS_CONTAINER, partition: "tenant id, batch id" } as const;
const WITH_BATCH = { until: "the batch's deadline + `CONTENT_RETENTION_DAYS`" };
/** Beside the job, or whatever else has an end, so that the end and its event are one batch. */
const OF_WEBHOOKS = { ...OF_A_JOB, until: "30 days after its event" };
const IN_CONTROL = { container: CONTROL_CONTAINER } as const;
/** A chain of its own for each scope that operators change. */
const OF_A_TRAIL = {
  ...IN_CONTROL,
  partition: CONTROL_SCOPES.map((scope) => `\`${scope}\``).join(", "),
  ...NEVER,
};
const OF_THE_SWEEPER = { ...IN_CONTROL, partition: "`sweeper`", foundBy: [] };
const OF_QUOTA = { ...IN_CONTROL, partition: "`quota`", foundBy: [], ...NEVER };
const OF_SEALS = { ...IN_CONTROL, partition: "`seals`", foundBy: [], ...NEVER };

/** Every kind of item that is stored. Each item says its `kind`, and has since there are items of it. */
export const ITEMS = {
  job: {
    ...{ ...OF_A_JOB, kind: "job", id: "`job`", ids: "c.id = 'job'" },
    foundBy: [
      ...["/status", "/model", "/job_id", "/created_at_ms", "/wake_at_ms", "/_ts"],
      ...[
        "/parked_at_ms",
        "/parked/place",
        "/parked/deadline_ms",
        "/held/revision",
        "/coalesce",
        "/unreported",
        "/batch_id",
        "/metadata/*",
      ],
    ],
    until: "a day after its audit trail",
    holds: "status and scheduling, the head of the audit chain; no prompt, no answer",
    document: documents.jobKey,
  },
  request: {
    ...{ ...OF_A_JOB, kind: "request", id: "`request`", ...WITH_CONTENT },
    holds: "the envelope's `body`, byte for byte",
    document: documents.requestDocument,
  },
  response: {
    ...{ ...OF_A_JOB, kind: "response", id: "`response`", ids: "c.id = 'response'", ...WITH_CONTENT },
    holds: "the deployment's answer, byte for byte",
    document: documents.responseDocument,
  },
  chunk: {
    ...{ ...OF_A_JOB, kind: "chunk", id: "`content-`, its content's id and a number" },
    ...{ ids: "STARTSWITH(c.id, 'content-')", foundBy: ["/id"] },
    until: "an hour after the request or response it is of",
    holds: "a piece of a request or response that is too large for one item",
    document: documents.chunkDocument,
  },
  writing: {
    ...{ ...OF_A_JOB, kind: "writing", id: "`writing-` or `removing-`, and a content's id" },
    ...{ foundBy: ["/wake_at_ms"], until: "its chunks are committed, or removed", ttlSeconds: -1 },
    holds: "the id of chunks that no request or response names",
    document: documents.writingDocument,
  },
  file: {
    ...{ ...OF_A_FILE, kind: "file", id: "`file`", foundBy: ["/listed", "/due_at_ms"] },
    ...{ until: "the file's own time, or until it is deleted", ttlSeconds: -1 },
    holds: "a file's name, purpose and size",
    document: documents.fileDocument,
  },
  file_pages: {
    ...{ ...OF_A_FILE, kind: "file_pages", id: "`pages`", foundBy: [], until: "as its file", ttlSeconds: -1 },
    holds: "which pages make the file, where they are not even",
    document: documents.filePagesDocument,
  },
  file_writing: {
    ...{ ...OF_A_FILE, kind: "file_writing", id: "`writing` or `removing`", foundBy: ["/due_at_ms"] },
    ...{ until: "its pages are committed, or removed", ttlSeconds: -1 },
    holds: "that a file is being written or removed",
    document: documents.fileWritingDocument,
  },
  page: {
    ...{
      container: FILES_CONTAINER,
      partition: "tenant id, file id",
      kind: "page",
      id: "`page-` and its name",
    },
    ...{ ids: "STARTSWITH(c.id, 'page-')", foundBy: ["/id"], until: "as its file", ttlSeconds: -1 },
    holds: "a stretch of a file's bytes, in base64",
    document: documents.pageDocument,
  },
  batch: {
    ...{ ...OF_A_BATCH, ...WITH_BATCH, kind: "batch", id: "`batch`", foundBy: ["/listed", "/due_at_ms"] },
    holds: "a batch's state, counts, usage and cost",
    document: documents.batchDocument,
  },
  progress: {
    ...{ ...OF_A_BATCH, ...WITH_BATCH, kind: "progress", id: "`progress`", foundBy: [] },
    holds:
      "how far a batch has come: its cursor, a bit for each line that is reported, the pages of its files",
    document: documents.progressDocument,
  },
  outbox: {
    ...{ ...OF_WEBHOOKS, kind: "outbox", id: "`outbox-` and its event", foundBy: ["/look_at_ms"] },
    holds: "an event to be sent on to all endpoints that want it",
    document: documents.outboxDocument,
  },
  event_log: {
    ...{ ...OF_A_JOB, kind: "event_log", id: "`events`", ids: "c.id = 'events'", ...WITH_CONTENT },
    foundBy: ["/wake_at_ms"],
    holds: "the end of the event log: whose it is, and the next event's number",
    document: documents.eventLogDocument,
  },
  events: {
    ...{ ...OF_A_JOB, kind: "events", id: "`events-000000041` …: its last event", ...WITH_CONTENT },
    ...{ ids: "c.id > 'events-' AND c.id < 'events.'", foundBy: ["/id"] },
    holds: "numbered events of a streamed answer, as many as were written at once",
    document: documents.eventsDocument,
  },
  delivery: {
    ...{ ...OF_WEBHOOKS, kind: "delivery", id: "`delivery-`, the endpoint and the event" },
    foundBy: ["/delivery/id", "/delivery/endpoint", "/delivery/status", "/look_at_ms"],
    holds: "one event for one endpoint, and its tries",
    document: documents.deliveryDocument,
  },
  comparison: {
    ...{ container: JOBS_CONTAINER, partition: "tenant id, the comparison's id", id: "`comparison`" },
    ...{ kind: "comparison", foundBy: ["/comparison/place", "/wake_at_ms"] },
    ...{ until: "its deadline + `CONTENT_RETENTION_DAYS`", document: documents.comparisonDocument },
    holds: "which models are compared, and how it ended; its request is a `request` beside it",
  },
  webhook_endpoints: {
    ...{ container: JOBS_CONTAINER, partition: "tenant id, `webhooks`", id: "`endpoints`" },
    ...{ kind: "webhook_endpoints", foundBy: [], ...NEVER },
    holds: "a tenant's endpoints; their secrets are encrypted",
    document: documents.endpointsDocument,
  },
  webhook_listeners: {
    ...{ ...IN_CONTROL, kind: "webhook_listeners", partition: "`webhooks`", id: "`listeners`" },
    ...{ foundBy: [], ...NEVER },
    holds: "which events the endpoints of each tenant want to hear",
    document: documents.heardDocument,
  },
  audit: {
    ...{ ...OF_A_JOB, kind: "audit", id: "`audit-000001` …", ids: "STARTSWITH(c.id, 'audit-')" },
    ...{ foundBy: ["/id", "/billed/at"], until: "the job's deadline + `AUDIT_RETENTION_DAYS` (0: for ever)" },
    holds: "one line of the job's history; `billed` on those of calls that used something",
    document: documents.auditDocument,
  },
  control_head: {
    ...{ ...OF_A_TRAIL, kind: "audit_head", id: "`audit-head`", foundBy: [] },
    holds: "the end of the scope's chain",
    document: documents.controlHeadDocument,
  },
  control_record: {
    ...{ ...OF_A_TRAIL, kind: "audit", id: "`audit-000000001` …", foundBy: ["/id"] },
    ids: "c.id > 'audit-' AND c.id < 'audit-a'",
    holds: "one change an operator made",
    document: documents.controlRecordDocument,
  },
  control_change: {
    ...{ ...OF_A_TRAIL, kind: "audit_change", id: "`audit-change-` and a hash", foundBy: [] },
    holds: "the number of the record that the change of this id has",
    document: documents.controlChangeDocument,
  },
  overrides: {
    ...{ ...IN_CONTROL, kind: "overrides", partition: `\`${OVERRIDES_SCOPE}\`` },
    ...{ id: `\`${OVERRIDES_ID}\``, foundBy: [], ...NEVER },
    holds: "what operators have set over the files: switches, limits, weights",
    document: overridesDocument,
  },
  root: {
    ...{ ...IN_CONTROL, kind: "root", partition: `\`${SECRETS_SCOPE}\`` },
    ...{ id: `\`${ROOT_ID}\``, foundBy: [], ...NEVER },
    holds: "32 random bytes that every key of the service is derived of, and those before",
    document: rootDocument,
  },
  dead_letter: {
    ...{ ...IN_CONTROL, kind: "dead_letter", partition: "`dead_letters`", id: "`dl_` and a hash" },
    ...{ ids: "STARTSWITH(c.id, 'dl_')", foundBy: ["/id", "/at_ms"] },
    ...{ until: "90 days after its last write", ttlSeconds: 90 * DAY_SECONDS },
    holds: "a message that Service Bus gave up on, and what an operator made of it",
    document: documents.deadLetterDocument,
  },
  budget: {
    ...{ ...IN_CONTROL, kind: "budget", partition: "`budget:` and the tenant's id", id: "`2026-11-USD`" },
    // Two months after its own, so that a bill can be held against it.
    ...{ foundBy: ["/look_at_ms"], until: "93 days after its last write", ttlSeconds: 93 * DAY_SECONDS },
    holds: "what a tenant has spent and reserved: day and month are one item, so that one write moves both",
    document: documents.budgetDocument,
  },
  watched_leases: {
    ...{ ...OF_THE_SWEEPER, kind: "watched_leases", id: "`watched-leases`" },
    // When no lease is late any more, what is left of the list expires.
    ...{ until: "an hour after its last write", ttlSeconds: 3_600 },
    holds: "the leases that are late, some 150 bytes each",
    document: documents.watchedLeasesDocument,
  },
  sweep_round: {
    ...{ ...OF_THE_SWEEPER, kind: "sweep_round", id: "`last-round`", ...NEVER },
    holds: "what the sweeper did last",
    document: documents.sweepRoundDocument,
  },
  quota_pool: {
    ...{ ...OF_QUOTA, kind: "quota_pool", id: "`pool-` and its name" },
    holds: "what is believed of a deployment's quota, and its breakers",
    document: quotaDocuments.poolDocument,
  },
  dispatcher_lease: {
    ...{ ...OF_QUOTA, kind: "dispatcher_lease", id: "`dispatcher`", ids: "c.id = 'dispatcher'" },
    holds: "who dispatches",
    document: quotaDocuments.dispatcherLeaseDocument,
  },
  quota_report: {
    ...{ ...IN_CONTROL, kind: "quota_report", partition: "`quota_reports`", id: "the instance" },
    // An instance that has not reported for so long is gone.
    ...{ foundBy: ["/at_ms"], until: "an hour after its last write", ttlSeconds: 3_600 },
    holds: "what an instance has to tell the dispatcher of its calls",
    document: quotaDocuments.reportDocument,
  },
  seal_head: {
    ...{ ...OF_SEALS, kind: "seal_head", id: "`seal-head`" },
    holds: "the latest seal's number, end and hash",
    document: documents.sealHeadDocument,
  },
  seal: {
    ...{ ...OF_SEALS, kind: "seal", id: "`seal-000001` …" },
    holds: "the Merkle root over a day's heads, some 500 bytes",
    document: documents.sealDocument,
  },
  seal_leaves: {
    // A logical partition for each seal: all seals' leaves together would outgrow one.
    ...{ ...IN_CONTROL, kind: "seal_leaves", partition: "`seal-000001` …" },
    ...{ id: "its run and a number", foundBy: ["/id"], until: "a week after the last of its trails" },
    holds: "500 sealed heads",
    document: documents.sealLeavesDocument,
  },
} satisfies Record<string, ItemKind>;

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
