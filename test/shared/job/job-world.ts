import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import { verifyChain } from "../../../shared/audit/chain.ts";
import type { AuditRecord } from "../../../shared/audit/record.ts";
import { acceptJob, type Submission } from "../../../shared/job/intake/accept.ts";
import type { Job } from "../../../shared/job/job.ts";
import type { Nudge } from "../../../shared/job/ports.ts";
import { Labs, type OpenedStore, openStore, TestClock } from "../world.ts";
import { submission } from "./samples.ts";

/** What jobs run on: a store, labs that answer as told, and a clock turned by hand. One for all tests of a file. */
export class JobWorld {
  readonly clock = new TestClock();
  readonly labs = new Labs();
  #opened: OpenedStore | undefined;
  #count = 0;

  constructor() {
    beforeAll(async () => {
      await this.labs.start();
      this.#opened = await openStore(this.clock);
    });
    afterAll(async () => {
      await this.labs.stop();
      await this.#opened?.close();
    });
    beforeEach(() => {
      this.labs.calls.length = 0;
    });
  }

  get opened(): OpenedStore {
    if (this.#opened === undefined) throw new Error("the store is opened before the first test");
    return this.#opened;
  }

  get store(): OpenedStore["store"] {
    return this.opened.store;
  }

  /** A stored job, and the nudge for it. */
  async accepted(change: Partial<Submission> = {}): Promise<Nudge> {
    const jobId = `job_${String(++this.#count).padStart(32, "0")}`;
    const nowMs = this.clock.now();
    const model = change.model ?? "openai-one-model";
    const bodyText = `{"model":"${model}","n":12345678901234567890,"messages":[{"role":"user","content":"Hi"}]}`;
    const whole = { ...submission, deadlineMs: nowMs + 3_600_000, model, bodyText, ...change };
    const by = { tenantId: "team-a", jobId, actor: "team-a/key:1", nowMs, nudgeGraceMs: 10_000 };
    await this.store.create(acceptJob(whole, by), nowMs);
    return { v: 1, tenant_id: "team-a", job_id: jobId };
  }

  /** The job as it is stored, and its trail, which must be whole. */
  async seen(key: Nudge): Promise<{ job: Job; trail: readonly AuditRecord[]; events: string[] }> {
    const job = (await this.store.read(key))?.value;
    if (job === undefined) throw new Error("the job is gone");
    const trail = await this.store.audit(key);
    expect(verifyChain(trail, { seq: job.audit_seq, hash: job.audit_hash })).toMatchObject({ intact: true });
    return { job, trail, events: trail.map(({ event }) => event) };
  }
}
