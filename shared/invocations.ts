import type { Clock } from "./clock.ts";

/** Between two looks while invocations run: calls under way are aborted by them, and fresh ones need not look. */
export const LOOK_EVERY_MS = 1_500;

export interface InvocationsDeps {
  readonly clock: Pick<Clock, "after">;
  /** Resolves once this process knows what is in force. */
  readonly fresh: () => Promise<void>;
  /** Looks at what is in force; never rejects. */
  readonly look: () => Promise<void>;
  /** Tells what others must know; never rejects. */
  readonly flush: () => Promise<void>;
}

/** What goes on in this process while any invocation runs, and at no other time: it may be frozen then, or taken away. */
export class Invocations {
  readonly #deps: InvocationsDeps;
  readonly #running = new Set<Promise<unknown>>();
  #cancel: () => void = () => undefined;

  constructor(deps: InvocationsDeps) {
    this.#deps = deps;
  }

  /** Runs one. @throws StoreUnavailable where it is not known what is in force, and what `work` throws */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running.size === 0) this.#lookLater();
    const running = this.#deps.fresh().then(work);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      // The last one takes along what nobody would send after it.
      if (this.#running.size === 1) await this.#deps.flush();
      this.#running.delete(running);
      if (this.#running.size === 0) this.#cancel();
    }
  }

  /** Resolves once those that run now have ended, however they do. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#running]);
  }

  #lookLater(): void {
    this.#cancel = this.#deps.clock.after(LOOK_EVERY_MS, () => {
      void this.#deps.look();
      this.#lookLater();
    });
  }
}
