/** Error conditions as the service gives them; clients map them to their own codes. */
export const CONDITION = {
  notFound: "amqp:not-found",
  notAllowed: "amqp:not-allowed",
  unauthorized: "amqp:unauthorized-access",
  internal: "amqp:internal-error",
  tooLarge: "amqp:link:message-size-exceeded",
  resourceLimit: "amqp:resource-limit-exceeded",
  notImplemented: "amqp:not-implemented",
  decode: "amqp:decode-error",
  forced: "amqp:connection:forced",
  detachForced: "amqp:link:detach-forced",
  argument: "com.microsoft:argument-error",
  argumentOutOfRange: "com.microsoft:argument-out-of-range",
  messageLockLost: "com.microsoft:message-lock-lost",
  messageNotFound: "com.microsoft:message-not-found",
  sessionLockLost: "com.microsoft:session-lock-lost",
  sessionTaken: "com.microsoft:session-cannot-be-locked",
  sessionNotFound: "com.microsoft:session-not-found",
  serverBusy: "com.microsoft:server-busy",
  timeout: "com.microsoft:timeout",
  deadLetter: "com.microsoft:dead-letter",
} as const;

/** What a peer is told: an AMQP error. */
export interface AmqpError {
  readonly condition: string;
  readonly description: string;
}

/** A request that is refused, with what the peer is told. */
export class Refusal extends Error implements AmqpError {
  override readonly name = "Refusal";
  readonly condition: string;

  constructor(condition: string, description: string) {
    super(description);
    this.condition = condition;
  }

  get description(): string {
    return this.message;
  }
}

export const lockLost = (): AmqpError => ({
  condition: CONDITION.messageLockLost,
  description:
    "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.",
});

export const sessionLockLost = (session: string): AmqpError => ({
  condition: CONDITION.sessionLockLost,
  description: `The session lock has expired on the MessageSession '${session}'. Accept a new MessageSession.`,
});

/** `host`: as the client calls this server. */
export const entityNotFound = (entity: string, host = "localhost"): AmqpError => ({
  condition: CONDITION.notFound,
  description: `The messaging entity 'sb://${host}/${entity}' could not be found. To know more visit https://aka.ms/sbResourceMgrExceptions.`,
});

/** What a link does, in the service's words. */
export type Claim = "Send" | "Listen";

export const unauthorized = (claim: Claim, entity: string, host = "localhost"): AmqpError => ({
  condition: CONDITION.unauthorized,
  description: `Unauthorized access. '${claim}' claim(s) are required to perform this operation. Resource: 'sb://${host}/${entity}'.`,
});

/** Told on a link whose token has run out; `why`: the error of a link that had none. */
export const tokenRanOut = (link: string, why: AmqpError): AmqpError => ({
  condition: CONDITION.detachForced,
  description: `The link '${link}' is force detached. Code: RenewToken. Details: ${why.description}`,
});

export const NO_TRANSACTIONS: AmqpError = {
  condition: CONDITION.notImplemented,
  description: "Transactions are not supported by the local Service Bus.",
};

export const messagesNotFound = (sequenceNumbers: readonly number[]): AmqpError => ({
  condition: CONDITION.messageNotFound,
  description: `Failed to find messages with the sequence numbers ${sequenceNumbers.join(", ")}.`,
});

export const tooLarge = (bytes: number, maxBytes: number): AmqpError => ({
  condition: CONDITION.tooLarge,
  description: `The received message (size ${bytes} bytes) exceeds the limit of ${maxBytes} bytes of the queue.`,
});

/** What is told when the store failed; `why` names the cause (a full disk, say). */
export const notStored = (why: unknown): AmqpError => ({
  condition: CONDITION.internal,
  description: `The operation could not be stored: ${why instanceof Error ? why.message : String(why)}`,
});

/** Status code of a management reply for an error condition. */
export function statusCodeOf(condition: string): number {
  switch (condition) {
    case CONDITION.messageLockLost:
    case CONDITION.sessionLockLost:
      return 410;
    case CONDITION.notFound:
    case CONDITION.messageNotFound:
    case CONDITION.sessionNotFound:
      return 404;
    case CONDITION.argument:
    case CONDITION.argumentOutOfRange:
    case CONDITION.decode:
      return 400;
    case CONDITION.tooLarge:
      return 413;
    case CONDITION.unauthorized:
      return 401;
    case CONDITION.notAllowed:
      return 403;
    case CONDITION.notImplemented:
      return 501;
    case CONDITION.serverBusy:
      return 503;
    default:
      return 500;
  }
}
