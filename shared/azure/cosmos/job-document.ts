import { z } from "zod";
import { isBilled } from "../../audit/billed.ts";
import type { AuditRecord } from "../../audit/record.ts";
import { MAX_TIME_MS } from "../../bounds.ts";
import type { JobErrorCode } from "../../errors.ts";
import {
  ENDPOINTS,
  type Ended,
  isEnded,
  type Job,
  type JobFacts,
  type Lease,
  leaseOf,
  type Queued,
  VALIDATE,
} from "../../job/job.ts";
import type { SwitchWait, Waiting } from "../../job/waiting.ts";
import { inLine } from "../../job/waits-for.ts";
import type { CostUnknown } from "../../model/cost.ts";
import { VALIDATIONS, type Validation } from "../../model/outcome.ts";
import type { Usage } from "../../model/usage.ts";
import { ILLNESSES, type Illness, isIllness, WAIT_CAUSES, type WaitCause } from "../../model/wait-cause.ts";
import { PRIORITIES } from "../../priority.ts";
import { type Status, TERMINAL_STATUSES } from "../../status.ts";
import { isKnownVersion, STORED_VERSION, UnreadableItem } from "../../store.ts";
import { type BilledField, billedField } from "./audit-items.ts";
import { nameOf } from "./stored-items.ts";

/**
 * A job as it is stored: one flat item, whose fields and their names are what hosts of neighbouring versions share.
 * Those that a state does not have are null, but for indexed ones: they are absent where they say nothing, so that
 * their index holds no other jobs.
 */
export interface JobDocument extends Omit<JobFacts, "others">, WaitFields {
  readonly v: number;
  readonly kind: "job";
  readonly status: Status;
  readonly lease: Lease | null;
  readonly completed_at_ms: number | null;
  readonly usage: Ended["usage"];
  readonly error: Ended["error"];
  readonly has_response: boolean;
  readonly content_deleted: boolean;
  readonly content_deleted_at_ms?: number;
  readonly incomplete?: string;
  readonly validation?: Validation;
  readonly redriven_to?: string;
  /** A line of this batch has ended: its turn looks for it. */
  readonly unreported?: string;
  /** Absent once it has ended. */
  readonly wake_at_ms?: number;
  readonly nudges_resent: number;
  /** As on records that are items of their own: one of its first records is of a call that used something. */
  readonly billed?: BilledField;
}

/** How a queued job's waiting is stored. */
interface WaitFields {
  /** For a time. */
  readonly retry_at_ms: number | null;
  /** For a deployment that is ill, until then. */
  readonly ill?: { readonly cause: Illness; readonly deployment: string };
  /** Since when, but for quota. */
  readonly wait_since_ms?: number;
  /** For what a change may bring. With `parked` only so that it is found once it is to be chosen for anew. */
  readonly held?: {
    readonly cause: (typeof HELD_FOR)[number];
    readonly revision: number;
    readonly budget?: string;
    readonly until_ms?: number;
  };
  /** For quota: since when, and how. */
  readonly parked_at_ms?: number;
  readonly parked?: {
    readonly tokens: number;
    readonly deployments: readonly string[];
    readonly cause?: WaitCause;
    /** More of the cause, which the version before does not know. */
    readonly illness?: Illness;
    /** In the line of all that wait (quota/turns/line.ts), and the job's deadline; absent: an older version stored it. */
    readonly place?: string;
    readonly deadline_ms?: number;
  };
}
const HELD_FOR = ["switched_off", "over_budget", "quota"] as const;

