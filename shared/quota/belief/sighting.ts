import type { LimitHeaders } from "../../model/quota-headers.ts";
import {
  CAREFUL_SECONDS,
  DEFAULT_WINDOW_MS,
  flow,
  LEAST_FLOW_SHARE,
  type LimitBelief,
  type Mark,
  uncounted,
  type Window,
} from "./limit-belief.ts";

/** How much of a difference between belief and header is believed at once; after how long half of a drain is. */
const LEVEL_GAIN = 0.15;
const DRAIN_HALF_SECONDS = 2;
/** A bucket that may have got so full in between may have been overflowing. */
const FULL_SHARE = 0.98;
/** A bucket that says it is full in so long. */
const SHORT_BUCKET_MS = 3_000;
/** Of what should have flowed back, as long as it is not known how: a stranger may take the other half. */
const UNKNOWN_FLOW_SHARE = 0.5;
const LEAST_DRAIN_SHARE = -0.5;
/** Of calls let go together, so large a share may arrive before or after one of them; a few do no harm. */
const BURST_NOISE = 0.6;
const SMALL_BURST_CALLS = 6;
/** The shape is decided once so much should have flowed back: seconds of the rate, and calls. */
const LEAST_EVIDENCE_SECONDS = 0.7;
const MOST_EVIDENCE_SECONDS = 3;
/** Of the time it takes to fill what was seen: where there is plenty, there is time to make sure. */
const EVIDENCE_SHARE = 0.15;
const EVIDENCE_CALLS = 3;
/** Of what should have flowed back: above it is a bucket, below it a window. */
const BUCKET_SHARE = 0.35;
const WINDOW_SHARE = 0.15;
/**
 * A window as short as this is spent as well by keeping to its rate. What looks like one may be a bucket seen through
 * calls that were long on their way, and would never be seen to be one again: too little comes back within it.
 */
const SHORT_WINDOW_MS = 1_000;
/** That nothing flows back takes longer to tell: a stranger may take the half of it. */
const WINDOW_EVIDENCE_SECONDS = 1.4;
/** A decided shape is given up only for so many times the evidence. */
const CHANGE_EVIDENCE = 8;
/** Headers name whole seconds, rounded up. */
const HEADER_STEP_MS = 1_000;
/** In a window nothing flows back: so many calls, let go this much later than one that saw less, show that it is none. */
const RISEN_CALLS = 3;
const SURELY_LATER_MS = 500;
const MOST_FACTOR = 3;
/** Of a window's calls so large a share must have come back quietly before the factor is learnt from it. */
const LEARNING_SHARE = 0.3;
const LEAST_DOUBT = 0.005;
/** After so many answers without headers none are expected: a bucket of one second, or of the catalogue's window. */
const SILENT_ANSWERS = 20;
/** A refusal without headers lowers the rate by this factor, once in so long. */
const LOWERED_FACTOR = 0.85;
const LOWERED_EVERY_MS = 1_000;

/**
 * Corrects a belief by what an answer said.
 * @param b the belief at the time the answer came
 * @param mark when and after what the call was let go: the headers are of that moment, not of the answer's
 * @param amount what was estimated for the call; 0 for a refused one
 */
export function observe(b: LimitBelief, headers: LimitHeaders, mark: Mark, amount: number): LimitBelief {
  const { ceiling_per_second: ceiling } = b;
  const limit = headers.per_minute === null ? null : headers.per_minute / 60;
  // The catalogue keeps room for others: the headers tell of a larger quota than ours, so only a lack counts.
  if (limit !== null && ceiling !== null && limit > ceiling * 1.05) {
    const left = headers.left - (b.spent - mark.spent) * b.factor;
    const shaped = b.shape === "unknown" ? asBucket(b, b.per_second) : b;
    return left < b.level ? { ...shaped, level: left } : shaped;
  }
  let next = limit === null ? b : withRate(b, Math.min(limit, ceiling ?? limit));
  const longest = Math.max(next.window_ms ?? 0, headers.reset_ms ?? 0);
  next = { ...next, window_ms: longest === 0 ? null : longest };
  next = { ...judged(next, headers, mark, amount), silent_answers: 0 };
  next =
    next.shape === "window"
      ? correctWindow(next, headers, mark, amount)
      : correctBucket(next, headers, mark, amount);
  if (next.seen !== null && next.seen.at_ms > mark.arrived_ms) return next;
  const full = headers.reset_ms === null ? {} : { full_ms: mark.arrived_ms + headers.reset_ms };
  const { arrived_ms: at_ms, spent } = mark;
  return {
    ...next,
    most_seen: Math.max(next.most_seen, headers.left + amount * next.factor),
    seen: { at_ms, spent, left: headers.left, rough: isRough(mark, amount), ...full },
  };
}

