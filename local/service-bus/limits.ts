/** Bounds of a queue on the Standard tier, and of this server. */

/** A message with its properties, and a batch as a whole (Standard tier: 256 KB). */
export const MAX_MESSAGE_BYTES = 262_144;
/** Length of a message id and of a session id. */
export const MAX_MESSAGE_ID_CHARS = 128;
/** One application property, and all properties of a message together. */
export const MAX_PROPERTY_BYTES = 32_768;
export const MAX_PROPERTIES_BYTES = 65_536;
/** State of one session; Azure allows as much as a message holds. */
export const MAX_SESSION_STATE_BYTES = 262_144;
/** The longest lock a queue can give. */
export const MAX_LOCK_DURATION_MS = 5 * 60_000;
export const DEFAULT_LOCK_DURATION_MS = 60_000;
export const DEFAULT_MAX_DELIVERY_COUNT = 10;
/** Duplicate detection: 20 s to 7 days, 10 minutes unless said. */
export const MIN_DUPLICATE_WINDOW_MS = 20_000;
export const MAX_DUPLICATE_WINDOW_MS = 7 * 86_400_000;
export const DEFAULT_DUPLICATE_WINDOW_MS = 10 * 60_000;
/** How far auto-forwarding follows a chain of queues. */
export const MAX_FORWARD_HOPS = 4;
/** A peek answers at most this many messages at once, and at most this many bytes. */
export const MAX_PEEK_COUNT = 250;
export const MAX_PEEK_BYTES = 1_048_576;
/** A request over $cbs or $management. What is too much for a queue is told so, unless it is far more. */
export const MAX_REQUEST_BYTES = 8 * 1_048_576;
/** Sequence numbers or lock tokens in one management request. */
export const MAX_MANAGEMENT_ITEMS = 1_000;

/** Frames sent and taken; the client splits what is larger. A larger frame ends the connection. */
export const MAX_FRAME_BYTES = 65_536;
/** A peer silent for twice this long is taken for dead. */
export const IDLE_TIMEOUT_MS = 120_000;
/** A socket that has not said `open` by then is closed. */
export const OPEN_TIMEOUT_MS = 60_000;
/** Messages a sender may have under way: enough for a fast client, little enough to hold in memory. */
export const SEND_CREDIT = 1_000;
/** Links of one AMQP session and AMQP sessions of one connection, against a client that leaks them. */
export const MAX_LINKS_PER_SESSION = 256;
/** Tokens of one connection: one for each entity it uses, and one for its management. */
export const MAX_TOKENS = 4_096;

/** Ready messages of a queue held in memory; the rest stays in the file until its turn comes. */
export const READY_WINDOW = 4_096;
/** Message bodies held in memory for all queues together. */
export const BODY_CACHE_BYTES = 32 * 1_048_576;
/** Rows handled in one go by expiry and activation, so that a backlog does not block the loop. */
export const DUE_BATCH = 500;
/** Sequence numbers are reserved in the file by this many; a restart may skip as many. */
export const SEQUENCE_BLOCK = 4_096;
/** How long a receiver that asks for any free session waits when it does not say. */
export const DEFAULT_SESSION_WAIT_MS = 60_000;
