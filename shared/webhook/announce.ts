import type { OutboxItem } from "../job/ending/outbox.ts";
import { isEnded, type Job } from "../job/job.ts";
import type { JobStore } from "../job/ports.ts";
import { type Log, reasonOf } from "../log.ts";
import { type JobKey, STORED_VERSION } from "../store.ts";
import type { Listeners } from "./listeners.ts";
import type { DeliveryNudge, DeliveryQueue } from "./ports.ts";

/** Sends messages that whoever stores an end does not wait for: the sweeper's net has what is lost. */
export class Announcer {
  readonly #queue: DeliveryQueue;
  readonly #log: Log;
  readonly #underWay = new Set<Promise<void>>();

  constructor(queue: DeliveryQueue, log: Log) {
    this.#queue = queue;
    this.#log = log;
  }

  send(nudge: DeliveryNudge, atMs?: number): void {
    const sent = this.#queue
      .send(nudge, atMs === undefined ? {} : { atMs })
      .catch((thrown: unknown) =>
        this.#log.warn("delivery_not_nudged", { job_id: nudge.job_id, reason: reasonOf(thrown) }),
      )
      .finally(() => this.#underWay.delete(sent));
    this.#underWay.add(sent);
  }

  /** What is told of an end that was just stored. */
  announce({ tenant_id, job_id }: JobKey, outbox: readonly OutboxItem[]): void {
    for (const { event } of outbox) this.send({ v: STORED_VERSION, tenant_id, job_id, event });
  }

  /** Resolves once all is sent, or was not taken; never rejects. */
  async flush(): Promise<void> {
    await Promise.all(this.#underWay);
  }
}

/**
 * The store, and each end goes into it with what is to be told of it: in the very batch, and only if somebody wants to
 * hear it. The comparison that the job is one of has its turn then too.
 */
export function announcingStore(
  store: JobStore,
  { listeners, announcer }: { readonly listeners: Listeners; readonly announcer: Announcer },
): JobStore {
  const wanted = ({ tenant_id }: Job, outbox: readonly OutboxItem[] = []) =>
    outbox.filter(({ event }) => listeners.wants(tenant_id, event));
  const tell = (job: Job, outbox: readonly OutboxItem[]) => {
    announcer.announce(job, outbox);
    const { tenant_id, comparison } = job;
    if (comparison !== undefined && isEnded(job))
      announcer.send({ v: STORED_VERSION, tenant_id, job_id: comparison });
  };
  return {
    ...store,
    async create(accepted, nowMs) {
      const outbox = wanted(accepted.job, accepted.outbox);
      const result = await store.create({ ...accepted, outbox }, nowMs);
      if (result.kind === "written") tell(accepted.job, outbox);
      return result;
    },
    async write(draft, etag, nowMs) {
      const outbox = wanted(draft.job, draft.outbox);
      const result = await store.write({ ...draft, outbox }, etag, nowMs);
      if (result.kind === "written" && draft.from !== undefined && !isEnded(draft.from))
        tell(draft.job, outbox);
      return result;
    },
  };
}
