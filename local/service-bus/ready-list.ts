import { READY_WINDOW } from "./limits.ts";
import type { ReadyRow } from "./store.ts";

/** A message in memory: a few numbers, not its body. */
export interface Meta {
  id: number;
  deliveryCount: number;
  readonly session: string | null;
  /** Unix ms; Infinity: never. */
  readonly expiresAt: number;
}

export function metaOf(row: ReadyRow): Meta {
  return {
    id: row.id,
    deliveryCount: row.deliveryCount,
    session: row.session,
    expiresAt: row.expiresAt ?? Number.POSITIVE_INFINITY,
  };
}

/**
 * Ready messages in order of sequence: the first ones in memory, the rest in the store until their turn comes, so
 * neither memory nor time grow with the queue's length. `load(after, limit)` reads on from an id.
 */
export class ReadyList {
  readonly #load: (after: number, limit: number) => ReadyRow[];
  readonly #before: number;
  /** The messages in order; `#head` is the next. */
  #window: Meta[] = [];
  #head = 0;
  /** What came back (abandoned, lock run out): few, sorted, the lowest last. */
  #returned: Meta[] = [];
  /** All stored messages up to this id were loaded; beyond it some may wait in the store. */
  #loadedTo: number;
  #moreStored = true;

  constructor(load: (after: number, limit: number) => ReadyRow[], before: number) {
    this.#load = load;
    this.#before = before;
    this.#loadedTo = before;
  }

  /** A new message, stored already. */
  push(meta: Meta): void {
    if (meta.id <= this.#loadedTo) {
      this.giveBack(meta);
      return;
    }
    if (this.#moreStored) return;
    if (this.#window.length - this.#head >= READY_WINDOW) {
      this.#moreStored = true;
      return;
    }
    this.#window.push(meta);
    this.#loadedTo = meta.id;
  }

  /** A message that was taken and is ready again. */
  giveBack(meta: Meta): void {
    if (this.#moreStored && meta.id > this.#loadedTo) return;
    const list = this.#returned;
    if (list.length >= READY_WINDOW) {
      // Everything here is in the store too: forget it all and read it again from the start.
      this.#returned = [];
      this.#window = [];
      this.#head = 0;
      this.#loadedTo = this.#before;
      this.#moreStored = true;
      return;
    }
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((list[middle] as Meta).id > meta.id) low = middle + 1;
      else high = middle;
    }
    list.splice(low, 0, meta);
  }

  /** The next message, or undefined. Messages expired by `now` are skipped: expiry removes them. */
  take(now: number): Meta | undefined {
    for (;;) {
      const meta = this.#takeAny();
      if (meta === undefined || meta.expiresAt > now) return meta;
    }
  }

  isEmpty(): boolean {
    if (this.#returned.length > 0 || this.#head < this.#window.length) return false;
    this.#fill();
    return this.#head >= this.#window.length;
  }

  #takeAny(): Meta | undefined {
    if (this.#head >= this.#window.length) this.#fill();
    const next = this.#window[this.#head];
    const back = this.#returned.at(-1);
    if (back !== undefined && (next === undefined || back.id < next.id)) return this.#returned.pop();
    if (next === undefined) return undefined;
    this.#head++;
    if (this.#head >= this.#window.length) {
      this.#window = [];
      this.#head = 0;
    } else if (this.#head >= 1_024 && this.#head * 2 >= this.#window.length) {
      this.#window = this.#window.slice(this.#head);
      this.#head = 0;
    }
    return next;
  }

  #fill(): void {
    if (!this.#moreStored) return;
    const rows = this.#load(this.#loadedTo, READY_WINDOW);
    this.#window = rows.map(metaOf);
    this.#head = 0;
    this.#moreStored = rows.length === READY_WINDOW;
    const last = rows.at(-1);
    if (last !== undefined) this.#loadedTo = last.id;
  }
}
