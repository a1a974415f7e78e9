import type { JobKey } from "../store.ts";
import { type TrailHead, verifyTrail } from "./chain.ts";
import { type ContentDeps, contentFault, type StoredContent } from "./contents.ts";
import type { ChainHead, ControlRecord, ControlScope } from "./control-record.ts";
import { figuresFault, type JobFigures, type ReportedRecord } from "./figures.ts";
import type { AuditRecord } from "./record.ts";

/** What a job item says of its trail, and what its trail says too. */
export interface JobHead extends TrailHead, JobFigures {
  readonly deadline_ms: number;
  readonly etag: string;
}

/** A record as it is stored, and the number that it is stored under. */
export interface StoredRecord<R> {
  readonly record: R;
  readonly storedAs: number;
}
export interface StoredJobRecord extends StoredRecord<AuditRecord>, ReportedRecord {
  /** In the job's item; absent: in its own. */
  readonly withJob?: true;
}

/** Reads trails as they are. Every method throws StoreUnavailable, and nothing else that a cloud can cause. */
export interface TrailReader {
  /** Every job of every tenant, in pages. */
  jobs(): AsyncIterable<readonly JobHead[]>;
  job(key: JobKey): Promise<JobHead | undefined>;
  /** A job's records in the order of the numbers they are stored under. */
  records(key: JobKey): Promise<readonly StoredJobRecord[]>;
  /** One record of a job; undefined: it is not there. */
  record(key: JobKey, seq: number): Promise<AuditRecord | undefined>;
  contents(key: JobKey): Promise<StoredContent>;
  /** Those that are items of their own. */
  countRecords(): Promise<number>;
  /** Whose every one of them is, in pages: the same job comes again and again. */
  recordOwners(): AsyncIterable<readonly (JobKey & { readonly seq: number })[]>;
  controlHead(scope: ControlScope): Promise<ChainHead | undefined>;
  controlRecords(scope: ControlScope): AsyncIterable<readonly StoredRecord<ControlRecord>[]>;
  controlRecord(scope: ControlScope, seq: number): Promise<ControlRecord | undefined>;
  /** An item that a change of control wrote, as it is stored. */
  controlItem(scope: ControlScope, id: string): Promise<Readonly<Record<string, unknown>> | undefined>;
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
  /** Jobs whose trail has gone after its retention, as a seal says. */
  lapsed: number;
  control_records: number;
  seals: number;
  sealed_heads: number;
  /** Attempts whose bytes cannot be made again of the stored request with the catalogue of now. */
  unlike: number;
  broken: number;
}

export interface VerifyDeps {
  readonly trails: TrailReader;
  readonly clock: { now(): number };
  /** Undefined: stored requests and responses are not held against their hashes. */
  readonly contents: ContentDeps | undefined;
  /** Jobs whose trail is gone, by chain: lapsed if a seal says so. */
  readonly gone: Map<string, JobHead>;
  readonly found: (finding: Finding) => void;
  /** Called after each page. */
  readonly progress: (counts: Readonly<Counts>) => void;
}

