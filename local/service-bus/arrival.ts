import { withLifetime } from "./message-edit.ts";
import { markScheduled } from "./message-header.ts";
import type { SentMessage } from "./message-in.ts";
import { PLACE, rowId, sequenceOf } from "./place.ts";
import type { QueueSettings } from "./queue-settings.ts";
import type { StoredMessage } from "./store.ts";

/** Where and when a message arrives. */
export interface Arrival {
  readonly queueNumber: number;
  readonly settings: QueueSettings;
  readonly sequence: number;
  /** Unix ms. */
  readonly now: number;
}

/** A message as it was sent: ready at once, or scheduled for later. */
export function sentMessage(message: SentMessage, arrival: Arrival): StoredMessage {
  const { queueNumber, settings, sequence, now } = arrival;
  const dueAt = message.scheduledAt !== undefined && message.scheduledAt > now ? message.scheduledAt : null;
  const ttlMs = grantedTtl(message.ttlMs, settings);
  const expiresAt = dueAt === null && ttlMs !== null ? now + ttlMs : null;
  // Its own expiry is right, apart from the time on the way, unless it asked for more than it got.
  const isCut = ttlMs !== null && message.ttlMs !== undefined && ttlMs < message.ttlMs;
  return {
    id: rowId(queueNumber, dueAt === null ? PLACE.ready : PLACE.scheduled, sequence),
    messageId: message.messageId,
    session: settings.requiresSession ? (message.session ?? null) : null,
    enqueuedAt: now,
    expiresAt,
    dueAt,
    ttlMs,
    header: message.header ?? null,
    annotations: message.annotations ?? null,
    content: isCut && expiresAt !== null ? withLifetime(message.content, now, expiresAt) : message.content,
    deadLetterSource: null,
    enqueueSequence: null,
  };
}

/** A scheduled message whose time has come. */
export function activatedMessage(scheduled: StoredMessage, arrival: Arrival): StoredMessage {
  return { ...readyMessage(scheduled, arrival), header: markScheduled(scheduled.header) };
}

/** A message that came by forwarding; it keeps the number it had in the queue it was first sent to. */
export function forwardedMessage(from: StoredMessage, content: Buffer, arrival: Arrival): StoredMessage {
  return {
    ...readyMessage({ ...from, content }, arrival),
    session: null,
    enqueueSequence: from.enqueueSequence ?? sequenceOf(from.id),
  };
}

/** A message that was in another place until now: its time to live starts again. */
function readyMessage(from: StoredMessage, { queueNumber, settings, sequence, now }: Arrival): StoredMessage {
  const ttlMs = grantedTtl(from.ttlMs, settings);
  const expiresAt = ttlMs === null ? null : now + ttlMs;
  return {
    ...from,
    id: rowId(queueNumber, PLACE.ready, sequence),
    enqueuedAt: now,
    expiresAt,
    dueAt: null,
    ttlMs,
    content: expiresAt === null ? from.content : withLifetime(from.content, now, expiresAt),
  };
}

/** The queue's own time to live is the most a message gets, and what one without any gets; null: no end. */
function grantedTtl(ttlMs: number | null | undefined, { defaultTtlMs }: QueueSettings): number | null {
  const ttl = Math.min(ttlMs ?? Number.POSITIVE_INFINITY, defaultTtlMs);
  return Number.isFinite(ttl) ? ttl : null;
}
