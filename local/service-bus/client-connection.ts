import rhea, {
  type Connection,
  type EventContext,
  type Message,
  type Receiver,
  type Sender,
  type Session,
} from "rhea";
import { type Address, parseAddress } from "./address.ts";
import { attachReceiver } from "./attach-out.ts";
import type { Broker } from "./broker.ts";
import { answerPutToken } from "./cbs.ts";
import { DeliveryIo, type IncomingMessage } from "./delivery-io.ts";
import { type AmqpError, CONDITION, entityNotFound, statusCodeOf } from "./errors.ts";
import { MAX_LINKS_PER_SESSION, MAX_MESSAGE_BYTES, SEND_CREDIT } from "./limits.ts";
import { LinkIn } from "./link-in.ts";
import { type ManagementAnswer, manage } from "./management.ts";
import { decodeRequest, type Request } from "./outcome.ts";
import { ReplyLink } from "./reply-link.ts";
import {
  insideConnection,
  insideReceiver,
  insideSender,
  insideSession,
  type Terminus,
} from "./rhea-inside.ts";

/** Requests of $cbs and $management: a scheduled batch is the largest. */
const MAX_REQUEST_BYTES = MAX_MESSAGE_BYTES + 65_536;

/** What a link that receives from us does when the peer speaks or goes. */
export interface OutgoingLink {
  onFlow(): void;
  /** `detached`: the peer closed the link, rather than vanished. */
  close(detached: boolean): void;
}

/** One client's AMQP connection: its sessions and links, wired to the broker. */
export class ClientConnection {
  readonly #broker: Broker;
  readonly #connection: Connection;
  readonly #log: (line: string) => void;
  readonly #ios = new Map<Session, DeliveryIo>();
  readonly #replies = new Map<string, ReplyLink>();
  readonly #outgoing = new Map<Sender, OutgoingLink>();

