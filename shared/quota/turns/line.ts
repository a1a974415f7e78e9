import { PRIORITIES } from "../../priority.ts";
import { sha256Hex } from "../../sha256.ts";
import type { Waiting } from "./fair-queue.ts";

/** Of the hash that stands for a list of deployments: enough that no two lists of a catalogue meet. */
const HASH_CHARS = 16;
/** Of a time in ms: as texts they then sort as the times do, until the year 2286. */
const TIME_CHARS = 13;

type Placed = Pick<Waiting, "tenant_id" | "job_id" | "priority" | "deployments" | "since_ms">;

/**
 * A waiting job's place in the line, as a text that sorts: its lane (tenant, priority, deployments that can serve it),
 * then since when it waits. Stored with the job, so that one index finds any lane, and any lane's next jobs, however
 * many wait. A tenant's id holds no slash.
 */
export function placeOf({ tenant_id, job_id, priority, deployments, since_ms }: Placed): string {
  const served = sha256Hex(deployments.join("\n")).slice(0, HASH_CHARS);
  const since = String(Math.max(0, since_ms)).padStart(TIME_CHARS, "0");
  return `${tenant_id}/${PRIORITIES.indexOf(priority)}/${served}/${since}/${job_id}`;
}

/** What all places of a lane begin with. */
export function laneOf(place: string): string {
  return place.split("/", 3).join("/");
}

/** The first text after all places of a lane. */
export function afterLane(lane: string): string {
  return `${lane}0`; // the character after the slash
}

/** One lane, as far as it is held in memory. */
interface LaneHeld {
  held: number;
  /** Of those held in order, the last: what is in the store after it is not held. */
  tail: string;
  /** Whether there may be jobs after the tail. */
  more: boolean;
  /** Whether one after the tail was seen since the lane was last asked for. */
  seen: boolean;
}

/** Jobs asked for, of one lane. */
export interface Refill {
  readonly lane: string;
  readonly after: string;
  readonly limit: number;
}

/**
 * Of each lane the first jobs only, so that memory does not grow with what waits. A lane that is used up to the half
 * is filled from the store, from where it was cut off.
 */
export class LineHeads {
  readonly #most: number;
  readonly #least: number;
  readonly #mostInLane: number;
  readonly #lanes = new Map<string, LaneHeld>();

  /** @param most jobs held in all, shared among lanes, as long as each may have `least` */
  constructor(sizes: { most: number; least: number; mostInLane: number }) {
    this.#most = sizes.most;
    this.#least = sizes.least;
    this.#mostInLane = sizes.mostInLane;
  }

  get #share(): number {
    const share = Math.floor(this.#most / Math.max(1, this.#lanes.size));
    return Math.min(this.#mostInLane, Math.max(this.#least, share));
  }

  /** Whether a job that was heard of is to be held. One that is not is found again once its lane has got that far. */
  admits(place: string): boolean {
    const lane = this.#lanes.get(laneOf(place));
    if (lane === undefined || place <= lane.tail) return true;
    if (!lane.more && lane.held < this.#share) return true;
    lane.more = true;
    lane.seen = true;
    return false;
  }

  /** @param inOrder false: it goes before others of its lane, wherever it stands */
  held(place: string, inOrder = true): void {
    const lane = this.#laneOf(place);
    lane.held++;
    if (inOrder && place > lane.tail) lane.tail = place;
  }

  /** A job that was held is held no more. */
  left(place: string): void {
    const name = laneOf(place);
    const lane = this.#lanes.get(name);
    if (lane === undefined) return;
    lane.held--;
    this.#forgetEmpty(name, lane);
  }

  /** Reading the line, a page of it ended here: there may be more of this lane. */
  cutOff(place: string): void {
    this.#laneOf(place).more = true;
  }

  /** What is to be read now, the emptiest lanes first. */
  refills(): Refill[] {
    const share = this.#share;
    const low = [...this.#lanes].filter(([, { more, held }]) => more && held <= share / 2);
    low.sort(([, one], [, other]) => one.held - other.held);
    return low.map(([name, lane]) => {
      lane.seen = false;
      return { lane: name, after: lane.tail === "" ? `${name}/` : lane.tail, limit: share - lane.held };
    });
  }

  /** What a refill brought: all places, in order. */
  filled(refill: Refill, places: readonly string[]): void {
    const lane = this.#lanes.get(refill.lane);
    if (lane === undefined) return;
    const last = places.at(-1);
    if (last !== undefined && last > lane.tail) lane.tail = last;
    // One that joined meanwhile was not held, and may have come too late for what was read.
    lane.more = places.length >= refill.limit || lane.seen;
    this.#forgetEmpty(refill.lane, lane);
  }

  #forgetEmpty(name: string, lane: LaneHeld): void {
    if (lane.held <= 0 && !lane.more) this.#lanes.delete(name);
  }

  #laneOf(place: string): LaneHeld {
    const name = laneOf(place);
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = { held: 0, tail: "", more: false, seen: false };
      this.#lanes.set(name, lane);
    }
    return lane;
  }
}

/** Since when a job waits, as its place in the line counts: when it was accepted, or was first due. */
export function lineSinceMs(job: {
  readonly created_at_ms: number;
  readonly not_before_ms: number | null;
}): number {
  return Math.max(job.created_at_ms, job.not_before_ms ?? 0);
}
