import type { Clock } from "../clock.ts";
import type { Invoker } from "./invocation.ts";
import type { TriggerHandle } from "./service-bus-trigger.ts";

/** `drain`: its receivers are closed first; `hard`: it stops as it is. */
export type FreezeMode = "drain" | "hard";

export interface FreezerOptions {
  readonly mode: FreezeMode;
  /** How long it may be without an invocation, ms. */
  readonly afterMs: number;
  readonly invoker: Pick<Invoker, "running" | "idleSince">;
  readonly triggers: Pick<TriggerHandle, "pause" | "resume">;
  readonly clock: Clock;
  /** Tells the parent; `then` is called once that is on its way. `idleSince` in Unix ms. */
  readonly tell: (message: { frozen: boolean; idleSince?: number }, then?: () => void) => void;
  /** Stops this process at once; comes back when it is continued. */
  readonly stopSelf: () => void;
}

/** Before it is frozen. */
export const FREEZE_AFTER_MS = 2_000;
const LOOKS = 20;

/**
 * Freezes its own process when it has been without an invocation for a while, as a platform may do that promises
 * nothing between invocations. It stops itself rather than be stopped: so it is sure, at that very moment, that no
 * invocation is open. The parent continues it.
 */
export class Freezer {
  readonly #deps: FreezerOptions;
  /** Since when it has been awake. */
  #awakeSince: number;
  #stopped = false;

  constructor(dependencies: FreezerOptions) {
    this.#deps = dependencies;
    this.#awakeSince = dependencies.clock.now();
    this.#lookLater();
  }

  /** From now on it stays awake: it is to end. */
  stop(): void {
    this.#stopped = true;
  }

  get #isIdle(): boolean {
    const { invoker, clock } = this.#deps;
    const since = Math.max(invoker.idleSince, this.#awakeSince);
    return !this.#stopped && invoker.running === 0 && clock.now() - since >= this.#deps.afterMs;
  }

  #lookLater(): void {
    if (this.#stopped) return;
    this.#deps.clock.after(this.#deps.afterMs / LOOKS, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { mode, invoker, triggers, tell } = this.#deps;
    if (!this.#isIdle) return this.#lookLater();
    if (mode === "drain") await triggers.pause();
    // What its receivers brought while they closed has run; then it was not idle.
    if (!this.#isIdle) return this.#wake();
    tell({ frozen: true, idleSince: invoker.idleSince }, () => {
      if (this.#isIdle) this.#deps.stopSelf();
      this.#awakeSince = this.#deps.clock.now();
      tell({ frozen: false });
      this.#wake();
    });
  }

  #wake(): void {
    if (this.#deps.mode === "drain") this.#deps.triggers.resume();
    this.#lookLater();
  }
}
