/**
 * What is believed of one kind of quota (requests, or tokens) of a pool. Plain data, for it is stored; amounts in
 * units of that kind, times in Unix ms by the clock of whoever keeps it. How answers change it: sighting.ts.
 */
export interface LimitBelief {
  /** The catalogue's; null where it names none. Never exceeded, whatever headers say. */
  readonly ceiling_per_second: number | null;
  /** What flows in a second, by the catalogue or by the headers, whichever is lower. */
  readonly per_second: number;
  /** How it is enforced: flowing back steadily, or so much in each window. Unknown at first: then it is paced. */
  readonly shape: "unknown" | "bucket" | "window";
  /** The most that can be there at once. */
  readonly capacity: number;
  /** There at `at_ms`; below zero after a call larger than all that can be there. */
  readonly level: number;
  readonly at_ms: number;
  /** What others take of it a second, and what estimates miss; below zero where estimates are too high. */
  readonly drain_per_second: number;
  /** What the server counts for each unit estimated here. */
  readonly factor: number;
  /** All that was ever taken, as estimated: two readings tell what was taken in between. */
  readonly spent: number;
  /** How long a window is; null: not known. */
  readonly window_ms: number | null;
  /** The running window; null before its first call. */
  readonly window: Window | null;
  /** Of what was taken in this window, what no answer has told of yet. */
  readonly pending: number;
  /** What was taken in this window since all calls were last back, so that the level was sure. */
  readonly unsure: number;
  /** How far the server's count may be above ours, as a share: learnt from windows whose calls have all come back. */
  readonly doubt: number;
  readonly seen: Sighting | null;
  /** The most that was ever seen to be there. */
  readonly most_seen: number;
  /** For the shape: what should have flowed back between sightings, and what did. */
  readonly expected: number;
  readonly grown: number;
  /** Answers that said nothing of this quota, since one last did. */
  readonly silent_answers: number;
  /** When a refusal without headers last lowered the rate. */
  readonly lowered_ms: number;
}

export interface Window {
  readonly began_ms: number;
  readonly began_spent: number;
  readonly ends_ms: number;
  /** Whether `ends_ms` is by a call whose arrival is known. */
  readonly ends_exact: boolean;
  /** The least that was seen to be left of it; null: nothing was seen yet. */
  readonly least_left: number | null;
  /** When the call was let go that saw it. */
  readonly least_ms: number;
  /** Later calls that saw more: in a window there are none. */
  readonly risen: number;
}

/** What was left just after a call had been let in. */
export interface Sighting {
  readonly at_ms: number;
  readonly spent: number;
  readonly left: number;
  /**
   * One of many let go together: what had been spent when it arrived is not known. Or none was seen, and nothing is
   * expected. Absent in what was stored before.
   */
  readonly rough?: boolean;
  /** When all is there again, by its own word. Absent where it had none. */
  readonly full_ms?: number;
}

/** When a call was let go, and what had been spent by then, itself included. */
export interface Mark {
  readonly at_ms: number;
  readonly spent: number;
  /** Of that, what the server did not count: this very call, where it was refused. */
  readonly uncounted: number;
  /** When it reached the deployment: what its answer's headers say is of that moment. */
  readonly arrived_ms: number;
  /** Whether that is known, or reckoned from how long calls usually are on their way. */
  readonly exact: boolean;
  /** All that was let go with it: in what order that arrived is not known. */
  readonly burst: number;
}

/** Before anything is known: what may go at once, in seconds of the rate; and the share of the rate used. */
export const CAREFUL_SECONDS = 0.5;
const CAREFUL_SHARE = 0.95;
/** What is not known to be there is not waited for any longer. */
const MOST_NOTHING_MS = 3_000;
/** Kept back of a bucket, in seconds of its rate: calls overtake each other on the way. */
const RESERVE_SECONDS = 0.12;
const RESERVE_SHARE = 0.15;
/** Of a window, kept back for calls whose estimate was too low: a share of what is under way, and of the whole. */
const FIRST_DOUBT = 0.1;
const WINDOW_RESERVE_SHARE = 0.003;
/** After a window's end, before its next one is counted on. */
const WINDOW_GUARD_MS = 60;
export const DEFAULT_WINDOW_MS = 60_000;
/** However much others take, this share of the rate is tried for. */
export const LEAST_FLOW_SHARE = 0.05;
/** Half of the drain is forgotten in so long without news of it. */
const DRAIN_HALF_LIFE_SECONDS = 60;
/** No call is held back for more than this share of all there can be: else it would never go. */
const MOST_NEEDED_SHARE = 0.98;
/** A rate lowered by refusals comes back by this share a second. */
const RECOVERY_SHARE = 0.01;