export const noCounts = (): Counts => ({
  ...{ jobs: 0, records: 0, lapsed: 0, control_records: 0, seals: 0, sealed_heads: 0, unlike: 0 },
  broken: 0,
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

/** Walks every job's trail; the jobs may go on meanwhile. Memory is bounded by one page, CONCURRENCY trails and `gone`. */
export async function verifyJobs(deps: VerifyDeps, counts: Counts): Promise<void> {
  const format2From = await formatRequiredFrom(deps.trails);
  let present = 0;
  for await (const page of deps.trails.jobs()) {
    await inParallel(page, async (head) => {
      counts.jobs++;
      present += await verifyJob(deps, counts, head, format2From);
    });
    deps.progress(counts);
  }
  // Where the numbers agree, no record is left over; while the service runs they rarely do.
  if ((await deps.trails.countRecords()) !== present) await findOrphans(deps, counts);
}

/** From when operators let no trail of format 1 in, Unix time in seconds; null: they do. */
async function formatRequiredFrom(trails: TrailReader): Promise<number | null> {
  let from: number | null = null;
  for await (const page of trails.controlRecords("audit"))
    for (const { record } of page) if (record.event === "format_required") from ??= record.at;
  return from;
}

/** @returns how many records of the trail are items of their own */
async function verifyJob(
  deps: VerifyDeps,
  counts: Counts,
  listed: JobHead,
  format2From: number | null,
): Promise<number> {
  const chain = chainOf(listed);
  let head = listed;
  for (let looks = 1; ; looks++) {
    const records = await deps.trails.records(head);
    const items = records.filter(({ withJob }) => withJob !== true).length;
    // Once its time is over its items go, one after the other, and the job's an hour later.
    if (records.length === 0 || hasLapsed(head.until, deps.clock.now() / 1000)) {
      // Told at the end: only a seal says whether its time was over.
      deps.gone.set(chain, head);
      return items;
    }
    const fault =
      trailFault(head, records, format2From) ??
      figuresFault(head, records) ??
      (await contentsFault(deps, counts, head, records));
    // Head and records were not read at one moment: a fault counts when the head has not moved since.
    const again = fault && (await deps.trails.job(head));
    if (fault === undefined || again === undefined || again.etag === head.etag || looks === MAX_LOOKS) {
      counts.records += records.length;
      if (fault !== undefined) report(deps, counts, { chain, ...fault });
      return items;
    }
    head = again;
  }
}

export const chainOf = ({ tenant_id, job_id }: JobKey) => `${tenant_id}/${job_id}`;

async function contentsFault(
  { contents, trails, clock }: VerifyDeps,
  counts: Counts,
  head: JobHead,
  records: readonly StoredJobRecord[],
): Promise<{ seq: number; why: string } | undefined> {
  if (contents === undefined) return undefined;
  const stored = await trails.contents(head);
  const trail = records.map(({ record }) => record);
  const { fault, unlike } = contentFault(contents, head, trail, stored, clock.now());
  counts.unlike += unlike;
  return fault;
}

/** What is left of `gone` once the seals are walked: no seal says that its time was over. */
export async function verifyGone(deps: VerifyDeps, counts: Counts): Promise<void> {
  await inParallel([...deps.gone], async ([chain, head]) => {
    const [records, again] = [await deps.trails.records(head), await deps.trails.job(head)];
    const fault = trailFault(head, records, null);
    if (fault === undefined || again === undefined) return;
    const isUnsealed = records.length === 0 && head.until !== null;
    const why = isUnsealed ? `${fault.why}, and no seal says until when it was kept` : fault.why;
    report(deps, counts, { chain, seq: fault.seq, why });
  });
}

/** TTLs are whole seconds, and the store clears up a little before or after. */
const TTL_SLACK_SECONDS = 2;

export function hasLapsed(until: number | null, nowSeconds: number): boolean {
  return until !== null && nowSeconds >= until - TTL_SLACK_SECONDS;
}

/** The first record of a trail that does not hold, were this its head. */
function trailFault(
  head: JobHead,
  records: readonly StoredRecord<AuditRecord>[],
  format2From: number | null,
): { seq: number; why: string } | undefined {
  if (records.length === 0) return { seq: 1, why: "the whole trail is gone" };
  const verdict = verifyTrail(
    head,
    records.map(({ record }) => record),
    format2From,
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
      const name = chainOf(owner);
      if (known.has(name)) return false;
      if (known.size >= KNOWN_JOBS) for (const oldest of known.values().take(1)) known.delete(oldest);
      known.add(name);
      return true;
    });
    await inParallel(fresh, async (owner) => {
      if ((await deps.trails.job(owner)) !== undefined) return;
      // Both may have lapsed between the two looks.
      if ((await deps.trails.record(owner, owner.seq)) === undefined) return;
      report(deps, counts, { chain: chainOf(owner), seq: owner.seq, why: "its job item is gone" });
    });
    deps.progress(counts);
  }
}
