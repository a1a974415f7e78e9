import type { Connection, EventContext, Receiver, Sender, Session } from "rhea";
import type { Clock } from "../clock.ts";
import { type Address, parseAddress } from "./address.ts";
import { attachReceiver } from "./attach-out.ts";
import { admit, answerHeld, echoSettleModes, hold, refuse } from "./attach-reply.ts";
import { Authorization } from "./authorization.ts";
import type { Broker } from "./broker.ts";
import { isCoordinator, noteCoordinators } from "./coordinator.ts";
import { DeliveryIo } from "./delivery-io.ts";
import {
  type AmqpError,
  CONDITION,
  entityNotFound,
  NO_TRANSACTIONS,
  tokenRanOut,
  unauthorized,
} from "./errors.ts";
import type { Faults } from "./faults.ts";
import { MAX_LINKS_PER_SESSION, MAX_REQUEST_BYTES } from "./limits.ts";
import { LinkIn } from "./link-in.ts";
import type { OutgoingLink } from "./outgoing-link.ts";
import type { Peer } from "./peer.ts";
import type { Queue } from "./queue.ts";
import { ReplyLink, ReplyLinks } from "./reply-link.ts";
import { Requests } from "./requests.ts";
import { insideConnection, insideLink, insideSender, insideSession, type Link } from "./rhea-inside.ts";

export interface ConnectionParts {
  readonly broker: Broker;
  readonly connection: Connection;
  readonly faults: Faults;
  readonly log: (line: string) => void;
  /** The clock by which tokens expire. */
  readonly tokenClock: Clock;
}

const CANNOT_OPEN: AmqpError = {
  condition: CONDITION.notAllowed,
  description: "This link cannot be opened here: it names no address, or there are too many of its session.",
};

/** A link that may be opened: its purpose and its peer. */
interface Opening {
  readonly io: DeliveryIo;
  readonly address: Address;
  /** Undefined for $cbs alone. */
  readonly queue: Queue | undefined;
}

/** One client's AMQP connection: its sessions and links, wired to the broker. */
export class ClientConnection {
  readonly #peer: Peer;
  readonly #connection: Connection;
  readonly #authorization: Authorization;
  readonly #requests: Requests;
  readonly #replies = new ReplyLinks();
  readonly #ios = new Map<Session, DeliveryIo>();
  readonly #outgoing = new Map<Sender, OutgoingLink>();

