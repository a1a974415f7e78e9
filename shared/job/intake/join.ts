import type { Clock } from "../../clock.ts";
import type { Stored } from "../../store.ts";
import { isEnded, type Job } from "../job.ts";
import { draftOf } from "../life-cycle.ts";
import type { JobStore } from "../ports.ts";
import { change } from "../saving.ts";

/** A retry comes within seconds of the end that its client did not hear of. */
const JOINED_AFTER_END_MS = 60_000;
/** No client waits for longer, hops included. */
const JOINED_AFTER_START_MS = 3_600_000;

/** Names calls by what only whoever makes the same call again can say. */
export interface CallNames {
  /** By the secret of now, and by the one before. @param fresh it is looked up @throws StoreUnavailable */
  macs(purpose: "joining", parts: readonly string[], fresh: boolean): Promise<readonly string[]>;
}

/** A call whose client waits for the answer on its connection. */
export interface HeldSubmit {
  /** What its automatic retry has in common with it: who calls, for what, and with which bytes. */
  readonly same: readonly string[];
  /** This request's own name. */
  readonly requestId: string;
  /** How often the client has tried before; 0: this is no retry, or is not to join anything. */
  readonly retries: number;
}

/** Jobs whose client is known to be connected here. */
export class ConnectedClients {
  readonly #jobs = new Map<string, number>();

  /** The function returned must be called once: when the client has left, or has its answer. */
  add({ job_id }: Pick<Job, "job_id">): () => void {
    this.#jobs.set(job_id, (this.#jobs.get(job_id) ?? 0) + 1);
    return () => {
      const left = (this.#jobs.get(job_id) ?? 1) - 1;
      if (left === 0) this.#jobs.delete(job_id);
      else this.#jobs.set(job_id, left);
    };
  }

  has({ job_id }: Pick<Job, "job_id">): boolean {
    return this.#jobs.has(job_id);
  }
}

export interface JoinDeps {
  readonly store: JobStore;
  readonly clock: Clock;
  readonly connected: ConnectedClients;
}

/**
 * The job that an automatic retry repeats: the oldest of that call whose client is gone and that no such retry has
 * taken, live or ended just now. Undefined: there is none, and the retry is a call like any other.
 * @param names the call's, by each secret that may have named it
 * @throws StoreUnavailable
 */
export async function joinRepeated(
  { store, clock, connected }: JoinDeps,
  tenantId: string,
  names: readonly string[],
  { requestId, retries }: HeldSubmit,
): Promise<Stored<Job> | undefined> {
  const nowMs = clock.now();
  // A client tries again only once the try before is lost to it, so a first retry never takes what another first has.
  const isOpen = (job: Job) =>
    (job.joined_by === undefined || (job.joined_count ?? 1) < retries) &&
    (!isEnded(job) || isWorthHearing(job, nowMs));
  for (const name of names) {
    for (const found of await store.coalescing(tenantId, name, nowMs - JOINED_AFTER_START_MS)) {
      if (!isOpen(found) || connected.has(found)) continue;
      const joined = await change(store, found, clock, (job) =>
        isOpen(job) ? draftOf({ ...job, joined_by: requestId, joined_count: retries }) : undefined,
      );
      if (joined?.job.joined_by === requestId) return { value: joined.job, etag: joined.etag };
    }
  }
  return undefined;
}

/**
 * A repeated call that its idempotency key has led to its job: the client that asked before may leave now.
 * @throws StoreUnavailable
 */
export async function joinByKey(
  { store, clock }: JoinDeps,
  found: Stored<Job>,
  { requestId }: HeldSubmit,
): Promise<Stored<Job>> {
  const joined = await change(store, found.value, clock, (job) =>
    isEnded(job) ? undefined : draftOf({ ...job, joined_by: requestId }),
  );
  return joined === undefined ? found : { value: joined.job, etag: joined.etag };
}

/** One that was cancelled because its client had left has nothing to say to it. */
function isWorthHearing(job: Job, nowMs: number): boolean {
  if (!isEnded(job) || job.status === "cancelled" || job.content_deleted) return false;
  return job.completed_at_ms >= nowMs - JOINED_AFTER_END_MS;
}
