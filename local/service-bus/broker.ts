import type { Clock } from "../clock.ts";
import { GroupCommit } from "../database.ts";
import { BodyCache } from "./body-cache.ts";
import { type AmqpError, notStored, Refusal } from "./errors.ts";
import { DUE_BATCH } from "./limits.ts";
import { deadLetterProperties } from "./message-edit.ts";
import { PLACE, placeOf, queueNumberOf } from "./place.ts";
import { Queue } from "./queue.ts";
import type { QueueContext } from "./queue-context.ts";
import type { QueueSettings } from "./queue-settings.ts";
import type { Store, StoredMessage } from "./store.ts";

const ADDRESS = /^(.*?)(\/\$transfer)?(\/\$deadletterqueue)?$/;

export interface BrokerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly queues: readonly QueueSettings[];
  readonly log: (line: string) => void;
  /** What was promised in memory is lost (a commit failed): every connection must start again. */
  readonly onReset: () => void;
}

/** All queues over one store: their writes share one commit a turn, their due times one timer. */
export class Broker implements QueueContext {
  readonly store: Store;
  readonly #clock: Clock;
  readonly #settings: readonly QueueSettings[];
  readonly #log: (line: string) => void;
  readonly #onReset: () => void;
  readonly #commit: GroupCommit;
  #queues = new Map<string, Queue>();
  #transfers = new Map<string, Queue>();
  #byNumber = new Map<number, Queue>();
  #bodies = new BodyCache();
  #alarmAt = Number.POSITIVE_INFINITY;
  #cancelAlarm: (() => void) | undefined;
  #closed = false;

  constructor(options: BrokerOptions) {
    this.store = options.store;
    this.#clock = options.clock;
    this.#settings = options.queues;
    this.#log = options.log;
    this.#onReset = options.onReset;
    this.#commit = new GroupCommit(this.store.db, () => this.#reset());
    this.#load();
  }

  now(): number {
    return this.#clock.now();
  }

  /** Queues by name, `name/$DeadLetterQueue` or `name/$Transfer/$DeadLetterQueue`, in any case of letters. */
  queue(address: string): Queue | undefined {
    const key = address.toLowerCase();
    const [, name = "", transfer, dead] = ADDRESS.exec(key) ?? [];
    const main = this.#queues.get(name);
    if (main === undefined || dead === undefined) return main;
    if (transfer === undefined) return main.deadLetters;
    const known = this.#transfers.get(name) ?? new Queue(this, main.settings, main.number, 0, "transfer");
    this.#transfers.set(name, known);
    return known;
  }

  get queues(): Iterable<Queue> {
    return this.#queues.values();
  }

  /** The queue in which messages sent to a queue end up. */
  forwardTarget(queue: Queue): Queue {
    const { forwardTo } = queue.settings;
    const next = forwardTo === undefined ? undefined : this.queue(forwardTo);
    return next === undefined ? queue : this.forwardTarget(next);
  }

  forwardDeadLetters({ forwardDeadLetteredTo }: QueueSettings): Queue | undefined {
    const next = forwardDeadLetteredTo === undefined ? undefined : this.queue(forwardDeadLetteredTo);
    return next === undefined ? undefined : this.forwardTarget(next);
  }

