import type { z } from "zod";
import { CONTROL_SCOPES } from "../../audit/control-record.ts";
import { OVERRIDES_ID, OVERRIDES_SCOPE } from "../../control/change-overrides.ts";
import { managedTenantDocument } from "../../control/managed-tenants.ts";
import { overridesDocument } from "../../control/overrides.ts";
import { ROOT_ID, rootDocument, SECRETS_SCOPE } from "../../control/secrets.ts";
import { CONTROL_CONTAINER, FILES_CONTAINER, JOBS_CONTAINER } from "./client.ts";
import * as documents from "./documents.ts";
import * as quotaDocuments from "./quota-documents.ts";

export * from "./places.ts";

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
        "/held/budget",
        "/coalesce",
        "/unreported",
        "/billed/at",
        "/batch_id",
        "/metadata/*",
      ],
    ],
    until: "an hour after its audit trail",
    holds: "status and scheduling, the audit chain's first records and its head; no prompt, no answer",
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
  operation: {
    ...{ container: JOBS_CONTAINER, partition: "`_operators`, the operation's id", id: "`operation`" },
    ...{ kind: "operation", foundBy: ["/wake_at_ms", "/created_at_ms"], ttlSeconds: 90 * DAY_SECONDS },
    ...{ until: "90 days after its last write", document: documents.operationDocument },
    holds: "what an operator asked for of many jobs or letters, and how far that has come",
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
  managed_tenant: {
    ...{ ...IN_CONTROL, kind: "managed_tenant", partition: `\`${OVERRIDES_SCOPE}\`` },
    ...{ id: "`tenant-` and its id", ids: "STARTSWITH(c.id, 'tenant-')", foundBy: ["/id"], ...NEVER },
    holds: "a tenant as operators set it, and its keys: hashes, never a key",
    document: managedTenantDocument,
  },
  key_use: {
    ...{ ...IN_CONTROL, kind: "key_use", partition: "`key_uses`", id: "the key's id", foundBy: [] },
    ...{ until: "its key is taken back", ttlSeconds: -1 },
    holds: "when a key that operators made was last used, to the hour",
    document: documents.keyUseDocument,
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
