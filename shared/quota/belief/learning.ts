import type { LimitHeaders } from "../../model/quota-headers.ts";
import {
  type Belief,
  type Bucket,
  bucketOf,
  DEFAULT_WINDOW_MS,
  flow,
  isLong,
  LEAST_FLOW_SHARE,
  SILENT_ANSWERS,
  since,
  type Unknown,
  type Window,
  wholeOf,
  withRate,
} from "./belief.ts";
import { EVIDENCE_CALLS, endOf, inWindow, type Mark, windowOf } from "./window.ts";

/** So much of a difference between belief and header is believed at once, and half of a drain after so long. */
const LEVEL_GAIN = 0.15;
const DRAIN_HALF_SECONDS = 2;
const LEAST_DRAIN_SHARE = -0.5;
/** A refusal without headers may raise the drain by so much of the rate. */
const DRAIN_STEP_SHARE = 0.15;
/** And makes shy by so much of it: what is there is not seen before the next one. */
const SHY_SHARE = 0.015;
/** Where nobody named a limit, it lowers the rate that was made up by this factor. */
const LOWERED_FACTOR = 0.85;
const LOWERED_EVERY_MS = 1_000;
/** A bucket that may have got so full in between may have been overflowing. */
const FULL_SHARE = 0.98;
/** A bucket that says it is full in so long. */
const SHORT_BUCKET_MS = 3_000;
/** So much is reckoned with of what should flow back while it is not known how: a stranger may take the rest. */
const UNKNOWN_FLOW_SHARE = 0.5;
/** So large a share of calls let go together may arrive before or after one of them; a few do no harm. */
const BURST_NOISE = 0.6;
const SMALL_BURST_CALLS = 6;
/** The shape is decided once so much should have flowed back: seconds of the rate, and calls. */
const LEAST_EVIDENCE_SECONDS = 0.7;
const MOST_EVIDENCE_SECONDS = 3;
/** A share of the time it takes to fill what was seen: where there is plenty, there is time to make sure. */
const EVIDENCE_SHARE = 0.15;
/** Above this share of what should have flowed back it is a bucket, below that one a window. */
const BUCKET_SHARE = 0.35;
const WINDOW_SHARE = 0.15;
/** That nothing flows back takes longer to tell: a stranger may take the half of it. */
const WINDOW_EVIDENCE_SECONDS = 1.4;
/** A decided shape is given up only for so many times the evidence. */
const CHANGE_EVIDENCE = 8;
/** Of a window's length, so much at least lies between its first call and its end. */
const SAME_WINDOW_SHARE = 0.9;
/** A refusal tells a window's end where it asks to wait so many times as long as a bucket needs for the call. */
const WINDOW_WAIT_TIMES = 4;
const WINDOW_WAIT_MS = 250;

/** What an answer's headers teach. @param b the belief at the time the answer came */
export function observe(b: Belief, headers: LimitHeaders, mark: Mark): Belief {
  const { ceiling_per_second: ceiling } = b;
  const limit = headers.per_minute === null ? null : headers.per_minute / 60;
  // The catalogue keeps room for others: the headers tell of a larger quota than ours, so only a lack counts.
  if (limit !== null && ceiling !== null && limit > ceiling * 1.05) {
    const shaped = b.shape === "unknown" ? bucketOf(b, b.per_second) : b;
    return { ...shaped, level: Math.min(shaped.level, headers.left - since(b, mark)) };
  }
  const rated = limit === null ? b : withRate(b, Math.min(limit, ceiling ?? limit));
  const longest = Math.max(rated.window_ms ?? 0, headers.reset_ms ?? 0);
  const told = { ...rated, window_ms: longest === 0 ? null : longest };
  const next = told.shape === "window" ? told : judged(told, headers, mark);
  if (next.shape === "window") {
    const corrected = inWindow(next, headers, mark);
    return corrected === "none" ? turnedBucket(next, headers, mark) : corrected;
  }
  const corrected = next.shape === "bucket" ? inBucket(next, headers, mark) : inUnknown(next, headers, mark);
  return saw(corrected, headers, mark);
}

