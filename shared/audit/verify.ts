import type { Status } from "../status.ts";
import type { JobKey } from "../store.ts";
import { headFault, linkFault, verifyTrail } from "./chain.ts";
import {
  type ChainHead,
  type ControlRecord,
  type ControlScope,
  controlRecordHash,
  EMPTY_CHAIN,
} from "./control-record.ts";
import type { AuditRecord } from "./record.ts";

/** What a job item says of its trail. */
export interface JobHead extends JobKey {
  readonly status: Status;
  readonly audit_seq: number;
  readonly audit_hash: string;
  /** Unix time, seconds, when the trail may go; null: never. */
  readonly until: number | null;
  readonly etag: string;
}

/** A record as it is stored, and the number in its item's id. */
export interface StoredRecord<R> {
  readonly record: R;
  readonly storedAs: number;
}

/** Reads trails as they are. Every method throws StoreUnavailable, and nothing else that a cloud can cause. */
export interface TrailReader {
  /** Every job of every tenant, in pages. */
  jobs(): AsyncIterable<readonly JobHead[]>;
  job(key: JobKey): Promise<JobHead | undefined>;
  /** A job's records in the order of the numbers they are stored under. */
  records(key: JobKey): Promise<readonly StoredRecord<AuditRecord>[]>;
  /** The hash of one record of a job; undefined: it is not there. */
  recordHash(key: JobKey, seq: number): Promise<string | undefined>;
  countRecords(): Promise<number>;
  /** Whose every stored record is, in pages: the same job comes again and again. */
  recordOwners(): AsyncIterable<readonly (JobKey & { readonly seq: number })[]>;
  controlHead(scope: ControlScope): Promise<ChainHead | undefined>;
  controlRecords(scope: ControlScope): AsyncIterable<readonly StoredRecord<ControlRecord>[]>;
  controlRecordHash(scope: ControlScope, seq: number): Promise<string | undefined>;
}

/** The first thing that does not hold in one chain. */
export interface Finding {
  /** `team-a/job_…`, `control/switches`, `seals` */
  readonly chain: string;
  /** The number of the record (or seal) it is about. */
  readonly seq: number;
  readonly why: string;
}

/** What was looked at so far; kept up to date while the walk goes on. */
export interface Counts {
  jobs: number;
  records: number;
  /** Jobs whose trail has gone after its retention. */
  lapsed: number;
  control_records: number;
  seals: number;
  sealed_heads: number;
  broken: number;
}

export interface VerifyDeps {
  readonly trails: TrailReader;
  readonly clock: { now(): number };
  readonly found: (finding: Finding) => void;
  /** Called after each page. */
  readonly progress: (counts: Readonly<Counts>) => void;
}

export const noCounts = (): Counts => ({
  ...{ jobs: 0, records: 0, lapsed: 0, control_records: 0, seals: 0, sealed_heads: 0, broken: 0 },
});

/** Trails read at a time: enough to hide the way to the store, few enough for a small account's RU/s. */
export const CONCURRENCY = 16;
/** A job that runs changes while it is looked at; not this often in a row. */
const MAX_LOOKS = 10;

export function report(deps: VerifyDeps, counts: Counts, finding: Finding): void {
  counts.broken++;
  deps.found(finding);
}

export async function inParallel<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await run(item);
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker));
}

/** Walks every job's trail; the jobs may go on meanwhile. Memory is bounded by one page and CONCURRENCY trails. */
export async function verifyJobs(deps: VerifyDeps, counts: Counts): Promise<void> {
  let present = 0;
  for await (const page of deps.trails.jobs()) {
    await inParallel(page, async (head) => {
      present += await verifyJob(deps, counts, head);
    });
    deps.progress(counts);
  }
  // Where the numbers agree, no record is left over; while the service runs they rarely do.
  if ((await deps.trails.countRecords()) !== present) await findOrphans(deps, counts);
}