/** Field by field: by spreads the same takes 25 times as long. What is undefined is not stored. */
export function documentOf(job: Job): JobDocument {
  const queued = job.status === "queued" ? job : undefined;
  const ended = isEnded(job) ? job : undefined;
  const { parked_at_ms, parked, held, retry_at_ms, ill, wait_since_ms }: WaitFields = waitFields(queued);
  const document = {
    v: STORED_VERSION,
    kind: "job",
    status: job.status,
    tenant_id: job.tenant_id,
    job_id: job.job_id,
    endpoint: job.endpoint,
    model: job.model,
    priority: job.priority,
    metadata: job.metadata,
    envelope_sha256: job.envelope_sha256,
    created_at_ms: job.created_at_ms,
    not_before_ms: job.not_before_ms,
    deadline_ms: job.deadline_ms,
    started_at_ms: job.started_at_ms,
    completed_at_ms: ended?.completed_at_ms ?? null,
    wake_at_ms: isEnded(job) ? undefined : job.wake_at_ms,
    nudges_resent: queued?.nudges_resent ?? 0,
    ...{ retry_at_ms, ill, wait_since_ms, held, parked_at_ms, parked },
    attempts: job.attempts,
    attempts_spent: job.attempts_spent,
    attempts_lost: job.attempts_lost,
    setbacks: job.setbacks,
    lease: leaseOf(job),
    budget_claims: job.budget_claims,
    refused_by: job.refused_by,
    tried: job.tried,
    deployment: job.deployment,
    provider: job.provider,
    simulated: job.simulated,
    usage: ended?.usage ?? null,
    cost: job.cost,
    unknown_costs: job.unknown_costs,
    max_cost: job.max_cost,
    timeout_seconds: job.timeout_seconds,
    may_have_cost: job.may_have_cost,
    incomplete: ended?.incomplete,
    last_failure: job.last_failure,
    error: ended?.error ?? null,
    has_response: ended?.has_response ?? false,
    content_deleted: ended?.content_deleted ?? false,
    content_deleted_at_ms: ended?.content_deleted_at_ms,
    traceparent: job.traceparent,
    caller_span_id: job.caller_span_id,
    redriven_from: job.redriven_from,
    retries: job.retries,
    redriven_to: ended?.redriven_to,
    batch_id: job.batch_id,
    batch_line: job.batch_line,
    custom_id: job.custom_id,
    // A job that was submitted by itself may have a group, and nobody reports it.
    unreported: ended?.batch_line === undefined ? undefined : ended.batch_id,
    coalesce: job.coalesce,
    joined_by: job.joined_by,
    joined_count: job.joined_count,
    streamed: job.streamed,
    ...{ validate: job.validate, comparison: job.comparison, validation: ended?.validation },
    as_response: job.as_response,
    audit_seq: job.audit_seq,
    audit_hash: job.audit_hash,
    first_records: job.first_records,
    billed: billedIn(job),
    audit_until_ms: job.audit_until_ms,
    content_until_ms: job.content_until_ms,
  } satisfies Record<keyof JobDocument, unknown>;
  return Object.assign(document, job.others) as JobDocument;
}

function billedIn({ first_records = [], model }: Job): BilledField | undefined {
  const record = first_records.find(isBilled);
  return record && billedField(record, model);
}

function waitFields(job: Queued | undefined): WaitFields {
  const waiting = job?.waiting;
  switch (waiting?.for) {
    case undefined:
      return { retry_at_ms: null };
    case "time":
      return { retry_at_ms: waiting.until_ms, ...sinceOf(waiting) };
    case "deployment": {
      const { until_ms, cause, deployment } = waiting;
      return { retry_at_ms: until_ms, ill: { cause, deployment }, ...sinceOf(waiting) };
    }
    case "quota": {
      const { for: _, since_ms, revision, others, cause, ...rest } = waiting;
      const how = { ...rest, ...causeOf(cause) };
      const { place = "", deadline_ms = 0 } = (job && inLine(job)) ?? {};
      return {
        retry_at_ms: null,
        parked_at_ms: since_ms,
        parked: { ...others, ...how, place, deadline_ms },
        ...(revision === undefined ? {} : { held: { cause: "quota", revision } }),
      };
    }
    case "switch": {
      const { revision, others } = waiting;
      const held = { ...others, cause: "switched_off", revision } as const;
      return { retry_at_ms: null, held, ...sinceOf(waiting) };
    }
    case "budget": {
      const { revision, budget, until_ms, others } = waiting;
      const held = { ...others, cause: "over_budget", revision, budget } as const;
      const since = sinceOf(waiting);
      return { retry_at_ms: null, held: until_ms === null ? held : { ...held, until_ms }, ...since };
    }
  }
}