  constructor(broker: Broker, connection: Connection, log: (line: string) => void) {
    this.#broker = broker;
    this.#connection = connection;
    this.#log = log;
    const on = (event: string, run: (context: EventContext) => void) =>
      connection.on(event as never, run as never);
    on("session_open", ({ session }) => this.#onSession(session as Session));
    on("session_close", ({ session }) => this.#dropSession(session as Session));
    on("receiver_open", ({ receiver }) => this.#onReceiver(receiver as Receiver));
    on("receiver_close", ({ receiver }) => this.#ioOf(receiver as Receiver)?.forget(receiver));
    on("sender_open", ({ sender }) => this.#onSender(sender as Sender));
    on("sender_close", ({ sender }) => this.#dropSender(sender as Sender, true));
    on("sender_flow", ({ sender }) => this.#outgoing.get(sender as Sender)?.onFlow());
    for (const event of ["connection_error", "session_error", "sender_error", "receiver_error"]) {
      on(event, (context) => this.#log(`${event}: ${describeError(context)}`));
    }
  }

  /** The socket is gone, or will be: nobody hears us any more. */
  drop(): void {
    for (const session of [...this.#ios.keys()]) this.#dropSession(session);
    for (const sender of [...this.#outgoing.keys()]) this.#dropSender(sender, false);
  }

  /** Tells the client why, and ends. */
  end(error: AmqpError): void {
    this.drop();
    this.#connection.close({ condition: error.condition, description: error.description } as never);
  }

  #onSession(session: Session): void {
    this.#ios.set(session, new DeliveryIo(session));
  }

  #dropSession(session: Session): void {
    for (const sender of [...this.#outgoing.keys()])
      if (sender.session === session) this.#dropSender(sender, false);
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
    const { target } = insideReceiver(receiver).remote.attach;
    const address = parseAddress(target?.address);
    if (io === undefined || this.#tooManyLinks(receiver) || address === undefined) {
      refuse(receiver, { condition: CONDITION.notAllowed, description: "This link cannot be opened here." });
      return;
    }
    echoAddresses(receiver);
    if (address.kind === "cbs") {
      this.#takeRequests(receiver, io, (request) => this.#putToken(request));
      return;
    }
    const queue = this.#broker.queue(address.entity);
    if (queue === undefined) {
      refuse(receiver, entityNotFound(address.entity));
    } else if (address.kind === "management") {
      this.#takeRequests(receiver, io, (request) => this.#manage(queue.address, request));
    } else if (queue.deadLetters === undefined) {
      refuse(receiver, {
        condition: CONDITION.notAllowed,
        description: "Nothing can be sent to a dead-letter queue.",
      });
    } else {
      receiver.set_source(insideReceiver(receiver).remote.attach.source as never);
      insideReceiver(receiver).local.attach.max_message_size = queue.settings.maxMessageBytes;
      io.receiveOn(receiver, new LinkIn(this.#broker, queue, io));
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
    if (io === undefined || this.#tooManyLinks(sender) || address === undefined) {
      refuse(sender, { condition: CONDITION.notAllowed, description: "This link cannot be opened here." });
      return;
    }
    echoAddresses(sender);
    if (address.kind !== "entity") {
      this.#openReplies(sender, io, address, target);
      return;
    }
    const queue = this.#broker.queue(address.entity);
    if (queue === undefined) {
      refuse(sender, entityNotFound(address.entity));
      return;
    }
    const outgoing = attachReceiver({
      broker: this.#broker,
      queue,
      io,
      link,
      refuse: (e) => refuse(sender, e),
    });
    if (outgoing !== undefined) this.#outgoing.set(sender, outgoing);
  }

  #openReplies(sender: Sender, io: DeliveryIo, address: Address, target: Terminus | null): void {
    if (address.kind === "management" && this.#broker.queue(address.entity) === undefined) {
      refuse(sender, entityNotFound(address.entity));
      return;
    }
    const replies = new ReplyLink(io, insideSender(sender));
    const names = [sender.name, target?.address].filter((name) => typeof name === "string" && name !== "");
    for (const name of names) this.#replies.set(name as string, replies);
    this.#outgoing.set(sender, {
      onFlow: () => replies.onCredit(),
      close: () => {
        for (const name of names) {
          if (this.#replies.get(name as string) === replies) this.#replies.delete(name as string);
        }
      },
    });
  }

  #takeRequests(receiver: Receiver, io: DeliveryIo, answer: (request: Request) => void): void {
    const receive = (incoming: IncomingMessage) => {
      if (incoming.fault !== undefined) {
        io.reject(incoming.deliveryId, incoming.fault);
        return;
      }
      const request = decodeRequest(incoming.bytes);
      if (!incoming.settled) io.accept(incoming.deliveryId);
      answer(request);
    };
    io.receiveOn(receiver, { maxBytes: MAX_REQUEST_BYTES, credit: SEND_CREDIT, receive });
  }

  #putToken(request: Request): void {
    const { code, description } = answerPutToken(request.application_properties, request.body, Date.now());
    if (code >= 300) this.#log(`$cbs: ${description}`);
    this.#reply(request, {
      application_properties: { "status-code": rhea.types.wrap_int(code), "status-description": description },
      body: undefined,
    });
  }

  #manage(address: string, request: Request): void {
    const operation = request.application_properties?.operation;
    const fail = (error: AmqpError) => {
      this.#reply(request, {
        application_properties: {
          statusCode: rhea.types.wrap_int(statusCodeOf(error.condition)),
          statusDescription: error.description,
          errorCondition: rhea.types.wrap_symbol(error.condition),
        },
        body: {},
      });
    };
    this.#broker.write(
      () => {
        const queue = this.#broker.queue(address);
        return queue === undefined
          ? entityNotFound(address)
          : manage(this.#broker, queue, operation, request.body);
      },
      (answer: ManagementAnswer | AmqpError) => {
        if ("condition" in answer) {
          fail(answer);
          return;
        }
        this.#reply(request, {
          application_properties: { statusCode: rhea.types.wrap_int(answer.code), statusDescription: "OK" },
          body: answer.body,
        });
      },
      fail,
    );
  }

  #reply(request: Request, answer: Message): void {
    const replies = this.#replies.get(request.reply_to ?? "");
    if (replies === undefined) {
      this.#log(`A request asks for its reply on "${request.reply_to}", where no link is.`);
      return;
    }
    replies.reply({ ...answer, correlation_id: request.message_id } as Message);
  }

  #tooManyLinks(link: Receiver | Sender): boolean {
    return Object.keys(insideSession(link.session).links).length > MAX_LINKS_PER_SESSION;
  }
}

function refuse(link: Receiver | Sender, { condition, description }: AmqpError): void {
  link.close({ condition, description } as never);
}

/** The attach reply names what was attached to. */
function echoAddresses(link: Receiver | Sender): void {
  const { source, target } = insideSender(link as Sender).remote.attach;
  if (source !== null) link.set_source({ address: source.address ?? undefined } as never);
  if (target !== null) link.set_target({ address: target.address ?? undefined } as never);
}

function describeError(context: EventContext): string {
  const error = (context.sender?.error ??
    context.receiver?.error ??
    context.session?.error ??
    context.error) as { condition?: string; description?: string; message?: string } | undefined;
  const id = insideConnection(context.connection).options.id;
  return `${id} ${error?.condition ?? ""} ${error?.description ?? error?.message ?? ""}`.trim();
}