/** An answer that let the call in and said nothing of this quota. */
export function unsaid(b: LimitBelief): LimitBelief {
  const silent_answers = b.silent_answers + 1;
  if (b.shape !== "unknown" || silent_answers < SILENT_ANSWERS) return { ...b, silent_answers };
  const seconds = b.window_ms === null ? 1 : b.window_ms / 1000;
  return { ...asBucket(b, b.per_second * seconds), silent_answers };
}

/** A refusal that said no more than when to come again: nothing is there until then, and the rate was too high. */
export function refused(b: LimitBelief, retryAfterMs: number, nowMs: number): LimitBelief {
  const lowers = nowMs - b.lowered_ms > LOWERED_EVERY_MS;
  const per_second = lowers ? b.per_second * LOWERED_FACTOR : b.per_second;
  const shaped = b.shape === "unknown" ? asBucket(b, b.capacity) : b;
  const level = Math.min(b.level, -(flow(b) * Math.min(retryAfterMs, LOWERED_EVERY_MS)) / 1000);
  if (b.shape === "window") return { ...b, level: Math.min(b.level, 0) };
  return { ...shaped, per_second, level, lowered_ms: lowers ? nowMs : b.lowered_ms };
}

function asBucket(b: LimitBelief, capacity: number): LimitBelief {
  return { ...b, shape: "bucket", capacity: Math.max(1, capacity), window: null };
}

function withRate(b: LimitBelief, perSecond: number): LimitBelief {
  if (Math.abs(perSecond - b.per_second) < b.per_second * 0.01) return b;
  const known = b.shape === "unknown" ? perSecond * CAREFUL_SECONDS : (b.capacity * perSecond) / b.per_second;
  const capacity = Math.max(1, known);
  return {
    ...b,
    per_second: perSecond,
    capacity,
    level: Math.min(b.level, capacity),
    drain_per_second: 0,
    expected: 0,
    grown: 0,
    lowered_ms: 0,
  };
}

/** Let go with so many others that what had arrived before it is not known. */
function isRough(mark: Mark, amount: number): boolean {
  return mark.burst > SMALL_BURST_CALLS * amount;
}

/** Between two sightings of a bucket what is left grows by its rate besides what was taken; of a window it does not. */
function judged(b: LimitBelief, headers: LimitHeaders, mark: Mark, amount: number): LimitBelief {
  const { seen } = b;
  if (b.shape === "window" || seen === null || mark.arrived_ms < seen.at_ms) return b;
  const taken = (mark.spent - mark.uncounted - seen.spent) * b.factor;
  const inTime = (b.per_second * (mark.arrived_ms - seen.at_ms)) / 1000;
  // No more flows back than there is room for.
  const shouldGrow = Math.max(0, Math.min(inTime, Math.max(0, b.most_seen - seen.left) + taken));
  const grew = headers.left + taken - seen.left;
  if (isRough(mark, amount) || seen.rough === true) return b;
  // A new window began: that says nothing.
  if (grew > 2 * shouldGrow + EVIDENCE_CALLS * amount) return b;
  const next = { ...b, expected: b.expected + shouldGrow, grown: b.grown + grew };
  const seconds = (b.most_seen / b.per_second) * EVIDENCE_SHARE;
  const evidenceSeconds = Math.min(Math.max(seconds, LEAST_EVIDENCE_SECONDS), MOST_EVIDENCE_SECONDS);
  const enough = Math.max(b.per_second * evidenceSeconds, EVIDENCE_CALLS * amount);
  if (next.expected < enough * (b.shape === "unknown" ? 1 : CHANGE_EVIDENCE)) return next;
  const share = next.grown / next.expected;
  const anew = { ...next, expected: 0, grown: 0 };
  if (share > BUCKET_SHARE && b.shape !== "bucket") {
    const drained = b.per_second * Math.min(Math.max(0, 1 - share), 1 - LEAST_FLOW_SHARE);
    return turnedBucket({ ...anew, drain_per_second: drained }, headers, mark);
  }
  if (b.shape === "unknown" && next.expected < b.per_second * WINDOW_EVIDENCE_SECONDS) return next;
  if (share < WINDOW_SHARE) {
    const lengthMs = b.window_ms ?? DEFAULT_WINDOW_MS;
    if (lengthMs > SHORT_WINDOW_MS) return turnedWindow(anew, headers, mark);
    return b.shape === "bucket" ? anew : turnedBucket(anew, headers, mark);
  }
  return anew;
}

