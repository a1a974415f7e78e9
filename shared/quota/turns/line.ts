import { PRIORITIES } from "../../priority.ts";
import { sha256Hex } from "../../sha256.ts";
import type { Waiting } from "./fair-queue.ts";

/** Enough of the hash of a list of deployments that no two lists of a catalogue meet. */
const HASH_CHARS = 16;
/** Times in ms then sort as texts, until the year 2286. */
const TIME_CHARS = 13;

type Placed = Pick<Waiting, "tenant_id" | "job_id" | "priority" | "deployments" | "since_ms">;

/**
 * A job's place in the line, as a text that sorts: its lane (tenant, priority, deployments that can serve it), then
 * since when it waits. It is stored with the job, so that one index finds any lane and its next jobs. A tenant's id
 * holds no slash.
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

/** When a job was accepted, or was first due: since then it counts as waiting. */
export function lineSinceMs(job: {
  readonly created_at_ms: number;
  readonly not_before_ms: number | null;
}): number {
  return Math.max(job.created_at_ms, job.not_before_ms ?? 0);
}

/** The beginning of a lane, as far as it is in memory. */
interface Head {
  jobs: number;
  /** The last of those that were taken in order: what the store has after it is not in memory. */
  tail: string;
  /** There may be jobs after the tail. */
  more: boolean;
  /** One after the tail was seen since the lane was last asked for. */
  seen: boolean;
}

export interface Refill {
  readonly lane: string;
  readonly after: string;
  readonly limit: number;
}

/** Only the first jobs of each lane are in memory, however many wait. A lane that is half used up is filled again. */
export class LineHeads {
  readonly #sizes: { readonly most: number; readonly least: number; readonly mostInLane: number };
  readonly #lanes = new Map<string, Head>();

  /** @param sizes `most` jobs in all, shared among lanes, as long as each may have `least` */
  constructor(sizes: { most: number; least: number; mostInLane: number }) {
    this.#sizes = sizes;
  }

  get #share(): number {
    const { most, least, mostInLane } = this.#sizes;
    return Math.min(mostInLane, Math.max(least, Math.floor(most / Math.max(1, this.#lanes.size))));
  }

  /** Whether there is room for a job that was heard of. One left out is found once its lane has got that far. */
  admits(place: string): boolean {
    const lane = this.#lanes.get(laneOf(place));
    if (lane === undefined || place <= lane.tail) return true;
    if (!lane.more && lane.jobs < this.#share) return true;
    lane.more = true;
    lane.seen = true;
    return false;
  }

  /** @param inOrder false: it goes before others of its lane, wherever it stands */
  taken(place: string, inOrder = true): void {
    const lane = this.#laneOf(place);
    lane.jobs++;
    if (inOrder && place > lane.tail) lane.tail = place;
  }

  /** A job is in memory no more. */
  left(place: string): void {
    const name = laneOf(place);
    const lane = this.#lanes.get(name);
    if (lane === undefined) return;
    lane.jobs--;
    this.#forgetEmpty(name, lane);
  }

  /** A page of the whole line ended here: there may be more of this lane. */
  cutOff(place: string): void {
    this.#laneOf(place).more = true;
  }

  /** What is to be read now, the emptiest lanes first. */
  refills(): Refill[] {
    const share = this.#share;
    const low = [...this.#lanes].filter(([, { more, jobs }]) => more && jobs <= share / 2);
    low.sort(([, one], [, other]) => one.jobs - other.jobs);
    return low.map(([name, lane]) => {
      lane.seen = false;
      return { lane: name, after: lane.tail === "" ? `${name}/` : lane.tail, limit: share - lane.jobs };
    });
  }

  /** @param places what a refill brought, in order */
  filled(refill: Refill, places: readonly string[]): void {
    const lane = this.#lanes.get(refill.lane);
    if (lane === undefined) return;
    const last = places.at(-1);
    if (last !== undefined && last > lane.tail) lane.tail = last;
    // One that joined meanwhile was left out, and may have come too late for what was read.
    lane.more = places.length >= refill.limit || lane.seen;
    this.#forgetEmpty(refill.lane, lane);
  }

  #forgetEmpty(name: string, lane: Head): void {
    if (lane.jobs <= 0 && !lane.more) this.#lanes.delete(name);
  }

  #laneOf(place: string): Head {
    const name = laneOf(place);
    const lane = this.#lanes.get(name) ?? { jobs: 0, tail: "", more: false, seen: false };
    this.#lanes.set(name, lane);
    return lane;
  }
}
