import { isBilled } from "../../../shared/audit/billed.ts";
import type { ContentDeps } from "../../../shared/audit/contents.ts";
import { changeControl } from "../../../shared/audit/control-trail.ts";
import type { AuditRecord } from "../../../shared/audit/record.ts";
import type { Seal } from "../../../shared/audit/seal/seal.ts";
import { type SealingDeps, sealDays } from "../../../shared/audit/seal/sealing.ts";
import type { SealSource } from "../../../shared/audit/seal/verify-seals.ts";
import { verifyStore } from "../../../shared/audit/seal/verify-store.ts";
import { type Finding, type JobHead, noCounts, type TrailReader } from "../../../shared/audit/verify.ts";
import type { JobDocument } from "../../../shared/azure/cosmos/job-document.ts";
import { CosmosSeals } from "../../../shared/azure/cosmos/seals.ts";
import { CosmosTrails } from "../../../shared/azure/cosmos/trails.ts";
import { end } from "../../../shared/job/ending/end.ts";
import { acceptJob, type Retention } from "../../../shared/job/intake/accept.ts";
import type { Job } from "../../../shared/job/job.ts";
import { draftOf, startAttempt } from "../../../shared/job/life-cycle.ts";
import { sha256Hex } from "../../../shared/sha256.ts";
import { by as acceptedBy, asItems, call, submission } from "../../shared/job/samples.ts";
import { silent, type TestClock, World } from "../../shared/world.ts";

const ANSWER = '{"choices":[{"message":{"content":"Hello"}}]}';
export const DAY_MS = 86_400_000;

/** A world with trails in it. */
export class AuditWorld {
  readonly clock: TestClock;
  readonly opened: World;
  readonly trails: TrailReader;
  readonly seals: CosmosSeals;
  readonly #retention: Retention;
  readonly #hasItems: boolean;
  #jobs = 0;
  #runs = 0;

  private constructor(opened: World, retention: Retention, hasItems: boolean) {
    this.#hasItems = hasItems;
    this.opened = opened;
    this.#retention = retention;
    this.clock = opened.clock;
    this.trails = new CosmosTrails(opened.items.jobs, opened.items.control);
    this.seals = new CosmosSeals(opened.items.jobs, opened.items.control);
  }

  /** @param hasItems records lie in items of their own, as the version before stored them all */
  static async open(auditRetentionDays = 0, hasItems = false): Promise<AuditWorld> {
    const world = await World.open({ settings: { auditRetentionDays, contentRetentionDays: 1 } });
    return new AuditWorld(world, { auditDays: auditRetentionDays, contentDays: 1 }, hasItems);
  }

  close(): Promise<void> {
    return this.opened.close();
  }

