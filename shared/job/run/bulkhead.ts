import { MAX_READING } from "../../limits.ts";
import { mayTake, ONE_HALF, relativeWeight, SEVEN_EIGHTHS } from "../../part.ts";

/** A call, as far as it needs something of the instance that runs it. */
export interface InstanceCall {
  readonly tenant: string;
  readonly deployment: string;
  /** Memory that it holds until it ends, about. */
  readonly bytes: number;
}

/** What an instance has for calls, or what is used of that. */
export interface Room {
  readonly calls: number;
  readonly bytes: number;
}

/** What runs on an instance: all together, by tenant, and by deployment the calls of each tenant. */
export interface Running {
  readonly all: Room;
  readonly ofTenant: ReadonlyMap<string, Room>;
  readonly ofDeployment: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

const NOTHING: Room = { calls: 0, bytes: 0 };
const NOBODY: ReadonlyMap<string, number> = new Map();

/**
 * Whether an instance may begin one more call. No deployment and no tenant has more than half of its slots, no tenant
 * more than half of its memory, nor more than seven eighths of what one deployment may have. Between tenants weights decide.
 */
export function mayBegin(
  { tenant, deployment, bytes }: InstanceCall,
  { all, ofTenant, ofDeployment }: Running,
  room: Room,
  weightOf: (tenant: string) => number,
): boolean {
  const free = room.calls - all.calls;
  const mine = ofTenant.get(tenant) ?? NOTHING;
  const there = ofDeployment.get(deployment) ?? NOBODY;
  let calls = 0;
  for (const each of there.values()) calls += each;
  /** Calls that may begin there until the deployment has its half. */
  const leftThere = Math.floor((free - calls + 1) / 2);
  const weight = (present: Iterable<string>) => relativeWeight(tenant, present, weightOf);
  return (
    mayTake(1, calls, free, ONE_HALF) &&
    mayTake(1, mine.calls, free, ONE_HALF * weight(ofTenant.keys())) &&
    mayTake(1, there.get(tenant) ?? 0, leftThere, SEVEN_EIGHTHS * weight(there.keys())) &&
    mayTake(bytes, mine.bytes, room.bytes - all.bytes, ONE_HALF)
  );
}

/**
 * Keeps apart the calls of an instance, so that whatever one tenant or one deployment does, those of others begin: a
 * call holds its slot until it ends, however long it takes.
 */
export class Bulkhead {
  readonly #room: Room;
  readonly #weightOf: (tenant: string) => number;
  #reading = 0;
  readonly #readers: (() => void)[] = [];
  #all = NOTHING;
  readonly #ofTenant = new Map<string, Room>();
  readonly #ofDeployment = new Map<string, Map<string, number>>();

  constructor(room: Room, weightOf: (tenant: string) => number) {
    this.#room = room;
    this.#weightOf = weightOf;
  }

  /**
   * One more request is about to be read from the store. What is read counts nowhere until it is decided what becomes of
   * it, so only a few are at that stage. The function returned must be called once it is decided; again it does nothing.
   */
  async beginReading(): Promise<() => void> {
    if (this.#reading < MAX_READING) this.#reading++;
    else await new Promise<void>((resolve) => this.#readers.push(resolve));
    let isReading = true;
    return () => {
      if (!isReading) return;
      isReading = false;
      const next = this.#readers.shift();
      if (next === undefined) this.#reading--;
      else next();
    };
  }

  mayBegin(call: InstanceCall): boolean {
    const running = { all: this.#all, ofTenant: this.#ofTenant, ofDeployment: this.#ofDeployment };
    return mayBegin(call, running, this.#room, this.#weightOf);
  }

  /** A call holds its slot from now on; the function returned gives it back, once. */
  begin(call: InstanceCall): () => void {
    this.#count(call, 1);
    let isHeld = true;
    return () => {
      if (isHeld) this.#count(call, -1);
      isHeld = false;
    };
  }

  #count({ tenant, deployment, bytes }: InstanceCall, sign: 1 | -1): void {
    const changed = (used: Room = NOTHING) => ({
      calls: used.calls + sign,
      bytes: used.bytes + sign * bytes,
    });
    this.#all = changed(this.#all);
    const mine = changed(this.#ofTenant.get(tenant));
    if (mine.calls === 0) this.#ofTenant.delete(tenant);
    else this.#ofTenant.set(tenant, mine);
    const there = this.#ofDeployment.get(deployment) ?? new Map<string, number>();
    const calls = (there.get(tenant) ?? 0) + sign;
    if (calls === 0) there.delete(tenant);
    else there.set(tenant, calls);
    if (there.size === 0) this.#ofDeployment.delete(deployment);
    else this.#ofDeployment.set(deployment, there);
  }
}