/** Let go with so many others that what had arrived before it is not known. */
function isRough({ burst, amount, refused }: Mark): boolean {
  return refused || burst > SMALL_BURST_CALLS * amount;
}

function saw<B extends Unknown | Bucket>(b: B, { left, reset_ms }: LimitHeaders, mark: Mark): B {
  const { arrived_ms: at_ms, spent, amount } = mark;
  if (b.seen !== null && b.seen.at_ms > at_ms) return b;
  const full = reset_ms === null ? {} : { full_ms: at_ms + reset_ms };
  const most_seen = Math.max(b.most_seen, left + (mark.refused ? 0 : amount));
  return { ...b, most_seen, seen: { at_ms, spent, left, rough: isRough(mark), ...full } };
}

function turnedBucket(b: Belief, headers: LimitHeaders, mark: Mark, drain = 0): Bucket {
  const most = b.shape === "window" ? b.capacity : b.most_seen;
  const bucket = { ...bucketOf(b, Math.max(headers.left, most)), drain_per_second: drain };
  const flowed = (flow(bucket) * (b.at_ms - mark.arrived_ms)) / 1000;
  return { ...bucket, level: Math.min(bucket.capacity, headers.left + flowed - since(b, mark)) };
}

/** Between two sightings of a bucket what is left grows by its rate besides what was taken; of a window it does not. */
function judged(b: Unknown | Bucket, headers: LimitHeaders, mark: Mark): Belief {
  const { seen } = b;
  const asWindow = (by: Unknown | Bucket): Belief => {
    // What looks like so short a window may be a bucket seen through calls that were long on their way.
    if (!isLong(b.window_ms ?? DEFAULT_WINDOW_MS))
      return b.shape === "bucket" ? by : turnedBucket(by, headers, mark);
    const level = headers.left - since(by, mark);
    return windowOf(by, { level, capacity: Math.max(level, by.most_seen, 1) }, headers, mark);
  };
  if (seen === null || mark.arrived_ms < seen.at_ms || isRough(mark) || seen.rough === true) return b;
  const taken = mark.spent - seen.spent;
  const inTime = (b.per_second * (mark.arrived_ms - seen.at_ms)) / 1000;
  // No more flows back than there is room for.
  const shouldGrow = Math.max(0, Math.min(inTime, Math.max(0, b.most_seen - seen.left) + taken));
  const grew = headers.left + taken - seen.left;
  // A new window began: that says nothing.
  if (grew > 2 * shouldGrow + EVIDENCE_CALLS * mark.amount) return b;
  const next = { ...b, expected: b.expected + shouldGrow, grown: b.grown + grew };
  const seconds = (b.most_seen / b.per_second) * EVIDENCE_SHARE;
  const evidenceSeconds = Math.min(Math.max(seconds, LEAST_EVIDENCE_SECONDS), MOST_EVIDENCE_SECONDS);
  const enough = Math.max(b.per_second * evidenceSeconds, EVIDENCE_CALLS * mark.amount);
  if (next.expected < enough * (b.shape === "unknown" ? 1 : CHANGE_EVIDENCE)) return next;
  const share = next.grown / next.expected;
  const anew = { ...next, expected: 0, grown: 0 };
  if (share > BUCKET_SHARE && b.shape === "unknown") {
    const drain = b.per_second * Math.min(Math.max(0, 1 - share), 1 - LEAST_FLOW_SHARE);
    return turnedBucket(anew, headers, mark, drain);
  }
  if (b.shape === "unknown" && next.expected < b.per_second * WINDOW_EVIDENCE_SECONDS) return next;
  return share < WINDOW_SHARE ? asWindow(anew) : anew;
}