  constructor({ broker, connection, faults, log, tokenClock }: ConnectionParts) {
    this.#connection = connection;
    this.#peer = {
      ...{ broker, faults, log },
      drop: () => insideConnection(connection).socket.destroy(),
      notFound: (entity) => entityNotFound(entity, connection.hostname),
    };
    this.#authorization = new Authorization(tokenClock, () => this.#closeUnauthorized());
    this.#requests = new Requests(this.#peer, this.#authorization, this.#replies);
    const on = (event: string, run: (context: EventContext) => void) =>
      connection.on(event as never, run as never);
    on("session_open", ({ session }) => this.#onSession(session as Session));
    on("session_close", ({ session }) => this.#dropSession(session as Session, true));
    on("connection_close", () => this.#dropAll(true));
    on("receiver_open", ({ receiver }) => this.#onReceiver(receiver as Receiver));
    on("receiver_close", ({ receiver }) => this.#dropLink(receiver as Receiver, true));
    on("sender_open", ({ sender }) => this.#onSender(sender as Sender));
    on("sender_close", ({ sender }) => this.#dropLink(sender as Sender, true));
    on("sender_flow", ({ sender }) => this.#outgoing.get(sender as Sender)?.onFlow());
    for (const event of ["connection_error", "session_error", "sender_error", "receiver_error"]) {
      on(event, (context) => log(`${event}: ${describeError(context)}`));
    }
  }

  /** The client has shown a key: it may open what it likes. */
  showKey(): void {
    this.#authorization.showKey();
  }

  /** The socket is gone, or will be: the client no longer hears us. */
  drop(): void {
    this.#authorization.close();
    this.#dropAll(false);
  }

  /** Tells the client why, and ends. */
  end(error: AmqpError): void {
    this.#connection.close({ condition: error.condition, description: error.description } as never);
  }

  #onSession(session: Session): void {
    this.#ios.set(session, new DeliveryIo(session));
    noteCoordinators(session);
  }

  /** `goodbye`: the client said so, which gives back what its links hold. */
  #dropAll(goodbye: boolean): void {
    for (const session of [...this.#ios.keys()]) this.#dropSession(session, goodbye);
    for (const sender of [...this.#outgoing.keys()]) this.#dropLink(sender, goodbye);
  }

  #dropSession(session: Session, goodbye: boolean): void {
    for (const sender of [...this.#outgoing.keys()]) {
      if (sender.session === session) this.#dropLink(sender, goodbye);
    }
    this.#ios.get(session)?.close();
    this.#ios.delete(session);
  }

  #dropLink(link: Link, goodbye: boolean): void {
    this.#ios.get(link.session)?.forget(link);
    this.#outgoing.get(link as Sender)?.close(goodbye);
    this.#outgoing.delete(link as Sender);
  }

  /** A client that sends. */
  #onReceiver(receiver: Receiver): void {
    echoSettleModes(receiver);
    const opening = this.#opening(receiver);
    if ("condition" in opening) {
      refuse(receiver, opening);
      return;
    }
    const { io, address, queue } = opening;
    if (queue === undefined || address.kind !== "entity") {
      insideLink(receiver).local.attach.max_message_size = MAX_REQUEST_BYTES;
      admit(receiver);
      const link = { io, node: nodeOf(opening), refuse: (error: AmqpError) => refuse(receiver, error) };
      io.receiveOn(
        receiver,
        queue === undefined ? this.#requests.tokens(link) : this.#requests.management(link, queue.address),
      );
    } else if (queue.deadLetters === undefined) {
      refuse(receiver, { ...CANNOT_OPEN, description: "Nothing can be sent to a dead-letter queue." });
    } else {
      insideLink(receiver).local.attach.max_message_size = queue.settings.maxMessageBytes;
      this.#attach(receiver, queue, () => {
        admit(receiver);
        io.receiveOn(receiver, new LinkIn(this.#peer, queue, io));
      });
    }
  }

  /** A client that receives. */
  #onSender(sender: Sender): void {
    echoSettleModes(sender);
    const opening = this.#opening(sender);
    if ("condition" in opening) {
      refuse(sender, opening);
      return;
    }
    const { io, address, queue } = opening;
    if (queue === undefined || address.kind !== "entity") {
      this.#openReplies(sender, opening);
      return;
    }
    this.#attach(sender, queue, () => {
      const request = {
        peer: this.#peer,
        queue,
        io,
        link: insideSender(sender),
        refuse: (error: AmqpError) => refuse(sender, error),
      };
      const outgoing = attachReceiver(request);
      if (outgoing !== undefined) this.#outgoing.set(sender, outgoing);
    });
  }

  /** What every link must have, whichever way it goes, or why it is refused. */
  #opening(link: Link): Opening | AmqpError {
    if (isCoordinator(link)) return NO_TRANSACTIONS;
    const io = this.#ios.get(link.session);
    const text = addressOf(link);
    const address = parseAddress(text);
    if (io === undefined || tooManyLinks(link) || address === undefined) return CANNOT_OPEN;
    if (address.kind === "cbs") return { io, address, queue: undefined };
    if (!this.#authorization.allows(text)) return this.#unauthorized(link, address.entity);
    const queue = this.#peer.broker.queue(address.entity);
    return queue === undefined ? this.#peer.notFound(address.entity) : { io, address, queue };
  }

  #unauthorized(link: Link, entity: string): AmqpError {
    return unauthorized(link.is_receiver() ? "Send" : "Listen", entity, this.#connection.hostname);
  }

  /** A token has expired: the links that it allowed are closed. A client opens them again with a new one. */
  #closeUnauthorized(): void {
    const links = [...this.#ios.keys()].flatMap((session) => Object.values(insideSession(session).links));
    for (const link of links) {
      const address = parseAddress(addressOf(link));
      if (address === undefined || address.kind === "cbs" || this.#authorization.allows(addressOf(link)))
        continue;
      this.#dropLink(link, true);
      refuse(link, tokenRanOut(link.name, this.#unauthorized(link, address.entity)));
    }
  }

  /** Opens a link to a queue, or does what the fault plan has in store for it. */
  #attach(link: Link, queue: Queue, open: () => void): void {
    let answered = false;
    let late = false;
    this.#peer.faults.apply("attach", queue.settings.name, {
      proceed: (silent) => {
        answered = true;
        if (late && !link.is_remote_open()) return;
        answerHeld(link);
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
    late = true;
    hold(link);
  }

  #openReplies(sender: Sender, opening: Opening): void {
    admit(sender);
    const replies = new ReplyLink(opening.io, insideSender(sender));
    const names = [sender.name, insideLink(sender).remote.attach.target?.address ?? ""];
    const remove = this.#replies.add(
      nodeOf(opening),
      names.filter((name) => name !== ""),
      replies,
    );
    this.#outgoing.set(sender, { onFlow: () => replies.send(), close: remove });
  }
}

/** What a link names on our side. */
function addressOf(link: Link): string {
  const { source, target } = insideLink(link).remote.attach;
  return (link.is_receiver() ? target : source)?.address ?? "";
}

/** The node that answers a link's requests. */
function nodeOf({ queue }: Opening): string {
  return queue === undefined ? "$cbs" : `${queue.address}/$management`;
}

function tooManyLinks(link: Link): boolean {
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
