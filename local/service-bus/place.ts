/**
 * Where a message is, as part of its row's key: `id = (queue number * 8 + place) * 2^40 + sequence number`.
 * So a queue's messages of one state lie together and in order, and no second index is kept for the usual path.
 */
export const PLACE = {
  ready: 0,
  deferred: 1,
  scheduled: 2,
  dead: 4,
  deadDeferred: 5,
  transferDead: 6,
  transferDeferred: 7,
} as const;
export type Place = (typeof PLACE)[keyof typeof PLACE];

/** A queue's own messages, its dead letters, and what it could not forward (nothing: that always works here). */
export const PARTS = {
  main: { suffix: "", ready: PLACE.ready, deferred: PLACE.deferred },
  dead: { suffix: "/$DeadLetterQueue", ready: PLACE.dead, deferred: PLACE.deadDeferred },
  transfer: {
    suffix: "/$Transfer/$DeadLetterQueue",
    ready: PLACE.transferDead,
    deferred: PLACE.transferDeferred,
  },
} as const;

const PLACES_PER_QUEUE = 8;
/** 2^40 messages a queue; ids stay below 2^53, which a JavaScript number holds exactly. */
const SEQUENCES = 2 ** 40;

export function rowId(queueNumber: number, place: Place, sequence: number): number {
  return (queueNumber * PLACES_PER_QUEUE + place) * SEQUENCES + sequence;
}

export function sequenceOf(id: number): number {
  return id % SEQUENCES;
}

export function placeOf(id: number): Place {
  return (Math.floor(id / SEQUENCES) % PLACES_PER_QUEUE) as Place;
}

export function queueNumberOf(id: number): number {
  return Math.floor(id / SEQUENCES / PLACES_PER_QUEUE);
}

/** First and last id a place can have. */
export function placeRange(queueNumber: number, place: Place): { first: number; last: number } {
  const first = rowId(queueNumber, place, 0);
  return { first, last: first + SEQUENCES - 1 };
}
