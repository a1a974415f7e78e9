import { z } from "zod";
import { clamped } from "../../bounds.ts";
import { MAX_CLOCKS_APART_MS } from "../../limits.ts";

/**
 * What is believed of one kind of quota (requests, or tokens) of a pool, by how it is enforced. Stored under these
 * names; amounts in units of that kind, times in Unix ms. How answers change a belief: learning.ts.
 */
const KNOWN = {
  /** The catalogue's, which is never exceeded; null: it names none. */
  ceiling_per_second: z.number().nullable(),
  per_second: z.number().positive(),
  /** Over how long the limit is counted; null: unknown. */
  window_ms: z.number().nullable(),
  capacity: z.number().positive(),
  /** There at `at_ms`; below zero after a call larger than all that can be there. */
  level: z.number(),
  at_ms: z.number(),
  /** All that was ever taken, as estimated: two readings tell what was taken in between. */
  spent: z.number(),
};

/** What was left just after a call had been let in. */
const sighting = z.object({
  ...{ at_ms: z.number(), spent: z.number(), left: z.number() },
  /** It tells no shape: what had been spent when the call arrived is not known. */
  rough: z.boolean().optional(),
  /** When all is there again, by the answer's own word. */
  full_ms: z.number().optional(),
});

/** Between sightings: how quota flows back tells a bucket from a window. */
const EVIDENCE = {
  seen: sighting.nullable(),
  most_seen: z.number(),
  /** What should have flowed back between sightings of a bucket, and what did. */
  expected: z.number(),
  grown: z.number(),
};

/** Not known yet how it is enforced: it is paced a little below its rate. */
const unknown = z.object({
  ...{ ...KNOWN, ...EVIDENCE, shape: z.literal("unknown") },
  /** Answers that said nothing of this quota, since one last did. */
  silent_answers: z.number(),
  /** Where a window may have begun, and what had been spent then. Absent: how long one is is not known. */
  began: z.object({ at_ms: z.number(), spent: z.number() }).optional(),
});

/** What flows back steadily. */
const bucket = z.object({
  ...{ ...KNOWN, ...EVIDENCE, shape: z.literal("bucket") },
  /** What others take of it a second, and what estimates miss; below zero where estimates are too high. */
  drain_per_second: z.number(),
  /** Answers say nothing of this quota: refusals alone tell what is left. */
  silent: z.boolean().optional(),
});

/** So much in each stretch of time: nothing flows back before its end. */
const window = z.object({
  ...{ ...KNOWN, shape: z.literal("window") },
  /** What the server counts for each unit estimated here. */
  factor: z.number().positive(),
  /** How far the server's count may be above ours, as a share: learnt from windows whose calls have all come back. */
  doubt: z.number(),
  /** What was taken in this window and no answer has told of yet. */
  pending: z.number(),
  /** What was taken in this window since all calls were last back, so that the level was sure. */
  unsure: z.number(),
  /** Answers say nothing of this quota: a refusal alone tells how much there was, and when it ends. */
  silent: z.boolean().optional(),
  window: z
    .object({
      ...{ began_ms: z.number(), began_spent: z.number(), ends_ms: z.number() },
      /** Whether `ends_ms` is by a call whose arrival is known. */
      ends_exact: z.boolean(),
      /** The least that was seen to be left, and when the call was let go that saw it; null: nothing was seen. */
      least_left: z.number().nullable(),
      least_ms: z.number(),
      /** Later calls that saw more: in a window there are none. */
      risen: z.number(),
    })
    .nullable(),
});

export const beliefSchema = z.discriminatedUnion("shape", [unknown, bucket, window]);
export type Unknown = Readonly<z.infer<typeof unknown>>;
export type Bucket = Readonly<z.infer<typeof bucket>>;
export type Window = Readonly<z.infer<typeof window>>;
export type Belief = Unknown | Bucket | Window;