const sinceOf = ({ since_ms }: { readonly since_ms?: number }): Pick<WaitFields, "wait_since_ms"> =>
  since_ms === undefined ? {} : { wait_since_ms: since_ms };

/** The version before knows but one cause of a deployment that is ill. To be made simple by the next. */
function causeOf(cause: WaitCause | undefined): { cause?: WaitCause; illness?: Illness } {
  if (cause === undefined) return {};
  return isIllness(cause) && cause !== "deployment_failing"
    ? { cause: "deployment_failing", illness: cause }
    : { cause };
}

const whatever = <T>(type: "string" | "object") =>
  z.custom<T>((value) => typeof value === type && value !== null);
const text = z.string();
const time = z.number().min(0).max(MAX_TIME_MS);
const count = z.int().min(0);
const tokens = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const seconds = z.number().min(0).max(86_400);
const decimal = text.regex(/^\d+(\.\d+)?$/, "is not a decimal");
const cost = z.looseObject({ amount: text, currency: text });
/** Whatever a neighbouring version has put beside its fields stays there. */
const lease = z.looseObject({
  ...{ claim_id: text, renewals: count, seconds, deployment: text, provider: text },
  ...{ simulated: z.boolean(), started_at_ms: time, request_sha256: text },
});
const FACTS = z.object({
  ...{
    tenant_id: text,
    job_id: text,
    endpoint: z.enum(ENDPOINTS),
    model: text,
    priority: z.enum(PRIORITIES),
  },
  ...{ metadata: z.record(text, text), envelope_sha256: text, created_at_ms: time, deadline_ms: time },
  ...{ not_before_ms: time.nullable(), started_at_ms: time.nullable(), attempts: count },
  attempts_lost: count.exactOptional(),
  setbacks: z
    .looseObject({
      ...{ pauses: count, since_ms: time, last_ms: time },
      ...{ refused: z.boolean().exactOptional(), needs_operator: z.boolean().exactOptional() },
    })
    .exactOptional(),
  ...{ attempts_spent: count, budget_claims: z.record(text, text).exactOptional() },
  ...{ refused_by: z.array(text), tried: z.array(text), deployment: text.nullable() },
  ...{
    provider: text.nullable(),
    simulated: z.boolean(),
    cost: cost.nullable(),
    last_failure: text.nullable(),
  },
  ...{ traceparent: text.exactOptional(), caller_span_id: text.exactOptional() },
  ...{
    redriven_from: text.exactOptional(),
    retries: text.exactOptional(),
    audit_seq: count,
    audit_hash: text,
    first_records: z.array(whatever<AuditRecord>("object")).exactOptional(),
  },
  ...{ batch_id: text.exactOptional(), batch_line: count.exactOptional(), custom_id: text.exactOptional() },
  ...{ coalesce: text.exactOptional(), joined_by: text.exactOptional() },
  joined_count: count.exactOptional(),
  streamed: z.literal(true).exactOptional(),
  ...{ validate: z.enum(VALIDATE).exactOptional(), comparison: text.exactOptional() },
  as_response: z
    .looseObject({ background: z.boolean(), store: z.boolean(), previous_response_id: text.nullable() })
    .exactOptional(),
  unknown_costs: z.record(text, whatever<CostUnknown>("string")).exactOptional(),
  max_cost: decimal.exactOptional(),
  timeout_seconds: seconds.exactOptional(),
  may_have_cost: z.record(text, decimal).exactOptional(),
  audit_until_ms: time.nullable().exactOptional(),
  content_until_ms: time.exactOptional(),
});
const QUEUED = z.object({ status: z.literal("queued"), wake_at_ms: time, nudges_resent: count });
const WAITS = z.object({
  retry_at_ms: time.nullable(),
  ill: z.looseObject({ cause: z.enum(ILLNESSES), deployment: text }).optional(),
  wait_since_ms: time.optional(),
  held: z
    .looseObject({ cause: z.enum(HELD_FOR), revision: count, budget: text.optional() })
    .extend({ until_ms: time.optional() })
    .optional(),
  parked_at_ms: time.optional(),
  parked: z
    .looseObject({ tokens, deployments: z.array(text), cause: z.enum(WAIT_CAUSES).optional() })
    .extend({ illness: z.enum(ILLNESSES).optional() })
    .optional(),
});
const IN_PROGRESS = z.object({ status: z.literal("in_progress"), wake_at_ms: time, lease });
const ENDED = z.object({
  status: z.enum(TERMINAL_STATUSES),
  ...{ completed_at_ms: time, has_response: z.boolean(), content_deleted: z.boolean() },
  usage: whatever<Usage>("object").nullable(),
  error: z.looseObject({ code: whatever<JobErrorCode>("string"), message: text }).nullable(),
  content_deleted_at_ms: time.exactOptional(),
  ...{ incomplete: text.exactOptional(), validation: z.enum(VALIDATIONS).exactOptional() },
  redriven_to: text.exactOptional(),
});

