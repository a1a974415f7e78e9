import { type AuditRecord, GENESIS_HASH, recordHash } from "./record.ts";

export type ChainVerdict =
  | { readonly intact: true; readonly records: number }
  | { readonly intact: false; readonly seq: number; readonly why: string };

/**
 * Walks a job's records in order and names the first that does not hold: a gap, another job's record, a link that
 * does not fit, an edited field; with `head` (from the job item) also records missing from or added at the end.
 */
export function verifyChain(
  records: readonly AuditRecord[],
  head?: { readonly seq: number; readonly hash: string },
): ChainVerdict {
  let prevHash = GENESIS_HASH;
  for (const [index, record] of records.entries()) {
    const seq = index + 1;
    if (record.seq !== seq) return { intact: false, seq, why: `record ${seq} is missing or out of order` };
    if (record.job_id !== records[0]?.job_id)
      return { intact: false, seq, why: "it is another job's record" };
    if (record.prev_hash !== prevHash)
      return { intact: false, seq, why: "prev_hash is not the hash of the record before" };
    const { hash, ...fields } = record;
    if (recordHash(fields) !== hash) return { intact: false, seq, why: "its fields do not give its hash" };
    prevHash = hash;
  }
  if (head !== undefined && (head.seq !== records.length || head.hash !== prevHash)) {
    return { intact: false, seq: records.length, why: "the chain does not end where the job says it does" };
  }
  return { intact: true, records: records.length };
}