/**
 * @param ceilingPerSecond what the catalogue names; null: nothing
 * @param perSecond what is believed to flow
 * @param windowSeconds what the catalogue says of how long a limit is counted over
 */
export function newBelief(
  ceilingPerSecond: number | null,
  perSecond: number,
  windowSeconds: number | undefined,
  nowMs: number,
  counting: "exact" | "estimated" = "exact",
): LimitBelief {
  const careful = Math.max(1, perSecond * CAREFUL_SECONDS);
  return {
    ceiling_per_second: ceilingPerSecond,
    per_second: perSecond,
    shape: "unknown",
    capacity: careful,
    level: careful,
    at_ms: nowMs,
    drain_per_second: 0,
    factor: 1,
    spent: 0,
    window_ms: windowSeconds === undefined ? null : windowSeconds * 1000,
    window: null,
    pending: 0,
    unsure: 0,
    doubt: counting === "exact" ? 0 : FIRST_DOUBT,
    seen: null,
    most_seen: 0,
    expected: 0,
    grown: 0,
    silent_answers: 0,
    lowered_ms: 0,
  };
}

/**
 * Where jobs wait and no answer has told yet what is there: begins as if others had just used it all up. A call too many
 * is refused, one of each of many limits; one that waits until so much has flowed in waits once, and not for long.
 */
export function fromNothing(b: LimitBelief, nowMs: number): LimitBelief {
  if (b.shape !== "unknown" || b.seen !== null) return b;
  const level = Math.min(b.level, Math.max(0, b.level - b.per_second * CAREFUL_SECONDS));
  const left = -b.per_second * RESERVE_SECONDS;
  const full_ms = nowMs + MOST_NOTHING_MS;
  return { ...b, level, seen: { at_ms: nowMs, spent: b.spent, left, rough: true, full_ms } };
}

/** What flows back a second, as it is used. */
export function flow(b: LimitBelief): number {
  const share = b.shape === "unknown" ? CAREFUL_SHARE : 1;
  return Math.max(b.per_second * share - b.drain_per_second, b.per_second * LEAST_FLOW_SHARE);
}

/** The same belief at a later time. */
export function at(b: LimitBelief, nowMs: number): LimitBelief {
  // A clock behind the one that wrote this: nothing is known to have flowed back.
  if (nowMs <= b.at_ms) return b;
  if (b.shape === "window") return windowAt(b, nowMs);
  const seconds = (nowMs - b.at_ms) / 1000;
  const { ceiling_per_second: ceiling, per_second: rate } = b;
  const lowered = b.lowered_ms > 0 && (ceiling === null || rate < ceiling);
  return {
    ...b,
    at_ms: nowMs,
    per_second: lowered ? Math.min(ceiling ?? Infinity, rate * (1 + RECOVERY_SHARE * seconds)) : rate,
    level: Math.min(b.capacity, b.level + flow(b) * seconds),
    drain_per_second: b.drain_per_second * 0.5 ** (seconds / DRAIN_HALF_LIFE_SECONDS),
  };
}

/** At its end all of a window comes back: as much as this one turned out to hold for us. */
function windowAt(b: LimitBelief, nowMs: number): LimitBelief {
  if (b.window === null || nowMs < b.window.ends_ms + WINDOW_GUARD_MS) return { ...b, at_ms: nowMs };
  const whole = Math.max(1, b.level + (b.spent - b.window.began_spent) * b.factor);
  return { ...b, at_ms: nowMs, level: whole, capacity: whole, window: null, pending: 0, unsure: 0 };
}