/** Before anything is known: what may go at once, in seconds of the rate; and the share of the rate used. */
const CAREFUL_SECONDS = 0.5;
const CAREFUL_SHARE = 0.95;
/** Where answers say nothing, a window that is used up early tells when it ends: so many times the rate is tried. */
const PROBE_SHARE = 2;
export const SILENT_ANSWERS = 5;
/** What is not known to be there is not waited for any longer. */
const MOST_NOTHING_MS = 3_000;
/** Kept back of a bucket, in seconds of its rate: calls overtake each other on the way. Of a window: a share. */
const RESERVE_SECONDS = 0.12;
const RESERVE_SHARE = 0.15;
const WINDOW_RESERVE_SHARE = 0.003;
/** After a window's end, before its next one is counted on; where no answer names that end, a share of its length. */
const WINDOW_GUARD_MS = 60;
const SILENT_GUARD_SHARE = 0.01;
/** Where nothing says how long a window is: limits are so much a minute. */
export const DEFAULT_WINDOW_MS = 60_000;
/** A window as short as this is spent as well by keeping to its rate. */
const SHORT_WINDOW_MS = 1_000;
/** A silent window that was not found too small may hold more by so much, up to what the catalogue says. */
const SILENT_GROWTH_SHARE = 0.01;
/** A rate that nobody names, made up when it refused, grows by this share a second. */
const GUESS_GROWTH_SHARE = 0.01;
/** However much others take, this share of the rate is tried for. */
export const LEAST_FLOW_SHARE = 0.05;
/** Nobody's limit is less than one a minute, nor counted over more than an hour. */
const LEAST_PER_SECOND = 1 / 60;
export const MOST_WINDOW_MS = 3_600_000;
/** Half of the drain is forgotten in so long without news of it; where refusals alone tell of it, in longer. */
const DRAIN_HALF_LIFE_SECONDS = 60;
const SILENT_HALF_LIFE_SECONDS = 300;
/** No call is held back for more than this share of all there can be: else it would never go. */
const MOST_NEEDED_SHARE = 0.98;
/** Limits are so much a minute: what was asked for within it, however much, is forgotten after it. */
const MOST_DEBT_SECONDS = 60;

export interface Limit {
  readonly ceilingPerSecond: number | null;
  readonly perSecond: number;
  readonly windowSeconds?: number | undefined;
  /** The catalogue's. A window is still looked for: nobody knows when it began. */
  readonly shape?: "bucket" | "window" | undefined;
}

export function newBelief(limit: Limit, nowMs: number): Belief {
  const { perSecond, windowSeconds, shape } = limit;
  const unnamedMs = shape === "window" ? DEFAULT_WINDOW_MS : null;
  const careful = carefully(perSecond);
  const belief: Unknown = {
    ...{ shape: "unknown", ceiling_per_second: limit.ceilingPerSecond, per_second: perSecond },
    window_ms: windowSeconds === undefined ? unnamedMs : windowSeconds * 1000,
    ...{ capacity: careful, level: careful, at_ms: nowMs, spent: 0 },
    ...{ seen: null, most_seen: 0, expected: 0, grown: 0, silent_answers: 0 },
  };
  return shape === "bucket" ? bucketOf(belief, wholeOf(belief)) : belief;
}

function carefully(perSecond: number): number {
  return Math.max(1, perSecond * CAREFUL_SECONDS);
}

export function bucketOf(b: Belief, capacity: number): Bucket {
  const { ceiling_per_second, per_second, window_ms, at_ms, spent } = b;
  const whole = Math.max(1, capacity);
  const { seen, most_seen } = b.shape === "window" ? { seen: null, most_seen: b.capacity } : b;
  return {
    ...{ shape: "bucket", ceiling_per_second, per_second, window_ms, at_ms, spent, capacity: whole },
    ...{ level: Math.min(b.level, whole), drain_per_second: 0, seen, most_seen, expected: 0, grown: 0 },
  };
}

/** What may be there at once, where only the catalogue tells over how long a limit is counted. */
export function wholeOf({ per_second, window_ms }: Belief): number {
  return (per_second * (window_ms ?? SHORT_WINDOW_MS)) / 1000;
}

