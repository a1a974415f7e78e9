import type { Connection, EventContext, Receiver, Sender, Session } from "rhea";
import { type Address, parseAddress } from "./address.ts";
import { attachReceiver, holdAttach } from "./attach-out.ts";
import type { Broker } from "./broker.ts";
import { DeliveryIo } from "./delivery-io.ts";
import { type AmqpError, CONDITION, entityNotFound } from "./errors.ts";
import type { Faults } from "./faults.ts";
import { MAX_LINKS_PER_SESSION } from "./limits.ts";
import { LinkIn } from "./link-in.ts";
import type { OutgoingLink } from "./outgoing-link.ts";
import type { Peer } from "./peer.ts";
import type { Queue } from "./queue.ts";
import { ReplyLink } from "./reply-link.ts";
import { Requests } from "./requests.ts";
import {
  type InsideLink,
  insideConnection,
  insideReceiver,
  insideSender,
  insideSession,
} from "./rhea-inside.ts";

export interface ConnectionParts {
  readonly broker: Broker;
  readonly connection: Connection;
  readonly faults: Faults;
  readonly log: (line: string) => void;
}

const CANNOT_OPEN: AmqpError = {
  condition: CONDITION.notAllowed,
  description: "This link cannot be opened here: it names no address, or there are too many of its session.",
};

/** One client's AMQP connection: its sessions and links, wired to the broker. */
export class ClientConnection {
  readonly #peer: Peer;
  readonly #connection: Connection;
  readonly #requests: Requests;
  readonly #ios = new Map<Session, DeliveryIo>();
  readonly #outgoing = new Map<Sender, OutgoingLink>();

