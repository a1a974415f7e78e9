import { Ranking } from "./ranking.ts";

/** What a lane needs to know of a job. */
interface Due {
  readonly since_ms: number;
  readonly deadline_ms: number;
}

/** A job whose deadline is this near goes before those that wait longer. */
export const NEAR_DEADLINE_MS = 30_000;

/** Jobs of one tenant and priority: the longest waiting first, unless another's deadline is near. */
export class Lane<T extends Due> {
  readonly #bySince = new Ranking<T>();
  readonly #byDeadline = new Ranking<T>();

  get size(): number {
    return this.#bySince.size;
  }

  add(job: T): void {
    this.#bySince.set(job, job.since_ms);
    this.#byDeadline.set(job, job.deadline_ms);
  }

  /** @param job as it was added */
  remove(job: T): void {
    this.#bySince.delete(job);
    this.#byDeadline.delete(job);
  }

  /** Whether what is next goes before others for its deadline. */
  isNear(nowMs: number): boolean {
    return this.#byDeadline.firstKey() < nowMs + NEAR_DEADLINE_MS;
  }

  next(nowMs: number): T | undefined {
    return this.isNear(nowMs) ? this.#byDeadline.first() : this.#bySince.first();
  }
}