/** While the shape is unknown there may be more than is used of it at once: only a lack says something. */
function inUnknown(b: Unknown, { left }: LimitHeaders, mark: Mark): Unknown {
  const flowed = (Math.min(flow(b), b.per_second) * (b.at_ms - mark.arrived_ms)) / 1000;
  const there = left + UNKNOWN_FLOW_SHARE * flowed - since(b, mark);
  return { ...b, silent_answers: 0, level: Math.min(b.level, there) };
}

/**
 * What is left of a bucket now, by what it was when a call arrived. What flows back finds no room in a full bucket,
 * unless what was taken meanwhile made some: a short one has been filled and emptied before an answer is heard of; of a
 * larger one it is not reckoned with, for there is plenty.
 */
function inBucket(b: Bucket, headers: LimitHeaders, mark: Mark): Bucket {
  const capacity = Math.max(b.capacity, headers.left);
  const taken = since(b, mark);
  // That estimates are too high is not reckoned with for what is still under way.
  const flowed = (Math.min(flow(b), b.per_second) * (b.at_ms - mark.arrived_ms)) / 1000;
  const isShort = b.window_ms !== null && b.window_ms <= SHORT_BUCKET_MS;
  const left = Math.min(isShort ? capacity + taken : capacity, headers.left + flowed) - taken;
  const noise = Math.max(
    0,
    BURST_NOISE * (mark.burst - (mark.refused ? 0 : SMALL_BURST_CALLS * mark.amount)),
  );
  const difference = left - b.level;
  const beyond = Math.sign(difference) * Math.max(0, Math.abs(difference) - noise);
  const level = Math.min(capacity, b.level + LEVEL_GAIN * beyond);
  return { ...b, capacity, level, drain_per_second: drainBetween(b, headers.left, mark) };
}

/**
 * What flowed back too little, or too much, from one sighting to the next. Not from what was believed to be there: that
 * reckons with the drain, so where answers take long an error in it would confirm itself.
 */
function drainBetween(b: Bucket, left: number, mark: Mark): number {
  const { seen, drain_per_second: drain, per_second } = b;
  if (seen === null || mark.arrived_ms <= seen.at_ms) return drain;
  const seconds = (mark.arrived_ms - seen.at_ms) / 1000;
  const flowed = left - seen.left + mark.spent - (mark.refused ? mark.amount : 0) - seen.spent;
  const weight = 1 - 0.5 ** (seconds / DRAIN_HALF_SECONDS);
  // A moment's difference says little: it is weighed by how long it took.
  const measured = per_second - flowed / seconds;
  if (measured > drain && seen.left + flow(b) * seconds >= b.capacity * FULL_SHARE) return drain;
  const next = drain + weight * (measured - drain);
  return Math.min(Math.max(next, per_second * LEAST_DRAIN_SHARE), per_second * (1 - LEAST_FLOW_SHARE));
}

/** An answer let its call in and said nothing of this quota. */
export function unsaid(b: Belief, mark: Mark): Belief {
  if (b.shape === "bucket") return b;
  if (b.shape === "window") {
    const pending = Math.max(0, b.pending - mark.amount);
    return { ...b, pending, unsure: pending === 0 ? 0 : b.unsure, window: begunBy(b, mark) };
  }
  const silent_answers = b.silent_answers + 1;
  const { window_ms, began, at_ms } = b;
  // Nobody has refused more than a window holds: it is none.
  const isOver = began !== undefined && window_ms !== null && at_ms >= began.at_ms + window_ms;
  if (silent_answers < SILENT_ANSWERS || (isLong(window_ms) && !isOver)) return { ...b, silent_answers };
  return bucketOf(b, wholeOf(b));
}

/**
 * Where nobody names a window's end, it is its length after the first of its calls arrived: some time after that was
 * let go. What a refusal has named is not put off.
 */
