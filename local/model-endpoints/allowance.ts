/** What is left of one kind of quota (requests, or tokens) at a moment; ms everywhere. */
export interface Allowance {
  /** Lets time pass; nothing else looks at the clock. */
  moveTo(nowMs: number): void;
  readonly left: number;
  /** Time until all of it is there again. */
  readonly resetMs: number;
  /** Time until `amount` would fit, if no other call takes any of it meanwhile; at least 1. */
  waitMs(amount: number): number;
  take(amount: number): void;
}

/** What others who share the quota leave of it, 0 to 1. */
const ours = (strangerShare: number): number => 1 - strangerShare;

/** A bucket that holds what flows in over so many seconds; it starts full. A stranger takes its share of the flow. */
export class Bucket implements Allowance {
  readonly #capacity: number;
  readonly #perMs: number;
  #left: number;
  #atMs = Number.NEGATIVE_INFINITY;

  constructor(perMinute: number, seconds: number, strangerShare: number) {
    this.#capacity = Math.max(1, (perMinute * seconds) / 60);
    this.#perMs = (perMinute * ours(strangerShare)) / 60_000;
    this.#left = this.#capacity;
  }

  moveTo(nowMs: number): void {
    const passedMs = Number.isFinite(this.#atMs) ? Math.max(0, nowMs - this.#atMs) : 0;
    this.#left = Math.min(this.#capacity, this.#left + passedMs * this.#perMs);
    this.#atMs = Math.max(this.#atMs, nowMs);
  }

  get left(): number {
    return this.#left;
  }

  get resetMs(): number {
    return (this.#capacity - this.#left) / this.#perMs;
  }

  waitMs(amount: number): number {
    return Math.max(1, Math.ceil((Math.min(amount, this.#capacity) - this.#left) / this.#perMs));
  }

  take(amount: number): void {
    // Refused calls that count all the same must not dig a hole from which no call gets out.
    this.#left = Math.max(this.#left - amount, -this.#capacity);
  }
}

/**
 * So much in a window of so many seconds, then as much again. A window begins with the first call after the last one
 * ended; a stranger's share of it is gone by then.
 */
export class FixedWindow implements Allowance {
  readonly #capacity: number;
  readonly #lengthMs: number;
  readonly #whole: number;
  #left: number;
  #nowMs = Number.NEGATIVE_INFINITY;
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor(perMinute: number, seconds: number, strangerShare: number) {
    this.#whole = Math.max(1, Math.floor((perMinute * seconds) / 60));
    this.#capacity = Math.max(1, Math.floor(this.#whole * ours(strangerShare)));
    this.#lengthMs = seconds * 1000;
    this.#left = this.#capacity;
  }

  moveTo(nowMs: number): void {
    this.#nowMs = nowMs;
    if (nowMs < this.#sinceMs + this.#lengthMs) return;
    this.#sinceMs = nowMs;
    this.#left = this.#capacity;
  }

  get left(): number {
    return this.#left;
  }

  get resetMs(): number {
    return this.#sinceMs + this.#lengthMs - this.#nowMs;
  }

  waitMs(_amount: number): number {
    return this.resetMs;
  }

  take(amount: number): void {
    this.#left = Math.max(this.#left - amount, -this.#capacity);
  }
}