function turnedBucket(b: LimitBelief, headers: LimitHeaders, mark: Mark): LimitBelief {
  const bucket = asBucket(b, Math.max(headers.left, b.most_seen));
  const flowed = (flow(bucket) * (b.at_ms - mark.arrived_ms)) / 1000;
  const level = headers.left + flowed - (b.spent - mark.spent) * b.factor;
  return { ...bucket, level: Math.min(bucket.capacity, level) };
}

function turnedWindow(b: LimitBelief, headers: LimitHeaders, mark: Mark): LimitBelief {
  const level = headers.left - (b.spent - mark.spent) * b.factor;
  const capacity = Math.max(level, b.most_seen, 1);
  const window = {
    began_ms: 0,
    began_spent: b.spent - (capacity - level) / b.factor,
    ends_ms: mark.arrived_ms + (headers.reset_ms ?? b.window_ms ?? DEFAULT_WINDOW_MS),
    ends_exact: mark.exact,
    least_left: headers.left,
    least_ms: mark.at_ms,
    risen: 0,
  };
  const pending = b.spent - mark.spent;
  return { ...b, shape: "window", level, capacity, window, pending, unsure: pending, drain_per_second: 0 };
}

/** What of a difference is more than the noise explains. */
function beyond(difference: number, noise: number): number {
  return Math.sign(difference) * Math.max(0, Math.abs(difference) - Math.max(0, noise));
}

/**
 * What is left of a bucket now, by what it was when a call arrived. What flows back finds no room in a full bucket,
 * unless what was taken meanwhile made some: a short one has been filled and emptied before an answer is heard of; of a
 * larger one it is not reckoned with, for there is plenty.
 */
function leftNow(b: LimitBelief, left: number, capacity: number, mark: Mark): number {
  const taken = (b.spent - mark.spent) * b.factor;
  // That estimates are too high is not reckoned with for what is still under way.
  const perSecond = Math.min(flow(b), b.per_second);
  const flowed = (perSecond * (b.at_ms - mark.arrived_ms)) / 1000;
  // While the shape is unknown there may be more than is used of it at once: only a lack says something.
  if (b.shape === "unknown") return left + UNKNOWN_FLOW_SHARE * flowed - taken;
  const isShort = b.window_ms !== null && b.window_ms <= SHORT_BUCKET_MS;
  return Math.min(isShort ? capacity + taken : capacity, left + flowed) - taken;
}

function correctBucket(b: LimitBelief, headers: LimitHeaders, mark: Mark, amount: number): LimitBelief {
  const capacity = Math.max(b.capacity, headers.left);
  const left = leftNow(b, headers.left, capacity, mark);
  if (b.shape === "unknown") return { ...b, level: Math.min(b.level, left) };
  const difference = beyond(
    left - b.level,
    BURST_NOISE * (mark.burst - SMALL_BURST_CALLS * amount) * b.factor,
  );
  return {
    ...b,
    capacity,
    level: Math.min(capacity, b.level + LEVEL_GAIN * difference),
    drain_per_second: drainBetween(b, headers, mark),
  };
}

/**
 * What flowed back too little, or too much, from one sighting to the next. Not from what was believed to be there: that
 * reckons with the drain, so where answers take long an error in it would confirm itself.
 */
