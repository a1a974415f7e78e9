import { type Arrival, activatedMessage, forwardedMessage, sentMessage } from "./arrival.ts";
import type { Consumer, Delivery, Outcome } from "./consumer.ts";
import { takeDeferred } from "./deferred.ts";
import { type AmqpError, CONDITION, lockLost, Refusal, sessionLockLost } from "./errors.ts";
import { SEQUENCE_BLOCK } from "./limits.ts";
import type { Lock, SessionHold } from "./lock.ts";
import { LockTable } from "./lock-table.ts";
import { deadLetterProperties, type PropertyChanges, withApplicationProperties } from "./message-edit.ts";
import type { SentMessage } from "./message-in.ts";
import { PARTS, PLACE, type Place, placeRange, rowId, sequenceOf } from "./place.ts";
import type { QueueContext } from "./queue-context.ts";
import type { QueueSettings } from "./queue-settings.ts";
import { type Meta, ReadyList } from "./ready-list.ts";
import { Sessions } from "./sessions.ts";
import type { StoredMessage } from "./store.ts";

/**
 * A queue, or the dead letters of one: what is ready, what is locked, who waits. Every method that changes it is
 * called inside `Broker.write`, so that file and memory change in the same turn, or neither.
 */
export class Queue {
  readonly address: string;
  readonly settings: QueueSettings;
  readonly number: number;
  /** Undefined for a dead-letter queue: nothing dies twice. */
  readonly deadLetters: Queue | undefined;
  readonly sessions: Sessions | undefined;
  readonly places: { readonly ready: Place; readonly deferred: Place };
  readonly #context: QueueContext;
  #ready: ReadyList;
  readonly #locks: LockTable;
  readonly #consumers: Consumer[] = [];
  #turn = 0;
  /** What was done since the start. */
  readonly ops = {
    sent: 0,
    delivered: 0,
    completed: 0,
    released: 0,
    abandoned: 0,
    deferred: 0,
    deadLettered: 0,
    lapsed: 0,
  };
  #nextSequence: number;
  #reservedTo: number;

  constructor(
    context: QueueContext,
    settings: QueueSettings,
    number: number,
    nextSequence: number,
    part: keyof typeof PARTS = "main",
  ) {
    this.#context = context;
    this.settings = settings;
    this.number = number;
    this.#nextSequence = nextSequence;
    this.#reservedTo = nextSequence;
    this.address = settings.name + PARTS[part].suffix;
    this.places = PARTS[part];
    const isMain = part === "main";
    this.deadLetters = isMain ? new Queue(context, settings, number, 0, "dead") : undefined;
    this.sessions = isMain && settings.requiresSession ? new Sessions(context, this) : undefined;
    this.#ready = this.readyList(null);
    this.#locks = new LockTable(context, settings.lockDurationMs);
    this.#locks.recover(number, [this.places.ready, this.places.deferred], (id) => this.sessions?.holdOf(id));
  }

  /** A list of this queue's ready messages, of one session or all. */
  readyList(session: string | null): ReadyList {
    const { first, last } = placeRange(this.number, this.places.ready);
    const { store } = this.#context;
    return new ReadyList((after, limit) => store.ready(after, last, session, limit), first - 1);
  }

  /** Throws Refusal for a message the queue cannot take. */
  check(message: SentMessage): void {
    if (!this.settings.requiresSession || message.session !== undefined) return;
    throw new Refusal(
      CONDITION.notAllowed,
      `The SessionId was not set on a message, and it cannot be sent to the entity '${this.settings.name}'. Entities that have session support enabled can only receive messages that have the SessionId set to a valid value.`,
    );
  }