function reserve(b: LimitBelief): number {
  if (b.shape === "window") return b.capacity * WINDOW_RESERVE_SHARE + b.unsure * b.factor * b.doubt;
  return Math.min(b.per_second * RESERVE_SECONDS, b.capacity * RESERVE_SHARE);
}

/** What must be there for a call: one larger than all that can be there goes once all is. */
function needed(b: LimitBelief, amount: number): number {
  return Math.min(amount * b.factor + reserve(b), b.capacity * MOST_NEEDED_SHARE);
}

function isUntouched(b: LimitBelief): boolean {
  return b.spent === 0 && b.level >= 0 && b.seen === null;
}

/**
 * While the shape is unknown, the level says what is safe to try, not what is there: a call larger than it goes all
 * the same. What was last seen left says when that would surely be in vain: no shape gives back more than its rate
 * before all is there again.
 */
function inVainUntilMs(b: LimitBelief, amount: number): number {
  const { seen } = b;
  if (b.shape !== "unknown" || seen === null) return 0;
  const missing = (amount + b.spent - seen.spent) * b.factor - seen.left;
  return Math.min(seen.at_ms + (missing / b.per_second) * 1000, seen.full_ms ?? Infinity);
}

/** @param b the belief at the time asked about */
export function hasRoom(b: LimitBelief, amount: number): boolean {
  return isUntouched(b) || (b.level >= needed(b, amount) && b.at_ms >= inVainUntilMs(b, amount));
}

/** What may be taken at once. @param b the belief at the time asked about */
export function roomIn(b: LimitBelief): number {
  return Math.max(0, (b.level - reserve(b)) / b.factor);
}

/** When there will be room, if nobody takes any meanwhile. @param b the belief at the time asked about */
export function roomAtMs(b: LimitBelief, amount: number): number {
  const missing = needed(b, amount) - b.level;
  if (isUntouched(b)) return b.at_ms;
  if (b.shape === "window" && missing > 0) return (b.window?.ends_ms ?? b.at_ms) + WINDOW_GUARD_MS;
  const flowsMs = Math.max(0, Math.ceil((missing / flow(b)) * 1000));
  return Math.max(b.at_ms + flowsMs, Math.ceil(inVainUntilMs(b, amount)));
}

/** Limits are so much a minute: what was asked for within it, however much, is forgotten after it. */
const MOST_DEBT_SECONDS = 60;

/** What a call of that size counts: more than a minute's flow, or all that can be there, no server can hold against it. */
export function counted(b: LimitBelief, amount: number): number {
  return Math.min(amount, Math.max(b.capacity, (b.ceiling_per_second ?? b.per_second) * MOST_DEBT_SECONDS));
}

/** @param b the belief at the time of the call */
export function spend(b: LimitBelief, amount: number): LimitBelief {
  const begins = b.shape === "window" && b.window === null;
  const window = begins
    ? {
        began_ms: b.at_ms,
        began_spent: b.spent,
        ends_ms: b.at_ms + (b.window_ms ?? DEFAULT_WINDOW_MS),
        ends_exact: false,
        least_left: null,
        least_ms: 0,
        risen: 0,
      }
    : b.window;
  return {
    ...b,
    level: b.level - amount * b.factor,
    spent: b.spent + amount,
    pending: b.pending + amount,
    unsure: b.unsure + amount,
    window,
  };
}

/** What was taken and not used, or refused by the server without being counted. */
export function giveBack(b: LimitBelief, amount: number): LimitBelief {
  return {
    ...b,
    level: Math.min(b.capacity, b.level + amount * b.factor),
    spent: b.spent - amount,
    pending: Math.max(0, b.pending - amount),
    unsure: Math.max(0, b.unsure - amount),
  };
}

/**
 * A call that was refused was not counted. What had been spent by the calls let go after it is left as they know it:
 * taken off, each of them would seem to show that there is more by as much.
 */
export function uncounted(b: LimitBelief, amount: number): LimitBelief {
  const window = b.window === null ? null : { ...b.window, began_spent: b.window.began_spent + amount };
  return { ...giveBack(b, amount), spent: b.spent, window };
}
