import { hasEnded, type Status } from "../status.ts";
import type { ChainHead } from "./control-record.ts";
import { type AuditRecord, GENESIS_HASH, recordHash } from "./record.ts";

export type ChainVerdict =
  | { readonly intact: true; readonly records: number }
  /** `seq`: of the first record that does not hold. */
  | { readonly intact: false; readonly seq: number; readonly why: string };

/** What links a record to the one before it, in whatever chain. */
export interface Link {
  readonly seq: number;
  readonly prev_hash: string;
  readonly hash: string;
}

/** What is wrong with `link` as the one that follows `head`; undefined when it holds. */
export function linkFault(head: ChainHead, link: Link, hashOfFields: string): string | undefined {
  if (link.seq !== head.seq + 1) return `record ${head.seq + 1} is missing or out of order`;
  if (link.prev_hash !== head.hash) return "prev_hash is not the hash of the record before";
  if (link.hash !== hashOfFields) return "its fields do not give its hash";
  return undefined;
}

/** What is wrong where a chain ends; `head` is where its owner says that it does. */
export function headFault(end: ChainHead, head: ChainHead): { seq: number; why: string } | undefined {
  if (head.seq > end.seq)
    return { seq: end.seq + 1, why: `record ${end.seq + 1} is missing: the chain's head is at ${head.seq}` };
  if (head.seq < end.seq)
    return { seq: head.seq + 1, why: `it comes after the chain's head, which is at ${head.seq}` };
  if (head.hash !== end.hash) return { seq: end.seq, why: "its hash is not that of the chain's head" };
  return undefined;
}

/**
 * Walks a job's records in order and names the first that does not hold: a gap, another job's record, a link that
 * does not fit, an edited field; with `head` (from the job item) also records missing from or added at the end.
 */
export function verifyChain(records: readonly AuditRecord[], head?: ChainHead): ChainVerdict {
  let end: ChainHead = { seq: 0, hash: GENESIS_HASH };
  for (const record of records) {
    const { hash, ...fields } = record;
    const foreign = record.job_id !== records[0]?.job_id ? "it is another job's record" : undefined;
    const why = foreign ?? linkFault(end, record, recordHash(fields));
    if (why !== undefined) return { intact: false, seq: end.seq + 1, why };
    end = { seq: record.seq, hash };
  }
  const fault = head === undefined ? undefined : headFault(end, head);
  return fault === undefined ? { intact: true, records: records.length } : { intact: false, ...fault };
}

/** What a job says of its own trail. */
export interface TrailHead {
  readonly tenant_id: string;
  readonly job_id: string;
  readonly status: Status;
  readonly audit_seq: number;
  readonly audit_hash: string;
  /** Unix time, seconds, when the trail may go; null: never. */
  readonly until: number | null;
}

/**
 * The chain, and what it must tell: whose it is and how long it is kept, that the job ended exactly once if it has, and
 * not at all if it has not.
 * @param format2From Unix time, seconds, from when a trail must be of format 2; null: older ones are still made
 */
export function verifyTrail(
  job: TrailHead,
  records: readonly AuditRecord[],
  format2From: number | null,
): ChainVerdict {
  const chain = verifyChain(records, { seq: job.audit_seq, hash: job.audit_hash });
  if (!chain.intact) return chain;
  if (records[0]?.job_id !== job.job_id) return { intact: false, seq: 1, why: "it is another job's record" };
  if (records[0].event !== "accepted")
    return { intact: false, seq: 1, why: "a job's first record is `accepted`" };
  const terms = termsFault(job, records[0], format2From);
  if (terms !== undefined) return { intact: false, seq: 1, why: terms };
  const [end, second] = records.filter((record) => isTerminal(record));
  if (second !== undefined)
    return { intact: false, seq: second.seq, why: `a second terminal event, after ${end?.seq}` };
  if (end === undefined && hasEnded(job.status))
    return { intact: false, seq: job.audit_seq, why: `the job is ${job.status}, but no record says so` };
  if (end !== undefined && end.event !== job.status)
    return { intact: false, seq: end.seq, why: `the job is ${job.status}, but its record says ${end.event}` };
  return chain;
}

function termsFault(job: TrailHead, accepted: AuditRecord, format2From: number | null): string | undefined {
  if (accepted.format === undefined)
    return format2From !== null && accepted.at >= format2From
      ? "it is of format 1, made too late"
      : undefined;
  if (accepted.tenant_id !== job.tenant_id) return "it is another tenant's record";
  return accepted.audit_until === job.until ? undefined : "the job says otherwise how long the trail is kept";
}

export function isTerminal({ event }: AuditRecord): boolean {
  return event === "completed" || event === "failed" || event === "cancelled" || event === "expired";
}