/** A shorter window is as well taken for a bucket. */
export function isLong(windowMs: number | null): boolean {
  return windowMs !== null && windowMs > SHORT_WINDOW_MS;
}

/** Where jobs wait and no answer has told yet what is there: begins as if others had just used it all up. */
export function fromNothing(b: Belief, nowMs: number): Belief {
  if (b.shape !== "unknown" || b.seen !== null || b.silent_answers > 0) return b;
  const level = Math.min(b.level, Math.max(0, b.level - b.per_second * CAREFUL_SECONDS));
  const left = -b.per_second * RESERVE_SECONDS;
  const full_ms = nowMs + MOST_NOTHING_MS;
  return { ...b, level, seen: { at_ms: nowMs, spent: b.spent, left, rough: true, full_ms } };
}

export function withRate(b: Belief, perSecond: number): Belief {
  if (Math.abs(perSecond - b.per_second) < b.per_second * 0.01) return b;
  const capacity = Math.max(1, (b.capacity * perSecond) / b.per_second);
  const rated = { per_second: perSecond, capacity, level: Math.min(b.level, capacity) };
  if (b.shape === "window") return { ...b, ...rated };
  const anew = { ...rated, expected: 0, grown: 0 };
  return b.shape === "bucket" ? { ...b, ...anew, drain_per_second: 0 } : { ...b, ...anew };
}

/** The most that can be there, and the most that a server can hold against us: a minute's flow, or a window's. */
export function mostOf(b: Belief): number {
  const seconds = Math.max(MOST_DEBT_SECONDS, (b.window_ms ?? 0) / 1000);
  return Math.max(1, (b.ceiling_per_second ?? b.per_second) * seconds);
}

/** As it was stored: what no answer and no clock can have taught is set to what it can be. */
export function within(b: Belief, nowMs: number): Belief {
  const ceiling = b.ceiling_per_second ?? Number.MAX_SAFE_INTEGER;
  const per_second = clamped(b.per_second, Math.min(LEAST_PER_SECOND, ceiling), ceiling);
  const window_ms = b.window_ms === null ? null : clamped(b.window_ms, 0, MOST_WINDOW_MS);
  const most = mostOf({ ...b, per_second, window_ms });
  const capacity = Math.min(b.capacity, most);
  const known = { per_second, window_ms, capacity, level: clamped(b.level, -most, capacity) };
  const isAhead = (atMs = 0) => atMs > nowMs + MAX_CLOCKS_APART_MS;
  if (b.shape === "window") {
    const isWrong = isAhead((b.window?.ends_ms ?? 0) - (window_ms ?? DEFAULT_WINDOW_MS));
    return { ...b, ...known, ...(isWrong ? { window: null } : {}) };
  }
  const seen = isAhead(b.seen?.at_ms) ? null : b.seen;
  if (b.shape === "bucket" || !isAhead(b.began?.at_ms)) return { ...b, ...known, seen };
  const { began: _, ...rest } = b;
  return { ...rest, ...known, seen };
}

function factorOf(b: Belief): number {
  return b.shape === "window" ? b.factor : 1;
}

/** What is used a second of what flows back. */
export function flow(b: Unknown | Bucket): number {
  if (b.shape === "bucket")
    return Math.max(b.per_second - b.drain_per_second, b.per_second * LEAST_FLOW_SHARE);
  if (b.silent_answers < SILENT_ANSWERS || !isLong(b.window_ms)) return b.per_second * CAREFUL_SHARE;
  // Were it a window, it would be used up: a call now and then tells.
  const isUsedUp = b.began !== undefined && b.spent - b.began.spent >= wholeOf(b);
  return b.per_second * (isUsedUp ? LEAST_FLOW_SHARE : PROBE_SHARE);
}

