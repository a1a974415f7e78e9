import type { Clock } from "../clock.ts";
import { type Env, resolveSettings } from "./app-settings.ts";
import type { RegisteredFunction } from "./core-api.ts";
import type { HostLog } from "./host-log.ts";
import type { Invoker } from "./invocation.ts";
import { parseSchedule, type Schedule } from "./schedule.ts";
import type { TimerStatus, TimerStore } from "./timer-store.ts";

interface TimerDependencies {
  readonly store: TimerStore;
  readonly invoker: Pick<Invoker, "invoke">;
  readonly clock: Clock;
  readonly log: HostLog;
  readonly env: Env;
}

/** A holder that has not renewed for this long is taken for dead or frozen. */
const LOCK_MS = 5_000;
const RENEW_MS = 1_500;
/** A run that starts later than this after its time says so (`isPastDue`). */
const PAST_DUE_MS = 1_000;
/** While another process holds a due timer: how soon to look whether it has run, or died. */
const LOOK_AGAIN_MS = 500;

/** Runs one timer function whenever it is due, in one process of the stack at a time. */
export class TimerTrigger {
  readonly #fn: RegisteredFunction;
  readonly #deps: TimerDependencies;
  readonly #schedule: Schedule;
  readonly #scheduleText: string;
  readonly #category: string;
  #cancel: () => void = () => undefined;
  #stopped = false;

  constructor(fn: RegisteredFunction, dependencies: TimerDependencies) {
    this.#fn = fn;
    this.#deps = dependencies;
    const { env } = dependencies;
    this.#scheduleText = resolveSettings(String(fn.trigger.schedule), env);
    this.#schedule = parseSchedule(fn.name, this.#scheduleText, env.WEBSITE_TIME_ZONE ?? "UTC");
    this.#category = `Host.Triggers.${fn.name}`;
  }

  start(): void {
    const { store, clock } = this.#deps;
    store.status(this.#fn.name, this.#scheduleText, this.#schedule.next(clock.now()));
    if (this.#fn.trigger.runOnStartup === true) this.#turn(true);
    else this.#waitForNext();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #waitForNext(): void {
    if (this.#stopped) return;
    const { store, clock } = this.#deps;
    const read = this.#quietly("read its next run", () => {
      const nextMs = store.nextMs(this.#fn.name);
      if (nextMs !== undefined) this.#after(nextMs - clock.now());
    });
    if (!read) this.#after(LOOK_AGAIN_MS);
  }

  #after(delayMs: number): void {
    if (this.#stopped) return;
    this.#cancel();
    this.#cancel = this.#deps.clock.after(delayMs, () => this.#turn(false));
  }

  /** Its time has come for this process: it takes the lock and runs, or leaves it to the holder and looks again. */
  #turn(evenEarly: boolean): void {
    if (this.#stopped) return;
    const { store, clock } = this.#deps;
    const now = clock.now();
    const looked = this.#quietly("take its lock", () => {
      const status = store.tryLock(this.#fn.name, now, LOCK_MS, evenEarly);
      if (status !== undefined) {
        void this.#run(status, now).then(() => this.#waitForNext());
        return;
      }
      const nextMs = store.nextMs(this.#fn.name);
      if (nextMs !== undefined) this.#after(nextMs > now ? nextMs - now : LOOK_AGAIN_MS);
    });
    if (!looked) this.#after(LOOK_AGAIN_MS);
  }

  async #run(status: TimerStatus, startedMs: number): Promise<void> {
    const { store, clock, invoker, log } = this.#deps;
    const { name } = this.#fn;
    let cancelRenewal: () => void = () => undefined;
    const renewLater = () => {
      cancelRenewal = clock.after(RENEW_MS, () => {
        this.#quietly("renew its lock", () => {
          if (store.renew(name, clock.now(), LOCK_MS)) renewLater();
          else log.write("warning", this.#category, "The lock was lost: another process runs this timer.");
        });
      });
    };
    renewLater();
    try {
      await invoker.invoke(this.#fn, { data: { json: JSON.stringify(this.#input(status, startedMs)) } });
    } catch (thrown) {
      const why = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      log.write("error", `Function.${name}`, `The function failed: ${why}`);
    } finally {
      cancelRenewal();
    }
    const nowMs = clock.now();
    const nextMs = this.#schedule.next(nowMs);
    this.#quietly("note its run", () => store.finish(name, { startedMs, nextMs, nowMs }));
  }

  #input(status: TimerStatus, startedMs: number): object {
    const iso = (ms: number | undefined) => new Date(ms ?? 0).toISOString();
    return {
      Schedule: { AdjustForDST: true },
      ScheduleStatus: {
        Last: iso(status.lastMs),
        Next: iso(this.#schedule.next(startedMs)),
        LastUpdated: iso(status.updatedMs),
      },
      IsPastDue: status.nextMs !== undefined && startedMs - status.nextMs > PAST_DUE_MS,
    };
  }

  /** The store may be busy for a moment, or the disk full: said, and tried again at the next turn. */
  #quietly(what: string, work: () => void): boolean {
    try {
      work();
      return true;
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      this.#deps.log.write("warning", this.#category, `The timer could not ${what}: ${why}`);
      return false;
    }
  }
}
