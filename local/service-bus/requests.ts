import rhea, { type Message } from "rhea";
import type { Authorization } from "./authorization.ts";
import type { DeliveryIo, IncomingMessage, Intake } from "./delivery-io.ts";
import { type AmqpError, statusCodeOf } from "./errors.ts";
import type { FaultOperation } from "./fault-plan.ts";
import { MAX_REQUEST_BYTES, SEND_CREDIT } from "./limits.ts";
import { tagOfUuid } from "./lock.ts";
import { type ManagementAnswer, manage } from "./management.ts";
import type { Peer, Refuse } from "./peer.ts";
import type { Queue } from "./queue.ts";
import type { ReplyLinks } from "./reply-link.ts";
import { decodeRequest, type Request } from "./request.ts";

const FAULT_OPERATION: Record<string, FaultOperation> = {
  "com.microsoft:renew-lock": "renew",
  "com.microsoft:renew-session-lock": "renew",
  "com.microsoft:schedule-message": "schedule",
  "com.microsoft:cancel-scheduled-message": "cancel",
  "com.microsoft:peek-message": "peek",
  "com.microsoft:receive-by-sequence-number": "receive",
};
const FAULT_DISPOSITION: Record<string, FaultOperation> = {
  completed: "complete",
  abandoned: "abandon",
  defered: "defer",
  suspended: "deadLetter",
};

/** A link on which requests come in. */
export interface RequestLink {
  readonly io: DeliveryIo;
  /** Who answers: "$cbs", "q/$management". */
  readonly node: string;
  /** Ends the link. */
  readonly refuse: Refuse;
}

type Reply = (answer: Message) => void;

/** The answers to one connection's requests over $cbs and $management. */
export class Requests {
  readonly #peer: Peer;
  readonly #authorization: Authorization;
  readonly #replies: ReplyLinks;

  constructor(peer: Peer, authorization: Authorization, replies: ReplyLinks) {
    this.#peer = peer;
    this.#authorization = authorization;
    this.#replies = replies;
  }

  tokens(link: RequestLink): Intake {
    return this.#intake(link, (request, reply) => this.#putToken(request, reply));
  }

  management(link: RequestLink, address: string): Intake {
    return this.#intake(link, (request, reply) => this.#manage(address, request, reply));
  }

  #intake({ io, node, refuse }: RequestLink, answer: (request: Request, reply: Reply) => void): Intake {
    const receive = ({ fault, deliveryId, settled, bytes }: IncomingMessage) => {
      if (fault !== undefined) {
        // A request that was sent settled cannot be rejected: the peer would wait for a reply that never comes.
        if (settled) refuse(fault);
        else io.reject(deliveryId, fault);
        return;
      }
      const request = decodeRequest(bytes);
      if (!settled) io.accept(deliveryId);
      answer(request, (message) => this.#reply(io, node, request, message));
    };
    return { maxBytes: MAX_REQUEST_BYTES, credit: SEND_CREDIT, receive };
  }

  #putToken(request: Request, reply: Reply): void {
    const { application_properties, body } = request;
    const { code, description } = this.#authorization.putToken(application_properties, body);
    if (code >= 300) this.#peer.log(`$cbs: ${description}`);
    reply({
      application_properties: { "status-code": rhea.types.wrap_int(code), "status-description": description },
      body: undefined,
    });
  }

  #manage(address: string, request: Request, reply: Reply): void {
    const { broker, faults, drop } = this.#peer;
    const queue = broker.queue(address);
    if (queue === undefined) {
      reply(failure(this.#peer.notFound(address)));
      return;
    }
    const run = (silent: boolean, first?: () => void) => {
      broker.write(
        () => {
          first?.();
          return manage(broker, queue, request);
        },
        (answer) => (silent ? drop() : reply("condition" in answer ? failure(answer) : success(answer))),
        (why) => reply(failure(why)),
      );
    };
    const faulted = faultOperation(request.application_properties?.operation, request.body);
    if (!faults.active || faulted === undefined) {
      run(false);
      return;
    }
    faults.apply(faulted, queue.settings.name, {
      proceed: (silent) => run(silent),
      refuse: (error) => reply(failure(error)),
      drop,
      expireLock: () => run(false, () => expireNamed(queue, request.body)),
    });
  }

  #reply(io: DeliveryIo, node: string, request: Request, answer: Message): void {
    const link = this.#replies.find(node, request.reply_to ?? "", io);
    if (link === undefined) {
      this.#peer.log(`A request wants its reply on "${request.reply_to}", where no link is.`);
      return;
    }
    link.reply({ ...answer, correlation_id: request.message_id } as Message);
  }
}

function success({ code, body }: ManagementAnswer): Message {
  return {
    application_properties: { statusCode: rhea.types.wrap_int(code), statusDescription: "OK" },
    body,
  };
}

function failure({ condition, description }: AmqpError): Message {
  return {
    application_properties: {
      statusCode: rhea.types.wrap_int(statusCodeOf(condition)),
      statusDescription: description,
      errorCondition: rhea.types.wrap_symbol(condition),
    },
    body: {},
  };
}

function faultOperation(operation: unknown, body: unknown): FaultOperation | undefined {
  if (operation !== "com.microsoft:update-disposition") return FAULT_OPERATION[String(operation)];
  return FAULT_DISPOSITION[String((body as Record<string, unknown> | undefined)?.["disposition-status"])];
}

function expireNamed(queue: Queue, body: unknown): void {
  const tokens = (body as Record<string, unknown> | undefined)?.["lock-tokens"];
  for (const token of Array.isArray(tokens) ? tokens : []) {
    const lock = Buffer.isBuffer(token) ? queue.lockByToken(tagOfUuid(token)) : undefined;
    if (lock !== undefined) queue.expireNow(lock);
  }
}
