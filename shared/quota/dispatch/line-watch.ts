import type { Clock } from "../../clock.ts";
import type { JobInLine, JobsInLine } from "../ports.ts";
import { afterLane, LineHeads, laneOf, type Refill } from "../turns/line.ts";

/** Jobs in memory, in all and of one lane: some hundred bytes each, and enough between two looks. */
const SIZES = { most: 20_000, least: 20, mostInLane: 1_000 };
const PAGE_JOBS = 1_000;
/** Reads in one look, of each kind, and lanes filled at the same time. */
const MOST_READS = 20;
const REFILLS_AT_ONCE = 4;
/** A page of the line: it may hold the first jobs of many lanes, or a part of one. */
const WALK_JOBS = 200;
/** A walk through the whole line finds what the looks in between missed. */
const WALK_EVERY_MS = 60_000;
/** How often the longest waiting, and those whose deadline is near, are looked at. */
const STRAYS_EVERY_MS = 3_000;
const NEAR_DEADLINE_MS = 40_000;
/** A job may be stored later than another that says it joined after it. At first more: clocks of instances differ. */
const OVERLAP_MS = 300;
const FIRST_OVERLAP_MS = 10_000;

/**
 * What the dispatcher knows of the line: the first jobs of each lane, whatever joined lately, and what has a deadline
 * near. All reads are bounded, by pages and by lanes, however many jobs wait.
 */
export class LineWatch {
  readonly #line: JobsInLine;
  readonly #clock: Clock;
  readonly #add: (job: JobInLine) => boolean;
  readonly #heads: LineHeads;
  /** Where the walk has got to; undefined: at its end. */
  #walkedTo: string | undefined = "";
  #walkedAtMs: number;
  #straysAtMs = 0;
  #cursorMs: number;
  #newestMs = 0;

  /** @param add takes a job into memory; false: it is there, or was let go already */
  constructor(
    deps: { line: JobsInLine; clock: Clock; sizes?: typeof SIZES },
    add: (job: JobInLine) => boolean,
  ) {
    this.#line = deps.line;
    this.#clock = deps.clock;
    this.#add = add;
    this.#heads = new LineHeads(deps.sizes ?? SIZES);
    this.#walkedAtMs = deps.clock.now();
    this.#cursorMs = this.#walkedAtMs - FIRST_OVERLAP_MS;
  }

  /** A job has joined the line, or is to be looked at again. */
  heard(job: JobInLine): void {
    if (this.#heads.admits(job.place) && this.#add(job)) this.#heads.taken(job.place);
  }

  /** A job that was in memory was let go, or given up. */
  left(place: string): void {
    this.#heads.left(place);
  }

  /** Reads what has changed. Throws StoreUnavailable. */
  async look(): Promise<void> {
    await this.#walk();
    await this.#readNew();
    const refills = this.#heads.refills().slice(0, MOST_READS);
    while (refills.length > 0)
      await Promise.all(refills.splice(0, REFILLS_AT_ONCE).map((each) => this.#fill(each)));
    const nowMs = this.#clock.now();
    if (nowMs - this.#straysAtMs < STRAYS_EVERY_MS) return;
    this.#straysAtMs = nowMs;
    for (const job of await this.#line.joinedAfter(0, PAGE_JOBS)) this.heard(job);
    for (const job of await this.#line.dueBefore(nowMs + NEAR_DEADLINE_MS, PAGE_JOBS))
      if (this.#add(job)) this.#heads.taken(job.place, false);
  }

  /** Lane after lane: of a long one only the beginning, then on to the next. */
  async #walk(): Promise<void> {
    const nowMs = this.#clock.now();
    if (this.#walkedTo === undefined && nowMs - this.#walkedAtMs >= WALK_EVERY_MS) this.#walkedTo = "";
    for (let reads = 0; reads < MOST_READS && this.#walkedTo !== undefined; reads++) {
      this.#walkedAtMs = nowMs;
      const jobs = await this.#line.inLine({ after: this.#walkedTo }, WALK_JOBS);
      for (const job of jobs) this.heard(job);
      const last = jobs.length < WALK_JOBS ? undefined : jobs.at(-1)?.place;
      if (last !== undefined) this.#heads.cutOff(last);
      this.#walkedTo = last === undefined ? undefined : afterLane(laneOf(last));
    }
  }

  async #readNew(): Promise<void> {
    const fromMs = this.#cursorMs;
    let readMs = fromMs;
    for (let reads = 0; reads < MOST_READS; reads++) {
      const jobs = await this.#line.joinedAfter(readMs, PAGE_JOBS);
      for (const job of jobs) this.heard(job);
      readMs = Math.max(readMs, jobs.at(-1)?.joined_ms ?? 0);
      if (jobs.length < PAGE_JOBS) break;
    }
    const isNews = readMs > this.#newestMs;
    this.#newestMs = Math.max(this.#newestMs, readMs);
    this.#cursorMs = isNews ? Math.max(fromMs, readMs - OVERLAP_MS) : readMs;
  }

  async #fill(refill: Refill): Promise<void> {
    const { after, lane, limit } = refill;
    const jobs = await this.#line.inLine({ after, before: afterLane(lane) }, limit);
    for (const job of jobs) if (this.#add(job)) this.#heads.taken(job.place);
    this.#heads.filled(
      refill,
      jobs.map(({ place }) => place),
    );
  }
}