  /** Stores one message that was checked; returns its sequence number, 0 for a duplicate. */
  enqueue(message: SentMessage, now: number): number {
    if (this.#isDuplicate(message.messageId, now)) return 0;
    const stored = sentMessage(message, this.#arrival(now));
    this.#context.store.insert(stored);
    this.ops.sent++;
    if (stored.dueAt !== null) this.#context.alarm(stored.dueAt);
    else this.#arrived(stored);
    return sequenceOf(stored.id);
  }

  /** A message that came by forwarding. */
  enqueueForwarded(from: StoredMessage, content: Buffer, now: number): void {
    if (this.#isDuplicate(from.messageId, now)) return;
    const stored = forwardedMessage(from, content, this.#arrival(now));
    this.#context.store.insert(stored);
    this.#arrived(stored);
  }

  /** A scheduled message whose time has come: ready, under a new sequence number. */
  activate(id: number, now: number): void {
    const scheduled = this.#context.store.message(id);
    if (scheduled === undefined) return;
    const stored = activatedMessage(scheduled, this.#arrival(now));
    this.#context.store.activate(id, stored);
    this.#arrived(stored);
  }

  isScheduled(sequence: number): boolean {
    return (
      sequence > 0 && this.#context.store.message(rowId(this.number, PLACE.scheduled, sequence)) !== undefined
    );
  }

  cancelScheduled(sequence: number): void {
    this.#context.store.remove(rowId(this.number, PLACE.scheduled, sequence), false);
  }

  #arrival(now: number): Arrival {
    return { queueNumber: this.number, settings: this.settings, sequence: this.#takeSequence(), now };
  }

  #takeSequence(): number {
    if (this.#nextSequence >= this.#reservedTo) {
      this.#reservedTo = this.#nextSequence + SEQUENCE_BLOCK;
      this.#context.store.reserveSequences(this.number, this.#reservedTo);
    }
    return this.#nextSequence++;
  }

  addConsumer(consumer: Consumer): void {
    this.#consumers.push(consumer);
  }

  removeConsumer(consumer: Consumer): void {
    const at = this.#consumers.indexOf(consumer);
    if (at >= 0) this.#consumers.splice(at, 1);
  }

  /** Gives what is ready to those who wait, one each in turn. */
  pump(): void {
    let staged: { consumer: Consumer; delivery: Delivery }[] | undefined;
    const now = this.#context.now();
    for (let idle = 0; idle < this.#consumers.length; ) {
      this.#turn = (this.#turn + 1) % this.#consumers.length;
      const consumer = this.#consumers[this.#turn] as Consumer;
      const delivery = consumer.wants() ? this.#takeFor(consumer, now) : undefined;
      if (delivery === undefined) {
        idle++;
        continue;
      }
      idle = 0;
      consumer.reserve();
      staged ??= [];
      staged.push({ consumer, delivery });
    }
    if (staged === undefined) return;
    const sent = staged;
    this.#context.whenStored(() => {
      for (const { consumer, delivery } of sent) consumer.send(delivery);
    });
  }

  #takeFor(consumer: Consumer, now: number): Delivery | undefined {
    const { hold } = consumer;
    if (hold !== undefined && (!hold.live || hold.until <= now)) return undefined;
    const meta = (hold?.ready ?? this.#ready).take(now);
    if (meta === undefined) return undefined;
    this.#context.beginWrite();
    const stored = this.#context.takeBody(meta.id);
    if (stored === undefined) throw new Error(`Message ${meta.id} of "${this.address}" is not in the file.`);
    this.ops.delivered++;
    if (consumer.deleteOnReceive) {
      this.#context.store.remove(meta.id, meta.deliveryCount > 0);
      return { meta, stored, lock: undefined };
    }
    return { meta, stored, lock: this.#locks.add(meta, now, false, hold) };
  }

  lockByToken(token: Buffer): Lock | undefined {
    return this.#locks.byToken(token);
  }

  /** Applies an outcome; says what is wrong when the lock is no longer held. */
  settle(lock: Lock | undefined, outcome: Outcome): AmqpError | undefined {
    const now = this.#context.now();
    if (lock === undefined || !lock.live) return this.#lost(lock);
    if (lock.until <= now) {
      if (lock.hold === undefined) this.#lockRanOut(lock);
      return this.#lost(lock);
    }
    if (outcome.kind === "deadLetter" && this.deadLetters === undefined) {
      return {
        condition: CONDITION.notAllowed,
        description: "A message of a dead-letter queue cannot be dead-lettered.",
      };
    }
    this.#locks.end(lock);
    switch (outcome.kind) {
      case "complete":
        this.ops.completed++;
        this.#context.store.remove(lock.meta.id, true);
        return undefined;
      case "release":
        this.ops.released++;
        this.release(lock, false);
        return undefined;
      case "abandon":
        this.ops.abandoned++;
        this.#change(lock.meta.id, outcome.changes);
        this.release(lock, true);
        return undefined;
      case "defer":
        this.ops.deferred++;
        this.#change(lock.meta.id, outcome.changes);
        this.#defer(lock);
        return undefined;
      case "deadLetter":
        this.deadLetter(lock.meta, outcome.changes);
        return undefined;
    }
  }

  #lost(lock: Lock | undefined): AmqpError {
    const hold = lock?.hold;
    return hold !== undefined && (!hold.live || hold.until <= this.#context.now())
      ? sessionLockLost(hold.session)
      : lockLost();
  }

  /** A lock's new end, or what is wrong. */
  renew(token: Buffer): number | AmqpError {
    const now = this.#context.now();
    const lock = this.lockByToken(token);
    if (lock === undefined || !lock.live || lock.until <= now || lock.hold !== undefined)
      return this.#lost(lock);
    return this.#locks.renew(lock, now);
  }

  /** Deferred messages by number, locked or (deleteOnReceive) removed. Throws Refusal when one is not there. */
  receiveDeferred(sequences: readonly number[], deleteOnReceive: boolean, hold?: SessionHold): Delivery[] {
    const request = { sequences, deleteOnReceive, hold, now: this.#context.now() };
    return takeDeferred(this, this.#context.store, this.#locks, request);
  }

  /** Ends a lock without an outcome: `failed` counts it as a delivery that came to nothing. */
  release(lock: Lock, failed: boolean): void {
    this.#locks.end(lock);
    const { meta } = lock;
    const counted = failed && this.deadLetters !== undefined; // dead letters are not counted
    if (counted && ++meta.deliveryCount >= this.settings.maxDeliveryCount) {
      this.deadLetter(
        meta,
        deadLetterProperties(
          "MaxDeliveryCountExceeded",
          `Message could not be consumed after ${meta.deliveryCount} delivery attempts.`,
        ),
      );
      return;
    }
    const { deliveryCount } = meta;
    if (deliveryCount === 0) this.#context.store.dropProgress(meta.id);
    else this.#context.store.setProgress(meta.id, { deliveryCount, lockToken: null, lockedUntil: null });
    this.#watchExpiry(meta);
    if (lock.deferred) return;
    if (this.sessions === undefined) this.#ready.giveBack(meta);
    else if (meta.session !== null) this.sessions.giveBack(meta.session, meta);
  }

  /** Moves a message that no one holds to the dead letters, or on to where those are forwarded. */
  deadLetter(meta: Meta, changes: PropertyChanges): void {
    const { store } = this.#context;
    const stored = store.message(meta.id);
    if (stored === undefined || this.deadLetters === undefined) return;
    this.ops.deadLettered++;
    const content = withApplicationProperties(stored.content, changes);
    const forward = this.#context.forwardDeadLetters(this.settings);
    if (forward !== undefined) {
      store.remove(meta.id, true);
      forward.enqueueForwarded(
        { ...stored, deadLetterSource: this.settings.name },
        content,
        this.#context.now(),
      );
      forward.pump();
      return;
    }
    const id = rowId(this.number, PLACE.dead, sequenceOf(meta.id));
    store.toDeadLetters(meta.id, id, this.settings.name, content);
    this.deadLetters.arrivedDead(id, meta.deliveryCount);
  }

  /** Called on the dead letters when one has come. */
  arrivedDead(id: number, deliveryCount: number): void {
    if (deliveryCount > 0) {
      this.#context.store.setProgress(id, { deliveryCount, lockToken: null, lockedUntil: null });
    }
    this.#ready.push({ id, deliveryCount, session: null, expiresAt: Number.POSITIVE_INFINITY });
    this.pump();
  }

  /** Locks that have run out by `now` end; returns when the next one does. */
  expireLocks(now: number): number | undefined {
    if (this.sessions !== undefined) return this.sessions.expire(now);
    for (let lock = this.#locks.first(); lock !== undefined; lock = this.#locks.first()) {
      if (lock.until > now) return lock.until;
      this.#lockRanOut(lock);
    }
    return undefined;
  }

  /** Locks on ready messages, and on deferred ones. */
  lockCounts(): { ready: number; deferred: number } {
    return this.#locks.counts();
  }

  /** A fault to order: the lock is as if its time were over. */
  expireNow(lock: Lock): void {
    if (lock.live && lock.hold === undefined) this.#lockRanOut(lock);
  }

  #lockRanOut(lock: Lock): void {
    this.#context.beginWrite();
    this.ops.lapsed++;
    this.release(lock, true);
  }

  /** Expiry passes over what is locked: its time may have run out meanwhile. */
  #watchExpiry({ expiresAt }: Meta): void {
    if (Number.isFinite(expiresAt)) this.#context.alarm(expiresAt);
  }

  #defer(lock: Lock): void {
    const { meta } = lock;
    if (this.deadLetters !== undefined) meta.deliveryCount++;
    this.#watchExpiry(meta);
    const target = rowId(this.number, this.places.deferred, sequenceOf(meta.id));
    if (target === meta.id) this.#context.store.dropProgress(meta.id);
    else this.#context.store.move(meta.id, target);
    const { deliveryCount } = meta;
    if (deliveryCount > 0)
      this.#context.store.setProgress(target, { deliveryCount, lockToken: null, lockedUntil: null });
  }

  #change(id: number, changes: PropertyChanges | undefined): void {
    if (changes === undefined || changes.size === 0) return;
    const stored = this.#context.store.message(id);
    if (stored === undefined) return;
    this.#context.store.setContent(id, withApplicationProperties(stored.content, changes));
  }

  #arrived(stored: StoredMessage): void {
    if (stored.expiresAt !== null) this.#context.alarm(stored.expiresAt);
    const expiresAt = stored.expiresAt ?? Number.POSITIVE_INFINITY;
    const meta: Meta = { id: stored.id, deliveryCount: 0, session: stored.session, expiresAt };
    this.#context.keepBody(stored);
    if (this.sessions === undefined) this.#ready.push(meta);
    else if (meta.session !== null) this.sessions.push(meta.session, meta);
  }

  #isDuplicate(messageId: string, now: number): boolean {
    const { requiresDuplicateDetection, duplicateWindowMs } = this.settings;
    if (!requiresDuplicateDetection) return false;
    return !this.#context.store.noteSeen(this.number, messageId, now, now - duplicateWindowMs);
  }
}