  constructor({ broker, connection, faults, log }: ConnectionParts) {
    this.#connection = connection;
    this.#peer = {
      ...{ broker, faults, log },
      drop: () => insideConnection(connection).socket.destroy(),
      notFound: (entity) => entityNotFound(entity, connection.hostname),
    };
    this.#requests = new Requests(this.#peer);
    const on = (event: string, run: (context: EventContext) => void) =>
      connection.on(event as never, run as never);
    on("session_open", ({ session }) => this.#onSession(session as Session));
    on("session_close", ({ session }) => this.#dropSession(session as Session, true));
    on("connection_close", () => this.#dropAll(true));
    on("receiver_open", ({ receiver }) => this.#onReceiver(receiver as Receiver));
    on("receiver_close", ({ receiver }) => this.#ioOf(receiver as Receiver)?.forget(receiver));
    on("sender_open", ({ sender }) => this.#onSender(sender as Sender));
    on("sender_close", ({ sender }) => this.#dropSender(sender as Sender, true));
    on("sender_flow", ({ sender }) => this.#outgoing.get(sender as Sender)?.onFlow());
    for (const event of ["connection_error", "session_error", "sender_error", "receiver_error"]) {
      on(event, (context) => log(`${event}: ${describeError(context)}`));
    }
  }

  /** The socket is gone, or will be: nobody hears us any more. */
  drop(): void {
    this.#dropAll(false);
  }

  /** Tells the client why, and ends. */
  end(error: AmqpError): void {
    this.#connection.close({ condition: error.condition, description: error.description } as never);
  }

  #onSession(session: Session): void {
    this.#ios.set(session, new DeliveryIo(session));
  }

  /** `goodbye`: the client said so, which gives back what its links hold. */
  #dropAll(goodbye: boolean): void {
    for (const session of [...this.#ios.keys()]) this.#dropSession(session, goodbye);
    for (const sender of [...this.#outgoing.keys()]) this.#dropSender(sender, goodbye);
  }

  #dropSession(session: Session, goodbye: boolean): void {
    for (const sender of [...this.#outgoing.keys()]) {
      if (sender.session === session) this.#dropSender(sender, goodbye);
    }
    this.#ios.get(session)?.close();
    this.#ios.delete(session);
  }

  #dropSender(sender: Sender, detached: boolean): void {
    this.#outgoing.get(sender)?.close(detached);
    this.#outgoing.delete(sender);
  }

  #ioOf(link: Receiver | Sender): DeliveryIo | undefined {
    return this.#ios.get(link.session);
  }

  /** A client that sends. */
  #onReceiver(receiver: Receiver): void {
    const io = this.#ioOf(receiver);
    const { source, target } = insideReceiver(receiver).remote.attach;
    const address = parseAddress(target?.address);
    if (io === undefined || tooManyLinks(receiver) || address === undefined) {
      refuse(receiver, CANNOT_OPEN);
      return;
    }
    receiver.set_target({ address: target?.address ?? "" });
    receiver.set_source({ address: source?.address ?? "" });
    if (address.kind === "cbs") {
      io.receiveOn(receiver, this.#requests.tokens(io));
      return;
    }
    const queue = this.#peer.broker.queue(address.entity);
    if (queue === undefined) {
      refuse(receiver, this.#peer.notFound(address.entity));
    } else if (address.kind === "management") {
      io.receiveOn(receiver, this.#requests.management(io, queue.address));
    } else if (queue.deadLetters === undefined) {
      refuse(receiver, { ...CANNOT_OPEN, description: "Nothing can be sent to a dead-letter queue." });
    } else {
      insideReceiver(receiver).local.attach.max_message_size = queue.settings.maxMessageBytes;
      this.#attach(receiver, insideReceiver(receiver), queue, () => {
        io.receiveOn(receiver, new LinkIn(this.#peer, queue, io));
      });
    }
  }

  /** A client that receives. */
  #onSender(sender: Sender): void {
    const io = this.#ioOf(sender);
    const link = insideSender(sender);
    const { source, target, snd_settle_mode, rcv_settle_mode } = link.remote.attach;
    const address = parseAddress(source?.address);
    link.local.attach.snd_settle_mode = snd_settle_mode;
    link.local.attach.rcv_settle_mode = rcv_settle_mode;
    if (io === undefined || tooManyLinks(sender) || address === undefined) {
      refuse(sender, CANNOT_OPEN);
      return;
    }
    sender.set_source({ address: source?.address ?? "" });
    sender.set_target({ address: target?.address ?? "" });
    if (address.kind !== "entity") {
      this.#openReplies(sender, io, address, target?.address);
      return;
    }
    const queue = this.#peer.broker.queue(address.entity);
    if (queue === undefined) {
      refuse(sender, this.#peer.notFound(address.entity));
      return;
    }
    this.#attach(sender, link, queue, () => {
      const request = {
        peer: this.#peer,
        queue,
        io,
        link,
        refuse: (error: AmqpError) => refuse(sender, error),
      };
      const outgoing = attachReceiver(request);
      if (outgoing !== undefined) this.#outgoing.set(sender, outgoing);
    });
  }

  /** Opens a link to a queue, or does what the fault plan has in store for it. */
  #attach(link: Receiver | Sender, inside: InsideLink, queue: Queue, open: () => void): void {
    let answered = false;
    let held = false;
    this.#peer.faults.apply("attach", queue.settings.name, {
      proceed: (silent) => {
        answered = true;
        if (held && !link.is_remote_open()) return;
        if (held) link.open();
        open();
        if (silent) this.#peer.drop();
      },
      refuse: (error) => {
        answered = true;
        refuse(link, error);
      },
      drop: () => {
        answered = true;
        this.#peer.drop();
      },
    });
    if (answered) return;
    held = true;
    holdAttach(inside);
  }

  #openReplies(sender: Sender, io: DeliveryIo, address: Address, target: string | null | undefined): void {
    if (address.kind === "management" && this.#peer.broker.queue(address.entity) === undefined) {
      refuse(sender, this.#peer.notFound(address.entity));
      return;
    }
    const replies = new ReplyLink(io, insideSender(sender));
    const names = [sender.name, target ?? ""].filter((name) => name !== "");
    this.#requests.addReplies(names, replies);
    this.#outgoing.set(sender, {
      onFlow: () => replies.onCredit(),
      close: () => this.#requests.removeReplies(names, replies),
    });
  }
}

function refuse(link: Receiver | Sender, { condition, description }: AmqpError): void {
  link.close({ condition, description } as never);
}

function tooManyLinks(link: Receiver | Sender): boolean {
  return Object.keys(insideSession(link.session).links).length > MAX_LINKS_PER_SESSION;
}

function describeError(context: EventContext): string {
  const error = (context.sender?.error ??
    context.receiver?.error ??
    context.session?.error ??
    context.error) as { condition?: string; description?: string; message?: string } | undefined;
  const id = insideConnection(context.connection).options.id;
  return `${id} ${error?.condition ?? ""} ${error?.description ?? error?.message ?? ""}`.trim();
}
