import { MAX_PEEK_BYTES, MAX_PEEK_COUNT } from "./limits.ts";
import { encodeMessage, MESSAGE_STATE, type MessageState } from "./message-out.ts";
import { PLACE, type Place, placeRange, rowId, sequenceOf } from "./place.ts";
import type { Queue } from "./queue.ts";
import type { Store, StoredWithProgress } from "./store.ts";

/** Messages from a sequence number on, whatever their state, encoded; in order of sequence. */
export function peekMessages(
  store: Store,
  queue: Queue,
  from: number,
  count: number,
  session: string | null,
  withBody: boolean,
): Buffer[] {
  const limit = Math.max(1, Math.min(count, MAX_PEEK_COUNT));
  const places: [Place, MessageState][] = [
    [queue.places.ready, MESSAGE_STATE.active],
    [queue.places.deferred, MESSAGE_STATE.deferred],
  ];
  if (queue.deadLetters !== undefined) places.push([PLACE.scheduled, MESSAGE_STATE.scheduled]);
  const found = places.flatMap(([place, state]) => {
    const first = rowId(queue.number, place, Math.max(0, from));
    const { last } = placeRange(queue.number, place);
    return store.peek(first, last, session, limit).map((row) => ({ row, state }));
  });
  found.sort((a, b) => sequenceOf(a.row.id) - sequenceOf(b.row.id));
  const encoded: Buffer[] = [];
  let bytes = 0;
  for (const { row, state } of found.slice(0, limit)) {
    const message = encode(row, state, withBody);
    bytes += message.length;
    if (encoded.length > 0 && bytes > MAX_PEEK_BYTES) break;
    encoded.push(message);
  }
  return encoded;
}

function encode(row: StoredWithProgress, state: MessageState, withBody: boolean): Buffer {
  return encodeMessage(
    row,
    {
      sequenceNumber: sequenceOf(row.id),
      deliveryCount: row.deliveryCount,
      lockedUntil: row.lockedUntil ?? undefined,
      state,
    },
    withBody,
  );
}
