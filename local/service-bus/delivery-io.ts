import type { Receiver, Session } from "rhea";
import { type AmqpError, NO_TRANSACTIONS, tooLarge } from "./errors.ts";
import {
  ACCEPTED,
  dispositionFrame,
  drainedFrame,
  rejected,
  transferFrameCount,
  transferFrames,
} from "./frames.ts";
import { MAX_FRAME_BYTES } from "./limits.ts";
import { isTransactional } from "./outcome.ts";
import {
  type DispositionFields,
  type InsideReceiver,
  type InsideSender,
  type InsideSession,
  insideSession,
  type SessionFlowFields,
  TRANSFER_STATE,
  type TransferFrame,
} from "./rhea-inside.ts";

/** A whole message that came in; `fault`: why it was not kept, `size` being what it would have had. */
export interface IncomingMessage {
  readonly deliveryId: number;
  readonly settled: boolean;
  readonly format: number;
  readonly bytes: Buffer;
  readonly size: number;
  readonly fault: AmqpError | undefined;
}

/** What a link does with messages that come in on it. */
export interface Intake {
  readonly maxBytes: number;
  readonly credit: number;
  receive(message: IncomingMessage): void;
}

/** What the peer said about a message that went out. */
export interface Settlement {
  readonly settled: boolean;
  readonly state: DispositionFields["state"];
}

/** Says whether the peer has decided what becomes of the message: it is not asked again then. */
export type OnSettlement = (settlement: Settlement) => boolean;

interface Partial {
  readonly deliveryId: number;
  readonly settled: boolean;
  readonly format: number;
  readonly inTransaction: boolean;
  readonly chunks: Buffer[];
  bytes: number;
}

/**
 * The deliveries of one AMQP session, in rhea's place: rhea decodes every message (and drops its bytes), holds 2,048
 * unsettled ones in a ring that one slow receiver blocks, and merges dispositions that differ.
 */
export class DeliveryIo {
  readonly #session: InsideSession & Session;
  readonly #intakes = new Map<unknown, Intake>();
  readonly #partials = new Map<unknown, Partial>();
  readonly #unsettled = new Map<number, OnSettlement>();
  readonly #waiting = new Set<() => void>();
  readonly #incoming: Run;
  readonly #outgoing: Run;
  #nextDeliveryId = 0;
  #closed = false;