  /**
   * Runs `work` inside this turn's transaction. `done` hears its value once it is stored; `failed` hears why not,
   * or what `work` refused (it then must have written nothing).
   */
  write<T>(work: () => T, done: (value: T) => void, failed: (why: AmqpError) => void): void {
    let result: { value: T } | { refused: AmqpError };
    try {
      this.beginWrite();
      result = { value: work() };
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) {
        this.#fault(thrown);
        failed(notStored(thrown));
        return;
      }
      result = { refused: thrown };
    }
    try {
      this.#commit.enlist(
        () => ("value" in result ? done(result.value) : failed(result.refused)),
        (why) => failed(notStored(why)),
      );
    } catch (thrown) {
      failed(notStored(thrown));
    }
  }

  /** Opens this turn's transaction if there is none. */
  beginWrite(): void {
    this.#commit.begin();
  }

  /** Calls back once everything written so far is stored; not at all if it could not be. */
  whenStored(then: () => void): void {
    this.#commit.enlist(then, () => undefined);
  }

  /** Runs what needs no answer, such as handing out messages. */
  attempt(work: () => void): void {
    if (this.#closed) return;
    try {
      work();
    } catch (thrown) {
      this.#fault(thrown);
    }
  }

  flush(): void {
    this.#commit.flush();
  }

  keepBody(stored: StoredMessage): void {
    this.#bodies.put(stored);
  }

  takeBody(id: number): StoredMessage | undefined {
    return this.#bodies.take(id) ?? this.store.message(id);
  }

  /** Calls once after `delayMs`; the function returned cancels it. */
  after(delayMs: number, run: () => void): () => void {
    return this.#clock.after(delayMs, () => this.attempt(run));
  }

  /** Something falls due then. */
  alarm(at: number): void {
    if (at >= this.#alarmAt || this.#closed) return;
    this.#cancelAlarm?.();
    this.#alarmAt = at;
    this.#cancelAlarm = this.#clock.after(at - this.now(), () => this.#ring());
  }

  close(): void {
    this.#closed = true;
    this.#cancelAlarm?.();
    this.#commit.close();
    this.store.close();
  }

  #ring(): void {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    this.#cancelAlarm = undefined;
    this.attempt(() => this.runDue());
  }

  /** Does what has fallen due: locks that ran out, messages expired or scheduled. */
  runDue(): void {
    const now = this.now();
    let next = Number.POSITIVE_INFINITY;
    for (const queue of this.#queues.values()) {
      next = Math.min(next, queue.expireLocks(now) ?? next, queue.deadLetters?.expireLocks(now) ?? next);
    }
    next = Math.min(next, this.#expireMessages(now), this.#activate(now));
    for (const queue of this.#queues.values()) {
      queue.pump();
      queue.deadLetters?.pump();
    }
    if (Number.isFinite(next)) this.alarm(next);
  }

  #expireMessages(now: number): number {
    for (const id of this.store.expired(now, DUE_BATCH)) {
      this.beginWrite();
      const queue = this.#byNumber.get(queueNumberOf(id));
      const deliveryCount = this.store.progress(id)?.deliveryCount ?? 0;
      if (queue?.settings.deadLetteringOnExpiration === true) {
        const why = deadLetterProperties("TTLExpiredException", "The message expired and was dead lettered.");
        queue.deadLetter({ id, deliveryCount, session: null, expiresAt: now }, why);
      } else {
        this.store.remove(id, true);
      }
      this.#bodies.take(id);
    }
    return this.store.nextExpiry() ?? Number.POSITIVE_INFINITY;
  }

  #activate(now: number): number {
    for (const id of this.store.due(now, DUE_BATCH)) {
      this.beginWrite();
      const queue = this.#byNumber.get(queueNumberOf(id));
      if (queue === undefined || placeOf(id) !== PLACE.scheduled) this.store.remove(id, true);
      else queue.activate(id, now);
    }
    return this.store.nextDue() ?? Number.POSITIVE_INFINITY;
  }

  #load(): void {
    this.#queues = new Map();
    this.#transfers = new Map();
    this.#byNumber = new Map();
    this.#bodies = new BodyCache();
    for (const settings of this.#settings) {
      const { number, nextSequence } = this.store.openQueue(settings.name);
      const queue = new Queue(this, settings, number, nextSequence);
      this.#queues.set(settings.name.toLowerCase(), queue);
      this.#byNumber.set(number, queue);
    }
    this.alarm(Math.min(this.store.nextExpiry() ?? Infinity, this.store.nextDue() ?? Infinity));
  }

  #fault(thrown: unknown): void {
    const why = thrown instanceof Error ? thrown : new Error(String(thrown));
    this.#log(`Nothing of this turn is stored: ${why.stack ?? why.message}`);
    // The file may have refused the transaction itself; what was changed in memory must go then, too.
    if (this.#commit.isOpen) this.#commit.doom(why);
    else this.#reset();
  }

  #reset(): void {
    this.#log(
      "Writes were rolled back; every connection is closed and the queues are read from the file again.",
    );
    this.#onReset();
    this.#load();
  }
}