/** Fields that are this version's, or the store's; all others are kept as they are. */
const OWN: ReadonlySet<string> = new Set([
  ...["id", "kind", "ttl", "unreported", "billed", "_rid", "_self", "_etag", "_attachments", "_ts"],
  ...[FACTS, QUEUED, WAITS, IN_PROGRESS, ENDED].flatMap(({ shape }) => Object.keys(shape)),
]);

/** The job in an item that was read. @throws UnreadableItem where it is none as this version or a neighbour stores it */
export function jobOf(item: unknown): Job {
  const document = item as Readonly<Record<string, unknown>>;
  const { kind, v, status } = document;
  const unreadable = (fault: string) => new UnreadableItem("job", nameOf(document), fault);
  if (kind !== "job") throw unreadable("kind: is another");
  if (!isKnownVersion(v)) throw unreadable("v: is not a version this one knows");
  const others: Record<string, unknown> = {};
  for (const name in document) if (!OWN.has(name)) others[name] = document[name];
  try {
    const facts = { ...FACTS.parse(document), others };
    if (status === "queued")
      return { ...facts, ...QUEUED.parse(document), waiting: waitingOf(WAITS.parse(document)) };
    if (status === "in_progress") return { ...facts, ...IN_PROGRESS.parse(document) };
    return { ...facts, ...ENDED.parse(document) };
  } catch (thrown) {
    if (!(thrown instanceof z.ZodError)) throw thrown;
    throw unreadable(thrown.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join(", "));
  }
}

/** How a queued job waits, by fields of its item. @throws ZodError */
export function waitOfFields(fields: unknown): Waiting | null {
  return waitingOf(WAITS.parse(fields));
}

/** The fields of an item that say so. */
export const WAIT_FIELDS = Object.keys(WAITS.shape);

function waitingOf(fields: z.infer<typeof WAITS>): Waiting | null {
  const { retry_at_ms, ill, wait_since_ms, held, parked, parked_at_ms } = fields;
  const since = wait_since_ms === undefined ? {} : { since_ms: wait_since_ms };
  if (parked !== undefined && parked_at_ms !== undefined) {
    const { place: _, deadline_ms: _deadline, tokens, deployments, illness, ...rest } = parked;
    const { cause = illness, ...others } = illness === undefined ? rest : { ...rest, cause: illness };
    return {
      ...{ for: "quota", since_ms: parked_at_ms, tokens, deployments, ...kept(others) },
      ...(cause === undefined ? {} : { cause }),
      ...(held === undefined ? {} : { revision: held.revision }),
    };
  }
  if (held !== undefined) {
    const { cause, revision, budget = "", until_ms = null, ...others } = held;
    if (cause === "over_budget")
      return { for: "budget", revision, budget, until_ms, ...since, ...kept(others) };
    return { for: "switch", revision, ...since, ...kept(others) };
  }
  if (retry_at_ms === null) return null;
  if (ill === undefined) return { for: "time", until_ms: retry_at_ms, ...since };
  const { cause, deployment } = ill;
  return { for: "deployment", cause, deployment, until_ms: retry_at_ms, ...since };
}

function kept(others: Readonly<Record<string, unknown>>): Pick<SwitchWait, "others"> {
  return Object.keys(others).length === 0 ? {} : { others };
}