function begunBy({ window, window_ms, silent }: Window, mark: Mark): Window["window"] {
  const isOfIt = window !== null && mark.at_ms >= window.began_ms;
  if (!isOfIt || window_ms === null || silent !== true || !mark.exact) return window;
  const ends = mark.arrived_ms + window_ms;
  const isReckoned = window.ends_ms === window.began_ms + window_ms;
  return { ...window, ends_ms: isReckoned ? ends : Math.min(window.ends_ms, ends), ends_exact: true };
}

/**
 * A refusal said no more than when to come again.
 * @param b the belief without the call
 * @param retryAfterMs null: not even that
 * @param isCause whether this kind of quota was used up, as far as can be told
 */
export function refused(b: Belief, retryAfterMs: number | null, mark: Mark, isCause: boolean): Belief {
  const waitMs = retryAfterMs ?? 0;
  if (b.shape === "unknown") {
    const flowsMs = Math.max(WINDOW_WAIT_MS, (mark.amount / b.per_second) * 1000);
    const isWindow = isLong(b.window_ms) && waitMs > WINDOW_WAIT_TIMES * flowsMs;
    const capacity = wholeOf(b);
    const level = capacity - (b.spent - (b.began?.spent ?? b.spent));
    if (!isWindow) return refused(bucketOf(b, capacity), retryAfterMs, mark, isCause);
    const shaped = windowOf(b, { level, capacity }, { left: level, reset_ms: retryAfterMs }, mark);
    // Which window it is that refuses is judged by when the one that is reckoned with began.
    const window = shaped.window && { ...shaped.window, began_ms: b.began?.at_ms ?? 0 };
    return inSilentWindow({ ...shaped, window }, retryAfterMs, mark, isCause);
  }
  if (b.shape === "window") return inSilentWindow(b, retryAfterMs, mark, isCause);
  if (!isCause) return b;
  if (b.ceiling_per_second === null) return lowered(b, waitMs, mark);
  const fits = Math.min(mark.amount, b.capacity);
  const left = fits - (waitMs / 1000) * b.per_second;
  const most = b.drain_per_second + b.per_second * DRAIN_STEP_SHARE;
  const drain = Math.min(most, drainBetween(b, left, mark) + b.per_second * SHY_SHARE);
  const drained = { ...b, silent: true, drain_per_second: drain };
  const flowedMs = b.at_ms - mark.arrived_ms - waitMs;
  const level = Math.min(b.level, fits + (flow(drained) * flowedMs) / 1000 - since(b, mark));
  return saw({ ...drained, level }, { per_minute: null, left, reset_ms: null }, mark);
}

/**
 * What was used of a window until it refuses is what it holds, if it is the one that is reckoned with here. A call that
 * came a moment too early met the end of the one before, most of which was used before.
 */
function inSilentWindow(b: Window, retryAfterMs: number | null, mark: Mark, isCause: boolean): Window {
  const level = isCause ? Math.min(b.level, 0) : b.level;
  if (b.window === null || retryAfterMs === null) return { ...b, level };
  const ends = mark.arrived_ms + retryAfterMs;
  const lengthMs = b.window_ms ?? DEFAULT_WINDOW_MS;
  const isAnother = ends - b.window.began_ms < lengthMs * SAME_WINDOW_SHARE;
  const whole = { began_spent: b.spent - (b.capacity - level) / b.factor };
  const window = { ...b.window, ...endOf(b.window, ends, mark.exact), ...(isAnother ? whole : {}) };
  return { ...b, silent: true, level, window };
}

function lowered(b: Bucket, waitMs: number, mark: Mark): Bucket {
  const isNew = b.seen === null || mark.arrived_ms - b.seen.at_ms > LOWERED_EVERY_MS;
  const per_second = isNew ? b.per_second * LOWERED_FACTOR : b.per_second;
  const level = Math.min(b.level, (-flow(b) * Math.min(waitMs, LOWERED_EVERY_MS)) / 1000);
  const next = { ...b, per_second, level, silent: true };
  return isNew ? saw(next, { per_minute: null, left: 0, reset_ms: null }, mark) : next;
}