  constructor(session: Session) {
    const inside = insideSession(session);
    this.#session = inside;
    this.#incoming = new Run(inside, true);
    this.#outgoing = new Run(inside, false);
    const { incoming, outgoing } = inside;
    incoming.on_transfer = (frame, receiver) => this.#onTransfer(frame, receiver);
    outgoing.on_disposition = (fields) => this.#onDisposition(fields);
    const onFlow = outgoing.on_flow.bind(outgoing);
    outgoing.on_flow = (fields: SessionFlowFields) => {
      onFlow(fields);
      for (const retry of [...this.#waiting]) retry();
    };
  }

  /** The session has ended: nothing more may be said on it. */
  close(): void {
    this.#closed = true;
    this.#incoming.closed = true;
    this.#outgoing.closed = true;
    this.#intakes.clear();
    this.#partials.clear();
    this.#unsettled.clear();
  }

  /** Takes the messages of a link from now on. */
  receiveOn(receiver: Receiver, intake: Intake): void {
    this.#intakes.set(receiver, intake);
    receiver.add_credit(intake.credit);
  }

  forget(link: unknown): void {
    this.#intakes.delete(link);
    this.#partials.delete(link);
  }

  accept(deliveryId: number): void {
    this.#incoming.add(deliveryId, undefined);
  }

  reject(deliveryId: number, error: AmqpError): void {
    this.#incoming.add(deliveryId, error);
  }

  /** Answers a settlement of the peer's: done, or why not. */
  confirm(deliveryId: number, error: AmqpError | undefined): void {
    this.#outgoing.add(deliveryId, error);
  }

  /** Room in the peer's window for a message of so many bytes. */
  canSend(payloadBytes: number): boolean {
    const { outgoing } = this.#session;
    const onTheWay = (outgoing.next_transfer_id - (outgoing.remote_next_transfer_id ?? 0)) | 0;
    return (outgoing.remote_window ?? 0) - onTheWay >= transferFrameCount(payloadBytes, this.#frameBytes());
  }

  /** Called again whenever the peer's window may have opened. */
  onWindow(retry: () => void): () => void {
    this.#waiting.add(retry);
    return () => this.#waiting.delete(retry);
  }

  /** Sends a message; one credit of the link is spent. `onSettlement` hears what the peer makes of it. */
  send(link: InsideSender, tag: Buffer, payload: Buffer, onSettlement?: OnSettlement): number {
    const { connection, local, outgoing } = this.#session;
    const deliveryId = this.#nextDeliveryId;
    this.#nextDeliveryId = (deliveryId + 1) >>> 0;
    const settled = onSettlement === undefined;
    const facts = { channel: local.channel, handle: link.local.handle, deliveryId, tag, settled };
    const { bytes, frames } = transferFrames(facts, payload, this.#frameBytes());
    outgoing.next_transfer_id += frames;
    link.credit--;
    link.delivery_count++;
    if (onSettlement !== undefined) this.#unsettled.set(deliveryId, onSettlement);
    if (!this.#closed && connection.socket.writable) connection.socket.write(bytes);
    return deliveryId;
  }

  /** The link this was sent on has gone: what the peer still says of it is not heard. */
  abandon(deliveryId: number): void {
    this.#unsettled.delete(deliveryId);
  }

  /** Uses up the link's credit and says so. */
  drained(link: InsideSender): void {
    const { connection, local, incoming, outgoing } = this.#session;
    link.delivery_count += link.credit;
    link.credit = 0;
    if (this.#closed || !connection.socket.writable) return;
    connection.socket.write(
      drainedFrame({
        channel: local.channel,
        nextIncomingId: incoming.next_transfer_id,
        incomingWindow: incoming.window,
        nextOutgoingId: outgoing.next_transfer_id,
        outgoingWindow: outgoing.window,
        handle: link.local.handle,
        deliveryCount: link.delivery_count,
      }),
    );
  }

  #frameBytes(): number {
    return Math.max(
      512,
      Math.min(this.#session.connection.remote.open?.max_frame_size ?? 512, MAX_FRAME_BYTES),
    );
  }

  #onTransfer(frame: TransferFrame, receiver: Receiver & InsideReceiver): void {
    const { incoming, connection } = this.#session;
    incoming.next_transfer_id++;
    // rhea widens the peer's window when it looks at the session again; many-framed messages use it up fast.
    if (incoming.max_transfer_id - incoming.next_transfer_id < incoming.window / 2) connection._register();
    const intake = this.#intakes.get(receiver);
    // A link that was refused or is closing: what was sent on it meanwhile is not looked at.
    if (intake === undefined) return;
    const { performative, payload } = frame;
    let partial = this.#partials.get(receiver);
    if (partial === undefined) {
      if (typeof performative.delivery_id !== "number") throw new Error("A transfer without a delivery id.");
      partial = {
        deliveryId: performative.delivery_id,
        settled: performative.settled === true,
        format: performative.message_format ?? 0,
        inTransaction: isTransactional(performative.value[TRANSFER_STATE]),
        chunks: [],
        bytes: 0,
      };
      this.#partials.set(receiver, partial);
    }
    partial.bytes += payload?.length ?? 0;
    if (payload !== undefined && partial.bytes <= intake.maxBytes) partial.chunks.push(payload);
    else partial.chunks.length = 0;
    if (performative.more === true && performative.aborted !== true) return;
    this.#partials.delete(receiver);
    receiver.delivery_count++;
    receiver.credit--;
    if (receiver.credit <= intake.credit / 2) receiver.flow(intake.credit - receiver.credit);
    if (performative.aborted !== true) intake.receive(whole(partial, intake.maxBytes));
  }

  #onDisposition(fields: DispositionFields): void {
    const first = fields.first;
    const last = fields.last ?? first;
    const settlement = { settled: fields.settled === true, state: fields.state };
    // A range may be as wide as the peer likes: it is never longer to walk than what is unsettled.
    if (last - first < this.#unsettled.size) {
      for (let id = first; id <= last; id++) this.#settle(id, settlement);
      return;
    }
    for (const id of [...this.#unsettled.keys()]) if (id >= first && id <= last) this.#settle(id, settlement);
  }

  #settle(id: number, settlement: Settlement): void {
    const decided = this.#unsettled.get(id)?.(settlement);
    if (decided === true) this.#unsettled.delete(id);
  }
}

function whole(partial: Partial, maxBytes: number): IncomingMessage {
  const { deliveryId, settled, format, inTransaction, chunks, bytes: size } = partial;
  const fault = inTransaction ? NO_TRANSACTIONS : size > maxBytes ? tooLarge(size, maxBytes) : undefined;
  const [only = Buffer.alloc(0)] = chunks;
  return {
    deliveryId,
    settled,
    format,
    bytes: chunks.length > 1 ? Buffer.concat(chunks) : only,
    size,
    fault,
  };
}

/** Dispositions of one turn: neighbours that are accepted share a frame; they go out together. */
class Run {
  readonly #session: InsideSession;
  readonly #asReceiver: boolean;
  #first: number | undefined;
  #last = 0;
  #scheduled = false;
  closed = false;

  constructor(session: InsideSession, asReceiver: boolean) {
    this.#session = session;
    this.#asReceiver = asReceiver;
  }

  add(id: number, error: AmqpError | undefined): void {
    if (this.#first !== undefined && (error !== undefined || id !== this.#last + 1)) this.#write();
    if (error !== undefined) {
      this.#output(id, id, rejected(error));
      return;
    }
    this.#first ??= id;
    this.#last = id;
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      this.#write();
    });
  }

  #write(): void {
    if (this.#first === undefined) return;
    this.#output(this.#first, this.#last, ACCEPTED);
    this.#first = undefined;
  }

  #output(first: number, last: number, state: Buffer): void {
    const { connection, local } = this.#session;
    if (this.closed || !connection.socket.writable) return;
    connection.socket.write(dispositionFrame(local.channel, this.#asReceiver, first, last, state));
  }
}