export function at(b: Belief, nowMs: number): Belief {
  if (b.at_ms > nowMs + MAX_CLOCKS_APART_MS) {
    // How long ago that was nobody knows: it begins anew.
    const known = { at_ms: nowMs, level: Math.min(b.capacity, Math.max(b.level, carefully(b.per_second))) };
    if (b.shape !== "window") return { ...b, ...known, seen: null };
    return { ...b, ...known, level: b.capacity, window: null, pending: 0, unsure: 0 };
  }
  // A clock a little behind the one that wrote this: nothing is known to have flowed back.
  if (nowMs <= b.at_ms) return b;
  if (b.shape === "window") return windowAt(b, nowMs);
  const seconds = (nowMs - b.at_ms) / 1000;
  const moved = { at_ms: nowMs, level: Math.min(b.capacity, b.level + flow(b) * seconds) };
  if (b.shape === "unknown") return { ...b, ...moved };
  const isSilent = b.silent === true;
  const halfLife = isSilent ? SILENT_HALF_LIFE_SECONDS : DRAIN_HALF_LIFE_SECONDS;
  const growth = isSilent && b.ceiling_per_second === null ? GUESS_GROWTH_SHARE : 0;
  const drain_per_second = b.drain_per_second * 0.5 ** (seconds / halfLife);
  return { ...b, ...moved, drain_per_second, per_second: b.per_second * (1 + growth * seconds) };
}

/** At a window's end all comes back: as much as this one turned out to hold for us. */
function windowAt(b: Window, nowMs: number): Window {
  if (b.window === null || nowMs < b.window.ends_ms + guardMs(b)) return { ...b, at_ms: nowMs };
  const found = Math.max(1, b.level + (b.spent - b.window.began_spent) * b.factor);
  const wasEnough = b.silent === true && b.level > 0;
  const more = wasEnough ? Math.min(wholeOf(b), found * (1 + SILENT_GROWTH_SHARE)) : found;
  const whole = Math.max(found, more);
  return { ...b, at_ms: nowMs, level: whole, capacity: whole, window: null, pending: 0, unsure: 0 };
}

function guardMs({ silent, window_ms }: Window): number {
  const share = silent === true ? SILENT_GUARD_SHARE : 0;
  return Math.max(WINDOW_GUARD_MS, (window_ms ?? DEFAULT_WINDOW_MS) * share);
}

/** When what was taken of the running window lapses; Infinity: none runs. */
export function endsMs(b: Belief | null): number {
  return b?.shape === "window" && b.window !== null ? b.window.ends_ms : Infinity;
}

function reserve(b: Belief): number {
  if (b.shape === "window") return b.capacity * WINDOW_RESERVE_SHARE + b.unsure * b.factor * b.doubt;
  return Math.min(b.per_second * RESERVE_SECONDS, b.capacity * RESERVE_SHARE);
}

/** What must be there for a call: one larger than all that can be there goes once all is. */
function needed(b: Belief, amount: number): number {
  return Math.min(amount * factorOf(b) + reserve(b), b.capacity * MOST_NEEDED_SHARE);
}

function isUntouched(b: Belief): boolean {
  return b.shape === "unknown" && b.spent === 0 && b.level >= 0 && b.seen === null;
}

/**
 * While the shape is unknown, the level says what is safe to try, not what is there: a call larger than it goes all
 * the same. What was last seen left says when that would surely be in vain: no shape gives back more than its rate
 * before all is there again.
 */
function inVainUntilMs(b: Belief, amount: number): number {
  if (b.shape !== "unknown" || b.seen === null) return 0;
  const { at_ms, spent, left, full_ms = Infinity } = b.seen;
  return Math.min(at_ms + ((amount + b.spent - spent - left) / b.per_second) * 1000, full_ms);
}

export function hasRoom(b: Belief, amount: number): boolean {
  return isUntouched(b) || (b.level >= needed(b, amount) && b.at_ms >= inVainUntilMs(b, amount));
}

export function roomIn(b: Belief): number {
  return Math.max(0, (b.level - reserve(b)) / factorOf(b));
}

/** When there will be room, if nobody takes any meanwhile. */
export function roomAtMs(b: Belief, amount: number): number {
  const missing = needed(b, amount) - b.level;
  if (isUntouched(b) || (b.shape === "window" && missing <= 0)) return b.at_ms;
  if (b.shape === "window") return (b.window?.ends_ms ?? b.at_ms) + guardMs(b);
  const flowsMs = Math.max(0, Math.ceil((missing / flow(b)) * 1000));
  return Math.max(b.at_ms + flowsMs, Math.ceil(inVainUntilMs(b, amount)));
}

