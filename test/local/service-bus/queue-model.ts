/** A queue as it should be: a list, looked through from end to end. Times in ms. */
export interface ModelSettings {
  readonly lockMs: number;
  readonly maxDeliveryCount: number;
  readonly ttlMs: number;
}

export type ModelState = "ready" | "deferred" | "scheduled" | "dead";

export interface ModelMessage {
  readonly id: string;
  state: ModelState;
  order: number;
  deliveryCount: number;
  lockedUntil: number | undefined;
  expiresAt: number;
  dueAt: number;
}

export class QueueModel {
  readonly messages: ModelMessage[] = [];
  now: number;
  readonly #settings: ModelSettings;
  #order = 0;

  constructor(settings: ModelSettings, now: number) {
    this.#settings = settings;
    this.now = now;
  }

  send(id: string, ttlMs: number, dueAt?: number): void {
    const scheduled = dueAt !== undefined && dueAt > this.now;
    this.messages.push({
      id,
      state: scheduled ? "scheduled" : "ready",
      order: this.#order++,
      deliveryCount: 0,
      lockedUntil: undefined,
      expiresAt: (scheduled ? dueAt : this.now) + Math.min(ttlMs, this.#settings.ttlMs),
      dueAt: scheduled ? dueAt : Number.POSITIVE_INFINITY,
    });
  }

  /** What a receiver gets next. */
  next(state: "ready" | "dead"): ModelMessage | undefined {
    return this.messages
      .filter((m) => m.state === state && m.lockedUntil === undefined)
      .sort((a, b) => a.order - b.order)[0];
  }

  lock(message: ModelMessage): void {
    message.lockedUntil = this.now + this.#settings.lockMs;
  }

  remove(message: ModelMessage): void {
    this.messages.splice(this.messages.indexOf(message), 1);
  }

  /** A delivery came to nothing. */
  fail(message: ModelMessage): void {
    message.lockedUntil = undefined;
    if (message.state !== "dead") message.deliveryCount++;
    if (message.state !== "dead" && message.deliveryCount >= this.#settings.maxDeliveryCount)
      this.kill(message);
    else this.#expire(message);
  }

  settleAs(message: ModelMessage, state: "deferred" | "dead"): void {
    message.lockedUntil = undefined;
    if (state === "dead") this.kill(message);
    else {
      message.state = state;
      message.deliveryCount++;
      this.#expire(message);
    }
  }

  kill(message: ModelMessage): void {
    message.state = "dead";
    message.lockedUntil = undefined;
    message.expiresAt = Number.POSITIVE_INFINITY;
  }

  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.messages
        .map((message) => ({ message, at: this.#dueAt(message) }))
        .filter(({ at }) => at <= end)
        .sort((a, b) => a.at - b.at || a.message.order - b.message.order)[0];
      if (next === undefined) break;
      this.now = Math.max(this.now, next.at);
      this.#happen(next.message);
    }
    this.now = end;
  }

  counts(): Record<string, number> {
    const count = (holds: (m: ModelMessage) => boolean) => this.messages.filter(holds).length;
    const locked = (m: ModelMessage) => m.lockedUntil !== undefined;
    return {
      ready: count((m) => m.state === "ready" && !locked(m)),
      locked: count((m) => m.state !== "dead" && locked(m)),
      deferred: count((m) => m.state === "deferred" && !locked(m)),
      scheduled: count((m) => m.state === "scheduled"),
      dead: count((m) => m.state === "dead"),
    };
  }

  #dueAt(message: ModelMessage): number {
    if (message.lockedUntil !== undefined) return message.lockedUntil;
    return message.state === "scheduled" ? message.dueAt : message.expiresAt;
  }

  #happen(message: ModelMessage): void {
    if (message.lockedUntil !== undefined) this.fail(message);
    else if (message.state === "scheduled") {
      message.state = "ready";
      message.order = this.#order++;
      message.dueAt = Number.POSITIVE_INFINITY;
    } else this.kill(message);
  }

  /** Its time may have run out while it was locked. */
  #expire(message: ModelMessage): void {
    if (message.expiresAt <= this.now) this.kill(message);
  }
}