/** @returns the records of the trail */
async function verifyJob(deps: VerifyDeps, counts: Counts, listed: JobHead): Promise<number> {
  const chain = `${listed.tenant_id}/${listed.job_id}`;
  counts.jobs++;
  let head = listed;
  for (let looks = 1; ; looks++) {
    const records = await deps.trails.records(head);
    const fault = trailFault(head, records);
    const nowSeconds = deps.clock.now() / 1000;
    if (fault === undefined) {
      counts.records += records.length;
      return records.length;
    }
    if (hasLapsed(head.until, nowSeconds)) {
      counts.lapsed++;
      return records.length;
    }
    // Head and records were not read at one moment: a fault counts when the head has not moved since.
    const again = await deps.trails.job(head);
    if (again === undefined || again.etag === head.etag || looks === MAX_LOOKS) {
      counts.records += records.length;
      report(deps, counts, { chain, ...fault });
      return records.length;
    }
    head = again;
  }
}

/** TTLs are whole seconds, and the store clears up a little before or after. */
const TTL_SLACK_SECONDS = 2;

export function hasLapsed(until: number | null, nowSeconds: number): boolean {
  return until !== null && nowSeconds >= until - TTL_SLACK_SECONDS;
}

/** The first record of a trail that does not hold, were this its head. */
export function trailFault(
  head: JobHead,
  records: readonly StoredRecord<AuditRecord>[],
): { seq: number; why: string } | undefined {
  if (records.length === 0) return { seq: 1, why: "the whole trail is gone" };
  const verdict = verifyTrail(
    head,
    records.map(({ record }) => record),
  );
  const seq = verdict.intact ? undefined : verdict.seq;
  const moved = records.find(
    ({ record, storedAs }, index) => record.seq !== storedAs && (seq === undefined || index < seq),
  );
  if (moved !== undefined)
    return { seq: seq ?? moved.record.seq, why: `record ${moved.record.seq} is stored in another's place` };
  return verdict.intact ? undefined : { seq: verdict.seq, why: verdict.why };
}

/** Jobs remembered while records are gone through: those of one job lie near each other. */
const KNOWN_JOBS = 10_000;

/** Records whose job is gone; a job item outlives its records. */
async function findOrphans(deps: VerifyDeps, counts: Counts): Promise<void> {
  const known = new Set<string>();
  for await (const page of deps.trails.recordOwners()) {
    const fresh = page.filter((owner) => {
      const name = `${owner.tenant_id}/${owner.job_id}`;
      if (known.has(name)) return false;
      if (known.size >= KNOWN_JOBS) for (const oldest of known.values().take(1)) known.delete(oldest);
      known.add(name);
      return true;
    });
    await inParallel(fresh, async (owner) => {
      if ((await deps.trails.job(owner)) !== undefined) return;
      // Both may have lapsed between the two looks.
      if ((await deps.trails.recordHash(owner, owner.seq)) === undefined) return;
      const chain = `${owner.tenant_id}/${owner.job_id}`;
      report(deps, counts, { chain, seq: owner.seq, why: "its job item is gone" });
    });
    deps.progress(counts);
  }
}

/** Walks one of control's chains. */
export async function verifyControl(deps: VerifyDeps, counts: Counts, scope: ControlScope): Promise<void> {
  const chain = `control/${scope}`;
  // Read before the records: what is appended meanwhile comes after it, and is checked as a link.
  const head = (await deps.trails.controlHead(scope)) ?? EMPTY_CHAIN;
  let end: ChainHead = EMPTY_CHAIN;
  let headMet = head.seq === 0;
  for await (const page of deps.trails.controlRecords(scope)) {
    for (const { record, storedAs } of page) {
      const why = controlFault(end, scope, record, storedAs);
      if (why !== undefined) return report(deps, counts, { chain, seq: end.seq + 1, why });
      end = { seq: record.seq, hash: record.hash };
      if (end.seq === head.seq) headMet = end.hash === head.hash;
      counts.control_records++;
    }
    deps.progress(counts);
  }
  const last = (await deps.trails.controlHead(scope)) ?? EMPTY_CHAIN;
  const fault = headMet && end.seq <= last.seq ? undefined : headFault(end, head);
  if (fault !== undefined) report(deps, counts, { chain, ...fault });
}

function controlFault(
  end: ChainHead,
  scope: ControlScope,
  record: ControlRecord,
  storedAs: number,
): string | undefined {
  if (storedAs !== record.seq) return `record ${record.seq} is stored in another's place`;
  if (record.scope !== scope) return "it is another chain's record";
  const { hash: _, ...fields } = record;
  return linkFault(end, record, controlRecordHash(fields));
}