/** How much of what there can be is used: 0 to 1, and more after a call larger than that. */
export function usedShare(b: Belief): number {
  if (b.shape !== "unknown" || b.began === undefined) return 1 - b.level / b.capacity;
  return (b.spent - b.began.spent) / wholeOf(b);
}

/**
 * What is free of a minute's limit now: as large a share as is free of what there can be at once, which is a minute's, a
 * window's or a bucket's. While the shape is unknown the level tells what is safe to try, so what was taken and seen
 * counts instead. Null: neither tells.
 */
export function leftOf(b: Belief): number | null {
  const share = freeShare(b);
  return share === null ? null : Math.round(clamped(share, 0, 1) * b.per_second * 60);
}

function freeShare(b: Belief): number | null {
  if (b.shape !== "unknown") return b.level / b.capacity;
  if (isUntouched(b)) return 1;
  const { window_ms, began, seen, most_seen, spent, at_ms } = b;
  if (window_ms === null) return null;
  const whole = wholeOf(b);
  const runs = began !== undefined && at_ms < began.at_ms + window_ms;
  // One that no answer told of is a guess.
  const holds = seen !== null && most_seen > 0 && at_ms < (seen.full_ms ?? seen.at_ms + window_ms);
  const untaken = runs ? whole - (spent - began.spent) : whole;
  const told = holds ? seen.left - (spent - seen.spent) : whole;
  return Math.min(untaken, told) / whole;
}

/** What a call counts: no server can hold more against it than a minute's flow, or all that can be there. */
export function counted(b: Belief, amount: number): number {
  const minute = (b.ceiling_per_second ?? b.per_second) * MOST_DEBT_SECONDS;
  return Math.min(amount, Math.max(b.capacity, minute));
}

export function since(b: Belief, mark: { readonly spent: number }): number {
  return b.spent - mark.spent;
}

export function spend(b: Belief, amount: number): Belief {
  const taken = { level: b.level - amount * factorOf(b), spent: b.spent + amount };
  if (b.shape === "bucket") return { ...b, ...taken };
  const { at_ms, spent, window_ms } = b;
  if (b.shape === "unknown") {
    // Were it windows: one begins with the first call after the last one's end.
    const begins = window_ms !== null && at_ms >= (b.began?.at_ms ?? 0) + window_ms;
    return { ...b, ...taken, ...(begins ? { began: { at_ms, spent } } : {}) };
  }
  const window = b.window ?? {
    ...{ began_ms: at_ms, began_spent: spent, ends_ms: at_ms + (window_ms ?? DEFAULT_WINDOW_MS) },
    ...{ ends_exact: false, least_left: null, least_ms: 0, risen: 0 },
  };
  return { ...b, ...taken, pending: b.pending + amount, unsure: b.unsure + amount, window };
}

export function giveBack(b: Belief, amount: number): Belief {
  const back = { level: Math.min(b.capacity, b.level + amount * factorOf(b)), spent: b.spent - amount };
  if (b.shape !== "window") return { ...b, ...back };
  const less = (of: number) => Math.max(0, of - amount);
  return { ...b, ...back, pending: less(b.pending), unsure: less(b.unsure) };
}

/**
 * A call that was refused was not counted. What had been spent by the calls let go after it is left as they know it:
 * taken off, each of them would seem to show that there is more by as much.
 */
export function uncounted<B extends Belief>(b: B, amount: number): B;
export function uncounted(b: Belief, amount: number): Belief {
  const back = { ...giveBack(b, amount), spent: b.spent };
  if (back.shape === "window" && back.window !== null)
    return { ...back, window: { ...back.window, began_spent: back.window.began_spent + amount } };
  if (back.shape === "unknown" && back.began !== undefined)
    return { ...back, began: { ...back.began, spent: back.began.spent + amount } };
  return back;
}