  /** A job of three records: accepted, attempt_started and, unless it goes on, completed. */
  async job(goesOn = false): Promise<Job> {
    const { store } = this.opened.ports;
    const nowMs = this.clock.now();
    const jobId = `job_${String(++this.#jobs).padStart(32, "0")}`;
    const accepted = acceptJob(
      { ...submission, deadlineMs: nowMs + 3_600_000 },
      { ...acceptedBy, jobId, nowMs, retention: this.#retention },
    );
    const stored = <D extends { readonly job: Job }>(draft: D) => (this.#hasItems ? asItems(draft) : draft);
    const created = await store.create(stored(accepted), nowMs);
    if (created.kind !== "written") throw new Error(created.kind);
    const started = startAttempt(draftOf(accepted.job), {
      ...{ claimId: "c", requestSha256: "0".repeat(64), leaseSeconds: 30, nowMs, actor: "worker:1" },
      deployment: { name: "d", provider: "openai", simulated: true },
      reason: null,
    });
    const running = await store.write(stored(started), created.etag, nowMs);
    if (running.kind !== "written") throw new Error(running.kind);
    if (goesOn) return started.job;
    const response = { status_code: 200, request_id: null, body: ANSWER };
    const answered = { ...call, responseSha256: sha256Hex(ANSWER) };
    const by = { nowMs, actor: "worker:1", call: answered, response };
    const ended = end(draftOf(started.job), { status: "completed", ...by });
    await store.write(stored(ended), running.etag, nowMs);
    return ended.job;
  }

  /** A change of control. */
  async change(name: string): Promise<void> {
    await changeControl(
      { trail: this.opened.ports.trail, clock: this.clock },
      {
        ...{ scope: "switches", changeId: name, actor: "ops/key:0", reads: [] },
        decide: () => ({ event: "switched_off", writes: [{ kind: "upsert", item: { id: name } }] }),
      },
    );
  }

  sealing(change: Partial<SealingDeps> = {}): SealingDeps {
    const newRun = () => `run${++this.#runs}`;
    return { seals: this.seals, clock: this.clock, newRun, log: silent, keptSeconds: null, ...change };
  }

  /** Lets the day end, and seals it. */
  async sealDay(change: Partial<SealingDeps> = {}): Promise<readonly Seal[]> {
    this.clock.advance(DAY_MS);
    return sealDays(this.sealing(change));
  }

  async verify(
    sources: { seals?: SealSource; contents?: ContentDeps } = {},
  ): Promise<{ findings: Finding[]; counts: ReturnType<typeof noCounts> }> {
    const findings: Finding[] = [];
    const counts = noCounts();
    const { trails, clock } = this;
    const deps = { trails, clock, contents: sources.contents, gone: new Map<string, JobHead>() };
    const told = { found: (one: Finding) => findings.push(one), progress: () => undefined };
    await verifyStore({ ...deps, ...told }, counts, [{ name: "seals", source: sources.seals ?? this.seals }]);
    return { findings, counts };
  }

  /** An item under a job, as the SDK reads and writes it. */
  item(job: Job, id: string) {
    return this.opened.jobs.item(id, [job.tenant_id, job.job_id]);
  }

  /** Records are named as items, wherever they lie. */
  async edit(job: Job, id: string, change: Record<string, unknown>): Promise<void> {
    const record = await this.record(job, id);
    if (record !== undefined) return this.#putRecord(job, id, { ...record, ...change });
    const { resource } = await this.item(job, id).read<Record<string, unknown>>();
    await this.item(job, id).replace({ ...resource, ...change });
  }

  /** As it is stored, with what is beside it; undefined: there is none. */
  async record(job: Job, id: string): Promise<StoredRecord | undefined> {
    const { first_records: first = [], billed } = await this.#jobItem(job);
    const record = first.find(({ seq }) => idOf(seq) === id);
    if (record !== undefined) return isBilled(record) ? { ...record, billed } : record;
    return id.startsWith("audit-") ? (await this.item(job, id).read<StoredRecord>()).resource : undefined;
  }

  async remove(job: Job, ...ids: string[]): Promise<void> {
    for (const id of ids)
      if (await this.#isFirst(job, id)) await this.#putRecord(job, id, undefined);
      else await this.item(job, id).delete();
  }

  async #putRecord(job: Job, id: string, record: StoredRecord | undefined): Promise<void> {
    if (!(await this.#isFirst(job, id))) {
      await this.item(job, id).replace(record as never);
      return;
    }
    const item = await this.#jobItem(job);
    const { billed = undefined, ...fields } = record ?? {};
    const first_records = item.first_records?.flatMap((each) =>
      idOf(each.seq) !== id ? [each] : record === undefined ? [] : [fields],
    );
    const beside = record !== undefined && "billed" in record ? { billed } : {};
    await this.item(job, "job").replace({ ...item, first_records, ...beside } as never);
  }

  async #isFirst(job: Job, id: string): Promise<boolean> {
    const { first_records: first = [] } = await this.#jobItem(job);
    return first.some(({ seq }) => idOf(seq) === id);
  }

  async #jobItem(job: Job): Promise<JobDocument> {
    const { resource } = await this.item(job, "job").read<JobDocument & { id: string }>();
    return resource ?? ({} as JobDocument);
  }
}

type StoredRecord = AuditRecord & { readonly billed?: unknown };
const idOf = (seq: unknown) => `audit-${String(seq).padStart(6, "0")}`;
