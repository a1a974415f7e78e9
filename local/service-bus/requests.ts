import rhea, { type Message } from "rhea";
import { answerPutToken } from "./cbs.ts";
import type { DeliveryIo, IncomingMessage, Intake } from "./delivery-io.ts";
import { type AmqpError, statusCodeOf } from "./errors.ts";
import type { FaultOperation } from "./fault-plan.ts";
import { MAX_MESSAGE_BYTES, SEND_CREDIT } from "./limits.ts";
import { tagOfUuid } from "./lock.ts";
import { type ManagementAnswer, manage } from "./management.ts";
import { decodeRequest, type Request } from "./outcome.ts";
import type { Peer } from "./peer.ts";
import type { Queue } from "./queue.ts";
import type { ReplyLink } from "./reply-link.ts";

/** Requests of $cbs and $management: a scheduled batch is the largest. */
const MAX_REQUEST_BYTES = MAX_MESSAGE_BYTES + 65_536;

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

/** The request side of one connection's $cbs and $management links, and the links its replies go back on. */
export class Requests {
  readonly #peer: Peer;
  readonly #replies = new Map<string, ReplyLink>();

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  addReplies(names: readonly string[], replies: ReplyLink): void {
    for (const name of names) this.#replies.set(name, replies);
  }

  removeReplies(names: readonly string[], replies: ReplyLink): void {
    for (const name of names) if (this.#replies.get(name) === replies) this.#replies.delete(name);
  }

  tokens(io: DeliveryIo): Intake {
    return this.#intake(io, (request) => this.#putToken(request));
  }

  management(io: DeliveryIo, address: string): Intake {
    return this.#intake(io, (request) => this.#manage(address, request));
  }

  #intake(io: DeliveryIo, answer: (request: Request) => void): Intake {
    const receive = ({ fault, deliveryId, settled, bytes }: IncomingMessage) => {
      if (fault !== undefined) {
        io.reject(deliveryId, fault);
        return;
      }
      const request = decodeRequest(bytes);
      if (!settled) io.accept(deliveryId);
      answer(request);
    };
    return { maxBytes: MAX_REQUEST_BYTES, credit: SEND_CREDIT, receive };
  }

  #putToken(request: Request): void {
    // Tokens carry real time, whatever clock the server was given.
    const { code, description } = answerPutToken(request.application_properties, request.body, Date.now());
    if (code >= 300) this.#peer.log(`$cbs: ${description}`);
    this.#reply(request, {
      application_properties: { "status-code": rhea.types.wrap_int(code), "status-description": description },
      body: undefined,
    });
  }

  #manage(address: string, request: Request): void {
    const { broker, faults, drop } = this.#peer;
    const queue = broker.queue(address);
    if (queue === undefined) {
      this.#fail(request, this.#peer.notFound(address));
      return;
    }
    const operation = request.application_properties?.operation;
    const run = (silent: boolean, first?: () => void) => {
      broker.write(
        () => {
          first?.();
          return manage(broker, queue, operation, request.body);
        },
        (answer) => (silent ? drop() : this.#answer(request, answer)),
        (why) => this.#fail(request, why),
      );
    };
    const faulted = faultOperation(operation, request.body);
    if (!faults.active || faulted === undefined) {
      run(false);
      return;
    }
    faults.apply(faulted, queue.settings.name, {
      proceed: (silent) => run(silent),
      refuse: (error) => this.#fail(request, error),
      drop,
      expireLock: () => run(false, () => expireNamed(queue, request.body)),
    });
  }

  #answer(request: Request, answer: ManagementAnswer | AmqpError): void {
    if ("condition" in answer) {
      this.#fail(request, answer);
      return;
    }
    this.#reply(request, {
      application_properties: { statusCode: rhea.types.wrap_int(answer.code), statusDescription: "OK" },
      body: answer.body,
    });
  }

  #fail(request: Request, { condition, description }: AmqpError): void {
    this.#reply(request, {
      application_properties: {
        statusCode: rhea.types.wrap_int(statusCodeOf(condition)),
        statusDescription: description,
        errorCondition: rhea.types.wrap_symbol(condition),
      },
      body: {},
    });
  }

  #reply(request: Request, answer: Message): void {
    const replies = this.#replies.get(request.reply_to ?? "");
    if (replies === undefined) {
      this.#peer.log(`A request wants its reply on "${request.reply_to}", where no link is.`);
      return;
    }
    replies.reply({ ...answer, correlation_id: request.message_id } as Message);
  }
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
