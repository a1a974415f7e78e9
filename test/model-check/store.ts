import { linkFault } from "../../shared/audit/chain.ts";
import type { AuditRecord } from "../../shared/audit/record.ts";
import { GENESIS_HASH, recordHash } from "../../shared/audit/record.ts";
import type { Job } from "../../shared/job/job.ts";
import type { Draft } from "../../shared/job/life-cycle.ts";
import { isApplied, verdictOf } from "../../shared/job/saving.ts";
import { hasEnded } from "../../shared/status.ts";
import type { Model, Mutant, State, Store } from "./state.ts";

/** A promise that does not hold. */
export class Violation extends Error {
  override readonly name = "Violation";
}
export function violation(what: string): never {
  throw new Violation(what);
}

const TERMINAL: readonly string[] = ["completed", "failed", "cancelled", "expired"];

/** One transactional batch: all of the draft if the job is still at `version`, else undefined. */
export function write(s: State, draft: Draft, version: number, model: Model): State | undefined {
  const ignoring = model.mutant === "writes_ignore_etags";
  if (s.version !== version && !ignoring) return undefined;
  const answeredBy = draft.response === undefined ? undefined : attemptIn(draft.response.body);
  if (answeredBy !== undefined && s.answeredBy !== undefined && !ignoring) return undefined;
  const { job } = draft;
  const trail = [...s.trail, ...draft.records];
  if (s.job !== undefined) checkWrite(s, s.job, draft, trail, answeredBy);
  const costs = new Set(draft.records.filter(({ cost }) => cost !== null).map(({ attempt }) => attempt));
  return {
    ...s,
    ...{ job, trail, version: s.version + 1 },
    answeredBy: draft.erase !== undefined ? undefined : (answeredBy ?? s.answeredBy),
    owed: s.owed.filter((attempt) => !costs.has(attempt)),
    // What names an older version can never be stored.
    underWay: ignoring ? s.underWay : [],
  };
}

const attemptIn = (body: string) => (JSON.parse(body) as { attempt: number }).attempt;

/** What every write must keep. */
function checkWrite(
  s: State,
  before: Job,
  draft: Draft,
  trail: readonly AuditRecord[],
  answeredBy: number | undefined,
): void {
  const { job } = draft;
  if (hasEnded(before.status) && job.status !== before.status)
    violation(`the job was ${before.status} and is ${job.status}`);
  let end = { seq: s.trail.length, hash: s.trail.at(-1)?.hash ?? GENESIS_HASH };
  for (const record of draft.records) {
    const { hash, ...fields } = record;
    const fault = linkFault(end, record, recordHash(fields));
    if (fault !== undefined) violation(`the chain is broken: ${fault}`);
    end = { seq: record.seq, hash };
  }
  if (job.audit_seq !== trail.length || job.audit_hash !== end.hash)
    violation("the head is not the chain's end");
  const ends = trail.filter(({ event }) => TERMINAL.includes(event));
  if (ends.length !== (hasEnded(job.status) ? 1 : 0))
    violation(`${ends.length} terminal events in a job that is ${job.status}`);
  if (answeredBy !== undefined) {
    if (s.answeredBy !== undefined) violation("a result is written over another");
    if (ends[0]?.attempt !== answeredBy)
      violation(`the answer of attempt ${answeredBy} is stored as that of attempt ${ends[0]?.attempt}`);
  }
  const paid = trail.filter(({ cost }) => cost !== null).map(({ attempt }) => attempt);
  if (new Set(paid).size !== paid.length) violation("an attempt's cost is counted twice");
}

/** What became of a write by what the store shows now, as the app judges it. */
export function verdict(
  s: Store,
  { draft, version, lost }: { readonly draft: Draft; readonly version: number; readonly lost: boolean },
  mutant?: Mutant,
): ReturnType<typeof verdictOf> {
  return verdictOf(draft, {
    current: s.job,
    isApplied: applied(s, draft, mutant),
    isMadeFrom: s.version === version,
    isLost: lost,
  });
}

export function applied({ job, trail }: Store, draft: Draft, mutant?: Mutant): boolean {
  const known = job !== undefined && isApplied(draft, job);
  if (typeof known === "boolean") return known;
  return mutant !== "records_are_known_at_the_head_only" && isRecorded(trail, known);
}

/** As the app's store tells it. */
export function isRecorded(trail: readonly AuditRecord[], record: AuditRecord): boolean {
  return trail[record.seq - 1]?.hash === record.hash;
}
