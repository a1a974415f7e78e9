/** What a lane needs to know of a job. */
interface Due {
  readonly job_id: string;
  readonly since_ms: number;
  readonly deadline_ms: number;
}

/** A job whose deadline is this near goes before those that wait longer. */
const NEAR_DEADLINE_MS = 30_000;
/** Room for taken jobs at the front, before they are cut off. */
const MOST_TAKEN = 1_024;

/** Jobs of one tenant and priority: the longest waiting first, unless another's deadline is near. */
export class Lane {
  /** Those that are here; the lists below may hold others that have gone, until they come to an end of it. */
  readonly #here = new Set<Due>();
  /** By `since_ms`, from #head on. */
  #queue: Due[] = [];
  #head = 0;
  /** By deadline, the nearest last, so that it is taken off the end. */
  #deadlines: Due[] = [];

  get size(): number {
    return this.#here.size;
  }

  add(job: Due): void {
    this.#here.add(job);
    insert(this.#queue, job, this.#head, (each) => each.since_ms);
    insert(this.#deadlines, job, 0, (each) => -each.deadline_ms);
  }

  /** @param job as it was added */
  remove(job: Due): void {
    this.#here.delete(job);
    this.#tidy();
  }

  next<T extends Due>(nowMs: number): T | undefined {
    const urgent = this.#deadlines.at(-1);
    const isNear = urgent !== undefined && urgent.deadline_ms < nowMs + NEAR_DEADLINE_MS;
    return (isNear ? urgent : this.#queue[this.#head]) as T | undefined;
  }

  /** All whose deadline is near, the nearest first. */
  near<T extends Due>(nowMs: number): T[] {
    const near: Due[] = [];
    for (let index = this.#deadlines.length - 1; index >= 0; index--) {
      const job = this.#deadlines[index];
      if (job === undefined || job.deadline_ms >= nowMs + NEAR_DEADLINE_MS) break;
      if (this.#here.has(job)) near.push(job);
    }
    return near as T[];
  }

  #tidy(): void {
    const gone = (job: Due | undefined) => job !== undefined && !this.#here.has(job);
    while (gone(this.#queue[this.#head])) this.#head++;
    while (gone(this.#deadlines.at(-1))) this.#deadlines.pop();
    if (this.#head < MOST_TAKEN && this.#here.size > 0) return;
    this.#queue = this.#queue.slice(this.#head);
    this.#head = 0;
  }
}

/** Into a list sorted by `key`, after equals; most come at the end. */
function insert(list: Due[], job: Due, from: number, key: (job: Due) => number): void {
  let low = from;
  let high = list.length;
  const value = key(job);
  const last = list.at(-1);
  if (last === undefined || key(last) <= value) low = high;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = list[middle];
    if (other !== undefined && key(other) <= value) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, job);
}
