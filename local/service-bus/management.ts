import rhea from "rhea";
import type { Broker } from "./broker.ts";
import type { Outcome } from "./consumer.ts";
import { type AmqpError, CONDITION, lockLost, Refusal, sessionLockLost } from "./errors.ts";
import { MAX_MANAGEMENT_ITEMS, MAX_SESSION_STATE_BYTES } from "./limits.ts";
import { storeMessages } from "./link-in.ts";
import { type Lock, type SessionHold, tagOfUuid, uuidOfTag } from "./lock.ts";
import { deadLetterProperties, type PropertyChanges } from "./message-edit.ts";
import { readMessage } from "./message-in.ts";
import { encodeMessage, MESSAGE_STATE } from "./message-out.ts";
import { peekMessages } from "./peek.ts";
import { sequenceOf } from "./place.ts";
import type { Queue } from "./queue.ts";
import { propertiesToModify, type Request } from "./request.ts";

/** An answer to a management request; `code` is 204 where there is nothing. */
export interface ManagementAnswer {
  readonly code: number;
  readonly body: Record<string, unknown>;
}

type Body = Record<string, unknown>;
type Operation = (broker: Broker, queue: Queue, body: Body, request: Request) => ManagementAnswer | AmqpError;

const OPERATIONS: Record<string, Operation> = {
  "com.microsoft:renew-lock": renewLocks,
  "com.microsoft:schedule-message": schedule,
  "com.microsoft:cancel-scheduled-message": cancelScheduled,
  "com.microsoft:peek-message": peek,
  "com.microsoft:receive-by-sequence-number": receiveDeferred,
  "com.microsoft:update-disposition": updateDisposition,
  "com.microsoft:renew-session-lock": renewSessionLock,
  "com.microsoft:set-session-state": setSessionState,
  "com.microsoft:get-session-state": getSessionState,
};

const ok = (body: Body = {}): ManagementAnswer => ({ code: 200, body });
const array = (values: unknown[], code: number) => rhea.types.wrap_array(values, code, undefined);
const LONG = 0x81;
const TIMESTAMP = 0x83;

/**
 * Does one management operation of an entity. Call inside `broker.write`: what it says has been written, or an
 * error and nothing written. Throws Refusal for a request that makes no sense.
 */
export function manage(broker: Broker, queue: Queue, request: Request): ManagementAnswer | AmqpError {
  const { application_properties, body } = request;
  const operation = application_properties?.operation;
  const run =
    typeof operation === "string" && Object.hasOwn(OPERATIONS, operation) ? OPERATIONS[operation] : undefined;
  if (run === undefined) {
    return {
      condition: CONDITION.notImplemented,
      description: `The operation "${operation}" is not supported.`,
    };
  }
  return run(broker, queue, isMap(body) ? body : {}, request);
}

function renewLocks(_: Broker, queue: Queue, body: Body): ManagementAnswer | AmqpError {
  const expirations: number[] = [];
  for (const token of uuids(body["lock-tokens"])) {
    const until = queue.renew(tagOfUuid(token));
    if (typeof until !== "number") return until;
    expirations.push(until);
  }
  return ok({ expirations: array(expirations, TIMESTAMP) });
}

function schedule(broker: Broker, queue: Queue, body: Body): ManagementAnswer {
  const entries = Array.isArray(body.messages) ? body.messages.slice(0, MAX_MANAGEMENT_ITEMS + 1) : [];
  if (entries.length === 0 || entries.length > MAX_MANAGEMENT_ITEMS) {
    throw new Refusal(CONDITION.argument, `1 to ${MAX_MANAGEMENT_ITEMS} messages are scheduled at once.`);
  }
  let bytes = 0;
  const messages = entries.map((entry) => {
    const encoded = isMap(entry) ? entry.message : undefined;
    if (!Buffer.isBuffer(encoded)) throw new Refusal(CONDITION.argument, "An entry holds no message.");
    bytes += encoded.length;
    return readMessage(encoded);
  });
  const { maxMessageBytes } = queue.settings;
  if (bytes > maxMessageBytes) {
    throw new Refusal(
      CONDITION.tooLarge,
      `The messages (${bytes} bytes) exceed the limit of ${maxMessageBytes} bytes.`,
    );
  }
  return ok({ "sequence-numbers": array(storeMessages(broker, queue.settings.name, messages), LONG) });
}

function cancelScheduled(_: Broker, queue: Queue, body: Body): ManagementAnswer | AmqpError {
  const sequences = sequenceNumbers(body);
  const missing = sequences.filter((sequence) => !queue.isScheduled(sequence));
  if (missing.length > 0) {
    return {
      condition: CONDITION.messageNotFound,
      description: `No scheduled messages have the sequence numbers ${missing.join(", ")}.`,
    };
  }
  for (const sequence of sequences) queue.cancelScheduled(sequence);
  return ok();
}

function peek(broker: Broker, queue: Queue, body: Body): ManagementAnswer {
  const from = typeof body["from-sequence-number"] === "number" ? body["from-sequence-number"] : 0;
  const count = typeof body["message-count"] === "number" ? body["message-count"] : 1;
  const session = typeof body["session-id"] === "string" ? body["session-id"] : null;
  const messages = peekMessages(
    broker.store,
    queue,
    from,
    count,
    session,
    body["omit-message-body"] !== true,
  );
  return messages.length === 0
    ? { code: 204, body: {} }
    : ok({ messages: messages.map((message) => ({ message })) });
}