function drainBetween(b: LimitBelief, headers: LimitHeaders, mark: Mark): number {
  const { seen, drain_per_second: drain } = b;
  if (seen === null || mark.arrived_ms <= seen.at_ms) return drain;
  const seconds = (mark.arrived_ms - seen.at_ms) / 1000;
  const flowed = headers.left - seen.left + (mark.spent - mark.uncounted - seen.spent) * b.factor;
  const weight = 1 - 0.5 ** (seconds / DRAIN_HALF_SECONDS);
  // A moment's difference says little: it is weighed by how long it took.
  const measured = b.per_second - flowed / seconds;
  if (measured > drain && seen.left + flow(b) * seconds >= b.capacity * FULL_SHARE) return drain;
  const next = drain + weight * (measured - drain);
  return Math.min(Math.max(next, b.per_second * LEAST_DRAIN_SHARE), b.per_second * (1 - LEAST_FLOW_SHARE));
}

/**
 * Calls of a burst overtake each other, so what one of them saw left says little of the rest. Once all have come back
 * the least that was seen is what is left, and the whole burst tells how the server counts.
 */
function correctWindow(b: LimitBelief, headers: LimitHeaders, mark: Mark, amount: number): LimitBelief {
  const ends = mark.arrived_ms + (headers.reset_ms ?? b.window_ms ?? DEFAULT_WINDOW_MS);
  // Of a window that is over: it says nothing of this one.
  if (b.window === null || mark.at_ms < b.window.began_ms || ends <= b.at_ms) return b;
  if (isOfTheOneBefore(b.window, headers, mark)) return uncounted(b, amount);
  const before = b.window.least_left ?? Infinity;
  const rose =
    headers.left > before + EVIDENCE_CALLS * amount && mark.at_ms > b.window.least_ms + SURELY_LATER_MS;
  const risen = b.window.risen + (rose ? 1 : 0);
  if (risen >= RISEN_CALLS) return turnedBucket(b, headers, mark);
  const least_left = Math.min(headers.left, before);
  const least_ms = headers.left < before ? mark.at_ms : b.window.least_ms;
  const window = { ...b.window, least_left, least_ms, risen, ...endOf(b.window, ends, mark.exact) };
  const pending = Math.max(0, b.pending - amount);
  const next = { ...b, window, pending, level: Math.min(b.level, least_left) };
  return pending > 0 ? next : quietWindow(next, least_left);
}

/**
 * A call that came a moment too early met the end of the window before, which headers round up to a second: taken for
 * this one's, all of it would be sent again then. This one has its whole length before it.
 */
function isOfTheOneBefore(window: Window, { reset_ms }: LimitHeaders, mark: Mark): boolean {
  const sinceMs = mark.arrived_ms - window.began_ms;
  return reset_ms !== null && reset_ms <= HEADER_STEP_MS && sinceMs < HEADER_STEP_MS;
}

/** The earliest end that a call tells of: headers round up. Of calls whose arrival is reckoned only, the latest. */
function endOf(window: Window, ends: number, exact: boolean): Pick<Window, "ends_ms" | "ends_exact"> {
  const { ends_ms, ends_exact } = window;
  if (exact) return { ends_ms: ends_exact ? Math.min(ends_ms, ends) : ends, ends_exact: true };
  return { ends_ms: ends_exact ? ends_ms : Math.min(ends_ms, ends), ends_exact };
}

function quietWindow(b: LimitBelief, left: number): LimitBelief {
  if (b.doubt === 0) return { ...b, level: left, unsure: 0 };
  const estimated = b.spent - (b.window?.began_spent ?? b.spent);
  const counted = b.capacity - left;
  if (estimated * b.factor < b.capacity * LEARNING_SHARE || counted <= 0)
    return { ...b, level: left, unsure: 0 };
  const factor = Math.min(Math.max(counted / estimated, 1 / MOST_FACTOR), MOST_FACTOR);
  const change = Math.abs(factor / b.factor - 1);
  return { ...b, factor, level: left, unsure: 0, doubt: Math.max(LEAST_DOUBT, Math.min(b.doubt, change)) };
}
