import type { Clock } from "../clock.ts";
import { type Log, reasonOf } from "../log.ts";
import { type JobKey, StoreUnavailable } from "../store.ts";
import { everyMs, LogWriter, type Writing } from "./log-writer.ts";
import type { EventLogStore, LoggedEvent, LogHead } from "./ports.ts";

export interface EventLogsDeps {
  readonly store: EventLogStore;
  readonly clock: Clock;
  readonly log: Log;
}

/** Logs that one round of the sweeper erases the rest of. */
const ERASED_AT_ONCE = 20;
/** What was not erased at once waits for so long: the question costs a little even where there is nothing. */
const SWEEP_EVERY_MS = 300_000;
/** A claim that no worker has. */
const NOBODY = { claim_id: "", attempt: 0 } as const;

/**
 * The event logs of jobs. The worker that runs a job which is streamed writes what the lab says to its log; whoever
 * shows it follows the log, on any instance.
 */
export class EventLogs {
  readonly #deps: EventLogsDeps;
  readonly #listeners = new Map<string, Set<() => void>>();
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(deps: EventLogsDeps) {
    this.#deps = deps;
  }

  /** Writes the events of one attempt. */
  writer(of: Writing): LogWriter {
    return new LogWriter({ ...this.#deps, added: (job) => this.#tell(job) }, of);
  }

  /**
   * The events after this number as they are added, in their order and without a gap, as far as the log has them.
   * @param startingAfter -1: from the first
   * @param ended resolves once the job has ended: what is in the log by then is still read. If it rejects, so does this
   * @throws StoreUnavailable where the last of them cannot be read
   */
  async *follow(
    job: JobKey,
    startingAfter: number,
    ended: Promise<unknown>,
  ): AsyncGenerator<readonly LoggedEvent[]> {
    let next = startingAfter + 1;
    let isOver = false;
    const over = ended.then(() => {
      isOver = true;
    });
    over.catch(() => undefined); // it is told below
    const { clock } = this.#deps;
    let since = clock.monotonic();
    let isFirst = true;
    for (;;) {
      const wasOver = isOver;
      // Listening begins before the read, so that nothing is missed between the two.
      const heard = this.#listen(job);
      try {
        for await (const events of this.#from(job, next)) {
          if (isFirst) since = clock.monotonic();
          isFirst = false;
          next = (events.at(-1)?.number ?? next) + 1;
          yield events;
        }
        if (wasOver) return;
        await Promise.race([over, heard.within(everyMs(clock.monotonic() - since))]);
      } catch (thrown) {
        if (wasOver || !(thrown instanceof StoreUnavailable)) throw thrown;
        this.#deps.log.warn("events_not_read", { job_id: job.job_id, reason: reasonOf(thrown) });
        await Promise.race([over, heard.within(everyMs(clock.monotonic() - since))]);
      } finally {
        heard.stop();
      }
    }
  }

  /** What the log has from this number on. */
  async *#from(job: JobKey, from: number): AsyncGenerator<readonly LoggedEvent[]> {
    const head = await this.#deps.store.head(job);
    for (let next = from; next < (head?.value.next ?? 0); ) {
      const events = await this.#deps.store.read(job, next);
      const last = events.at(-1);
      // They are being erased.
      if (last === undefined) return;
      yield events;
      next = last.number + 1;
    }
  }

  /**
   * Ends the log of a job that has ended: whatever a worker may still have to say, nothing is added any more.
   * @param untilMs when it lapses, where there is none yet
   * @returns the number that comes after its last event, on every instance the same
   * @throws StoreUnavailable
   */
  async end(job: JobKey, untilMs: number): Promise<number> {
    for (;;) {
      const found = await this.#deps.store.head(job);
      const head: LogHead = { ...NOBODY, next: 0, ...found?.value, ended: true };
      if (found?.value.ended === true) return head.next;
      const result = await this.#deps.store.append(job, head, [], found?.etag, untilMs);
      if (result.kind === "written") return head.next;
    }
  }

  /** Removes what the log of a job holds that is stored as erased. What fails now the sweeper does later. */
  async erase(job: JobKey): Promise<void> {
    const { store, log } = this.#deps;
    await store.erase(job).catch((thrown: unknown) => {
      if (!(thrown instanceof StoreUnavailable)) throw thrown;
      log.warn("events_not_erased", { job_id: job.job_id, reason: reasonOf(thrown) });
    });
  }

  /** Removes what is left of erased jobs' logs, now and then. @throws StoreUnavailable */
  async sweep(): Promise<void> {
    const { store, clock } = this.#deps;
    if (clock.monotonic() - this.#sweptAt < SWEEP_EVERY_MS) return;
    for (const job of await store.erasing(clock.now(), ERASED_AT_ONCE)) await store.erase(job);
    this.#sweptAt = clock.monotonic();
  }

  #tell(job: JobKey): void {
    for (const tell of this.#listeners.get(nameOf(job)) ?? []) tell();
  }

  /** Hears of what is added in this process. */
  #listen(job: JobKey): { readonly within: (ms: number) => Promise<void>; readonly stop: () => void } {
    const name = nameOf(job);
    const { promise, resolve: tell } = Promise.withResolvers<void>();
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(tell));
    let cancel: () => void = () => undefined;
    return {
      within: (ms) => {
        cancel = this.#deps.clock.after(ms, tell);
        return promise;
      },
      stop: () => {
        cancel();
        listeners.delete(tell);
        if (listeners.size === 0 && this.#listeners.get(name) === listeners) this.#listeners.delete(name);
      },
    };
  }
}

const nameOf = ({ tenant_id, job_id }: JobKey) => `${tenant_id}/${job_id}`;