function receiveDeferred(_: Broker, queue: Queue, body: Body): ManagementAnswer | AmqpError {
  const hold = holdFor(queue, body);
  if (hold !== undefined && "condition" in hold) return hold;
  const deleteOnReceive = body["receiver-settle-mode"] === 0;
  const deliveries = queue.receiveDeferred(sequenceNumbers(body), deleteOnReceive, hold);
  return ok({
    messages: deliveries.map(({ meta, stored, lock }) => ({
      ...(lock === undefined ? {} : { "lock-token": rhea.types.wrap_uuid(uuidOfTag(lock.token)) }),
      message: encodeMessage(stored, {
        sequenceNumber: sequenceOf(meta.id),
        deliveryCount: meta.deliveryCount,
        lockedUntil: lock?.until,
        state: MESSAGE_STATE.deferred,
      }),
    })),
  });
}

function updateDisposition(
  _: Broker,
  queue: Queue,
  body: Body,
  request: Request,
): ManagementAnswer | AmqpError {
  const outcome = outcomeNamed(body, body["properties-to-modify"] ? propertiesToModify(request) : new Map());
  const hold = holdFor(queue, body);
  if (hold !== undefined && "condition" in hold) return hold;
  const locks: Lock[] = [];
  for (const token of uuids(body["lock-tokens"])) {
    const lock = queue.lockByToken(tagOfUuid(token));
    if (lock === undefined) return lockLost();
    locks.push(lock);
  }
  for (const lock of locks) {
    const error = queue.settle(lock, outcome);
    if (error !== undefined) return error;
  }
  queue.pump();
  return ok();
}

function outcomeNamed(body: Body, changes: PropertyChanges): Outcome {
  switch (body["disposition-status"]) {
    case "completed":
      return { kind: "complete" };
    case "abandoned":
      return { kind: "abandon", changes };
    case "defered":
    case "deferred":
      return { kind: "defer", changes };
    case "suspended":
      return {
        kind: "deadLetter",
        changes: deadLetterProperties(
          text(body["deadletter-reason"]),
          text(body["deadletter-description"]),
          changes,
        ),
      };
    default:
      throw new Refusal(CONDITION.argument, `The disposition "${body["disposition-status"]}" is not known.`);
  }
}

function renewSessionLock(_: Broker, queue: Queue, body: Body): ManagementAnswer | AmqpError {
  const session = sessionId(body);
  const until = queue.sessions?.renew(session) ?? sessionLockLost(session);
  return typeof until === "number" ? ok({ expiration: rhea.types.wrap_timestamp(until) }) : until;
}

function setSessionState(broker: Broker, queue: Queue, body: Body): ManagementAnswer | AmqpError {
  if (queue.sessions === undefined) return notForSessions(queue);
  const hold = holdFor(queue, body);
  if (hold === undefined || "condition" in hold) return hold ?? sessionLockLost(sessionId(body));
  const state = body["session-state"];
  const bytes = Buffer.isBuffer(state) ? state : null;
  if (bytes !== null && bytes.length > MAX_SESSION_STATE_BYTES) {
    throw new Refusal(CONDITION.tooLarge, `A session's state is at most ${MAX_SESSION_STATE_BYTES} bytes.`);
  }
  broker.store.setSessionState(queue.number, hold.session, bytes);
  return ok();
}

function getSessionState(broker: Broker, queue: Queue, body: Body): ManagementAnswer | AmqpError {
  if (queue.sessions === undefined) return notForSessions(queue);
  return ok({ "session-state": broker.store.sessionState(queue.number, sessionId(body)) });
}

/** The session a request is about, when it names one: held, or an error. */
function holdFor(queue: Queue, body: Body): SessionHold | AmqpError | undefined {
  // A message of a queue without sessions may carry a session's id all the same, as dead letters of one with them do.
  if (typeof body["session-id"] !== "string" || queue.sessions === undefined) return undefined;
  const session = body["session-id"];
  return queue.sessions.holdOf(session) ?? sessionLockLost(session);
}

function notForSessions(queue: Queue): AmqpError {
  return { condition: CONDITION.notAllowed, description: `The entity '${queue.address}' has no sessions.` };
}

function sessionId(body: Body): string {
  if (typeof body["session-id"] === "string") return body["session-id"];
  throw new Refusal(CONDITION.argument, "No session id is given.");
}

function uuids(value: unknown): Buffer[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0 || list.length > MAX_MANAGEMENT_ITEMS) {
    throw new Refusal(CONDITION.argument, `1 to ${MAX_MANAGEMENT_ITEMS} lock tokens are taken at once.`);
  }
  for (const token of list) {
    if (!Buffer.isBuffer(token) || token.length !== 16)
      throw new Refusal(CONDITION.argument, "A lock token is a uuid.");
  }
  return list;
}

function sequenceNumbers(body: Body): number[] {
  const list = Array.isArray(body["sequence-numbers"]) ? body["sequence-numbers"] : [];
  if (list.length === 0 || list.length > MAX_MANAGEMENT_ITEMS) {
    throw new Refusal(CONDITION.argument, `1 to ${MAX_MANAGEMENT_ITEMS} sequence numbers are taken at once.`);
  }
  // A number beyond what a queue can hold (rhea gives a Buffer) names nothing: it is not found, as any other.
  return list.map((sequence) =>
    typeof sequence === "number" && Number.isSafeInteger(sequence) ? sequence : 0,
  );
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value);
}
