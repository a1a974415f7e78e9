import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import type { AuditRecord } from "./api.ts";

const GENESIS_HASH = "0".repeat(64);

/**
 * What is wrong with each record; undefined where it holds. Its hash must be the one of its content and of the record
 * before, which any client can compute: SHA-256 over the RFC 8785 canonical JSON of all its fields except `hash`.
 */
export function chainFaults(records: readonly AuditRecord[]): (string | undefined)[] {
  return records.map(({ hash, ...fields }, index) => {
    const seq = index + 1;
    if (fields.seq !== seq) return `record ${seq} is missing`;
    const before = records[index - 1]?.hash ?? GENESIS_HASH;
    if (fields.prev_hash !== before) return `record ${seq} does not follow the one before it`;
    const computed = createHash("sha256")
      .update(canonicalize(fields) ?? "")
      .digest("hex");
    return computed === hash ? undefined : `record ${seq} was changed: its content does not give its hash`;
  });
}

/** The first fault of a trail; an empty one proves nothing. */
export function faultInChain(records: readonly AuditRecord[]): string | undefined {
  if (records.length === 0) return "there are no records";
  return chainFaults(records).find((fault) => fault !== undefined);
}
