import type { Clock } from "../../clock.ts";
import type { JobInLine, JobsInLine } from "../ports.ts";
import { afterLane, LineHeads, laneOf, type Refill } from "../turns/line.ts";

/** Jobs held in memory, in all and of one lane: some hundred bytes each, and enough between two looks. */
const SIZES = { most: 20_000, least: 20, mostInLane: 1_000 };
const PAGE_JOBS = 1_000;
/** At most so many reads in one look, of each kind. */
const MOST_READS = 20;
/** Lanes filled at the same time. */
const REFILLS_AT_ONCE = 4;
/** A page of the line: it may hold the first jobs of many lanes, or a part of one. */
const WALK_JOBS = 200;
/** The whole line is walked through so often: what the looks in between missed is found by that. */
const WALK_EVERY_MS = 60_000;
/** How often the longest waiting, and those whose deadline is near, are looked at. */
const STRAYS_EVERY_MS = 3_000;
const NEAR_DEADLINE_MS = 40_000;
/** Of jobs that joined the line at about the same time, one may be stored later than another that says it came after it. */
const OVERLAP_MS = 300;
/** The same when the first look begins: clocks of instances differ. */
const FIRST_OVERLAP_MS = 10_000;

/**
 * What the dispatcher knows of the jobs that wait: the first of each lane, whatever joined lately, and what has a
 * deadline near. All reads are bounded, by pages and by lanes, however many jobs wait.
 */
export class LineWatch {
  readonly #store: JobsInLine;
  readonly #clock: Clock;
  /** Takes a job into memory; false: it is there, or was let go already. */
  readonly #add: (job: JobInLine) => boolean;
  readonly #heads: LineHeads;
  /** Where the walk has got to; undefined: at its end. */
  #walkedTo: string | undefined = "";
  #walkedAtMs: number;
  #straysAtMs = 0;
  #cursorMs: number;
  #newestMs = 0;

  constructor(
    deps: { line: JobsInLine; clock: Clock; sizes?: typeof SIZES },
    add: (job: JobInLine) => boolean,
  ) {
    this.#store = deps.line;
    this.#clock = deps.clock;
    this.#add = add;
    this.#heads = new LineHeads(deps.sizes ?? SIZES);
    this.#walkedAtMs = deps.clock.now();
    this.#cursorMs = this.#walkedAtMs - FIRST_OVERLAP_MS;
  }

  /** A job has joined the line, or is to be looked at again. */
  heard(job: JobInLine): void {
    if (this.#heads.admits(job.place) && this.#add(job)) this.#heads.held(job.place);
  }

  /** A job of those taken into memory was let go, or given up. */
  left(place: string): void {
    this.#heads.left(place);
  }

  /** Reads what has changed. Throws StoreUnavailable. */
  async look(): Promise<void> {
    await this.#walk();
    await this.#readNew();
    await this.#refill();
    const nowMs = this.#clock.now();
    if (nowMs - this.#straysAtMs < STRAYS_EVERY_MS) return;
    this.#straysAtMs = nowMs;
    for (const job of await this.#store.joinedAfter(0, PAGE_JOBS)) this.heard(job);
    for (const job of await this.#store.dueBefore(nowMs + NEAR_DEADLINE_MS, PAGE_JOBS))
      if (this.#add(job)) this.#heads.held(job.place, false);
  }

  /** Lane after lane: of a long one only the beginning, then on to the next. */
  async #walk(): Promise<void> {
    const nowMs = this.#clock.now();
    if (this.#walkedTo === undefined && nowMs - this.#walkedAtMs >= WALK_EVERY_MS) this.#walkedTo = "";
    for (let reads = 0; reads < MOST_READS && this.#walkedTo !== undefined; reads++) {
      this.#walkedAtMs = nowMs;
      const jobs = await this.#store.inLine({ after: this.#walkedTo }, WALK_JOBS);
      for (const job of jobs) this.heard(job);
      const last = jobs.at(-1)?.place;
      if (last === undefined || jobs.length < WALK_JOBS) {
        this.#walkedTo = undefined;
        return;
      }
      this.#heads.cutOff(last);
      this.#walkedTo = afterLane(laneOf(last));
    }
  }

  async #readNew(): Promise<void> {
    const fromMs = this.#cursorMs;
    let readMs = fromMs;
    for (let reads = 0; reads < MOST_READS; reads++) {
      const jobs = await this.#store.joinedAfter(readMs, PAGE_JOBS);
      for (const job of jobs) {
        this.heard(job);
        readMs = Math.max(readMs, job.joined_ms);
      }
      if (jobs.length < PAGE_JOBS) break;
    }
    const isNews = readMs > this.#newestMs;
    this.#newestMs = Math.max(this.#newestMs, readMs);
    this.#cursorMs = isNews ? Math.max(fromMs, readMs - OVERLAP_MS) : readMs;
  }

  async #refill(): Promise<void> {
    const refills = this.#heads.refills().slice(0, MOST_READS);
    for (let from = 0; from < refills.length; from += REFILLS_AT_ONCE)
      await Promise.all(refills.slice(from, from + REFILLS_AT_ONCE).map((each) => this.#fill(each)));
  }

  async #fill(refill: Refill): Promise<void> {
    const { after, lane, limit } = refill;
    const jobs = await this.#store.inLine({ after, before: afterLane(lane) }, limit);
    for (const job of jobs) if (this.#add(job)) this.#heads.held(job.place);
    this.#heads.filled(
      refill,
      jobs.map(({ place }) => place),
    );
  }
}
