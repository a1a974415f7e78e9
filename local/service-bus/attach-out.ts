import rhea, { type Sender } from "rhea";
import { admit, answerHeld, hold as holdReply } from "./attach-reply.ts";
import type { DeliveryIo } from "./delivery-io.ts";
import { CONDITION } from "./errors.ts";
import { DEFAULT_SESSION_WAIT_MS } from "./limits.ts";
import { LinkOut } from "./link-out.ts";
import type { SessionHold } from "./lock.ts";
import type { OutgoingLink } from "./outgoing-link.ts";
import type { Peer, Refuse } from "./peer.ts";
import type { Queue } from "./queue.ts";
import type { InsideSender, TypedValue } from "./rhea-inside.ts";
import type { Sessions } from "./sessions.ts";

const SESSION_FILTER = "com.microsoft:session-filter";
/** Unix epoch in .NET ticks of 100 ns. */
const EPOCH_TICKS = 621_355_968_000_000_000n;

export interface AttachRequest {
  readonly peer: Peer;
  readonly queue: Queue;
  readonly io: DeliveryIo;
  readonly link: InsideSender & Sender;
  readonly refuse: Refuse;
}

/** Opens a receiving link on an entity; undefined when it was refused. */
export function attachReceiver(request: AttachRequest): OutgoingLink | undefined {
  const { queue, link, refuse } = request;
  const filter = link.remote.attach.source?.filter ?? {};
  const wantsSession = Object.hasOwn(filter, SESSION_FILTER);
  const { sessions } = queue;
  if (sessions === undefined && wantsSession) {
    refuse({
      condition: CONDITION.notAllowed,
      description: `It is not possible for an entity that does not require sessions to create a session receiver: '${queue.address}'.`,
    });
    return undefined;
  }
  if (sessions === undefined) {
    admit(link);
    return open(request, undefined);
  }
  if (!wantsSession) {
    refuse({
      condition: CONDITION.notAllowed,
      description: `It is not possible for an entity that requires sessions to create a non-sessionful message receiver: '${queue.address}'.`,
    });
    return undefined;
  }
  const session = plain(filter[SESSION_FILTER]);
  return typeof session === "string" ? openNamed(request, sessions, session) : openAny(request, sessions);
}

function open(request: AttachRequest, hold: SessionHold | undefined): OutgoingLink {
  const { queue } = request;
  const { broker } = request.peer;
  const consumer = new LinkOut(request, hold);
  queue.addConsumer(consumer);
  return {
    onFlow: () => consumer.onFlow(),
    close: (detached) => {
      consumer.close();
      if (hold === undefined) return;
      hold.onLost = undefined;
      // A link that vanished with its connection keeps the session until its lock runs out, as for messages.
      if (detached) {
        broker.attempt(() => {
          broker.beginWrite();
          queue.sessions?.close(hold);
          queue.pump();
        });
      }
    },
  };
}

function openNamed(request: AttachRequest, sessions: Sessions, session: string): OutgoingLink | undefined {
  const { refuse } = request;
  const { broker } = request.peer;
  let opened: OutgoingLink | undefined;
  broker.attempt(() => {
    broker.beginWrite();
    const hold = sessions.accept(session);
    if ("condition" in hold) refuse(hold);
    else opened = grant(request, hold);
  });
  return opened;
}

/** Any free session: now, or when one comes, or "timeout". The attach is answered only then. */
function openAny(request: AttachRequest, sessions: Sessions): OutgoingLink {
  const { link, refuse } = request;
  const { broker } = request.peer;
  let opened: OutgoingLink | undefined;
  const tryAgain = () => {
    broker.beginWrite();
    const hold = sessions.acceptAny();
    if (hold !== undefined) opened = grant(request, hold);
    return opened !== undefined;
  };
  let stop: () => void = () => undefined;
  broker.attempt(() => {
    if (tryAgain()) return;
    holdReply(link);
    const cancelTurn = sessions.wait(() => {
      if (!tryAgain()) return false;
      cancelTimer();
      answerHeld(link);
      return true;
    });
    const cancelTimer = broker.after(waitMs(link), () => {
      cancelTurn();
      refuse({
        condition: CONDITION.timeout,
        description: "The operation did not complete within the allotted time: no session is free.",
      });
    });
    stop = () => {
      cancelTurn();
      cancelTimer();
    };
  });
  return {
    onFlow: () => opened?.onFlow(),
    close: (detached) => {
      stop();
      opened?.close(detached);
    },
  };
}

/** The attach reply carries the session's id and the end of its lock. */
function grant(request: AttachRequest, hold: SessionHold): OutgoingLink {
  const { link, refuse } = request;
  admit(link, { [SESSION_FILTER]: hold.session });
  const ticks = Buffer.alloc(8);
  ticks.writeBigInt64BE(BigInt(hold.until) * 10_000n + EPOCH_TICKS);
  link.local.attach.properties = { "com.microsoft:locked-until-utc": rhea.types.wrap_long(ticks as never) };
  const opened = open(request, hold);
  hold.onLost = () => {
    refuse({
      condition: CONDITION.sessionLockLost,
      description: `The session lock has expired on the MessageSession '${hold.session}'. Accept a new MessageSession.`,
    });
  };
  return opened;
}

function waitMs(link: InsideSender): number {
  const asked = plain(link.remote.attach.properties?.["com.microsoft:timeout"]);
  return typeof asked === "number" && asked > 0 ? asked : DEFAULT_SESSION_WAIT_MS;
}

/** A value, out of its AMQP wrapping if it has one. */
function plain(value: unknown): unknown {
  return typeof value === "object" && value !== null && "value" in value
    ? plain((value as TypedValue).value)
    : value;
}
