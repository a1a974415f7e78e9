import TinyQueue from "tinyqueue";

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Virtual time: what is due is run in order of time, and of its making where times are equal. */
export class Events {
  nowMs: number;
  #order = 0;
  readonly #due = new TinyQueue<Event>([], (a, b) => a.atMs - b.atMs || a.order - b.order);

  constructor(startMs = 1_800_000_000_000) {
    this.nowMs = startMs;
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.nowMs + Math.max(0, delayMs), run);
  }

  at(atMs: number, run: () => void): void {
    this.#due.push({ atMs: Math.max(atMs, this.nowMs), order: this.#order++, run });
  }

  /** Runs until nothing is due, `untilMs` is reached or `done` holds. */
  run(untilMs: number, done: () => boolean): void {
    for (;;) {
      const next = this.#due.peek();
      if (next === undefined || next.atMs > untilMs || done()) return;
      this.#due.pop();
      this.nowMs = next.atMs;
      next.run();
    }
  }
}
