import { dayOf, monthOf, nextDayMs, nextMonthMs } from "../day.ts";
import { decimalOf, unitsOf } from "../decimal.ts";
import type { Budget } from "../tenant/budget.ts";

/** Money put aside for one call, from before its claim until it is known what the call cost. */
export interface Reservation {
  readonly job_id: string;
  readonly attempt: number;
  /** The claim it is for. Two workers that try for one attempt have one each, and only one of them calls. */
  readonly claim_id: string;
  /** The UTC day it counts in. */
  readonly day: string;
  /** Decimal; 0 once it is no longer put aside, but remembered in case a late figure comes. */
  readonly amount: string;
  /** What it was before. */
  readonly was?: string;
  /** That was spent, for a call whose cost nobody knows: a late figure takes its place. */
  readonly charged?: true;
  /** Nothing limits the length of the call's answers, which is learnt for this deployment. */
  readonly unlimited?: string;
  readonly since_ms: number;
  /** When the job's own record is looked at, if no worker has settled it by then. */
  readonly look_at_ms: number;
}

/** How long answers of a deployment were lately, where the request did not limit them. */
export interface UsualLength {
  readonly answers: number;
  /** The longest, which fades: each shorter one takes an eighth of the difference from it. */
  readonly tokens: number;
}

/** What a tenant has spent and put aside in a UTC month and in each of its days, in one currency. Amounts are decimals. */
export interface Account {
  readonly month: string;
  readonly currency: string;
  readonly spent: string;
  /** By day; one without is one in which nothing was spent. */
  readonly days: Readonly<Record<string, string>>;
  readonly reservations: readonly Reservation[];
  /** By deployment; absent: nothing is known. */
  readonly usual?: Readonly<Record<string, UsualLength>>;
  /** Ids of operators' last corrections: none counts twice. */
  readonly corrections?: readonly string[];
}

export function newAccount(month: string, currency: string): Account {
  return { month, currency, spent: "0", days: {}, reservations: [] };
}

/** Where one of the two limits stands, in units of 10^-18. */
export interface Standing {
  readonly limit: bigint;
  readonly spent: bigint;
  readonly reserved: bigint;
}

export interface Standings {
  /** Undefined: that limit is not set. */
  readonly day: Standing | undefined;
  readonly month: Standing | undefined;
}

/** How the account stands against its limits at a time in its month. */
export function standingsOf(account: Account, budget: Budget, nowMs: number): Standings {
  const today = dayOf(nowMs);
  const ofDay = account.reservations.filter(({ day }) => day === today);
  return {
    day: standing(budget.per_day, account.days[today] ?? "0", ofDay),
    month: standing(budget.per_month, account.spent, account.reservations),
  };
}

function standing(
  limit: string | undefined,
  spent: string,
  reservations: readonly Reservation[],
): Standing | undefined {
  if (limit === undefined) return undefined;
  const reserved = reservations.reduce((sum, { amount }) => sum + unitsOf(amount), 0n);
  return { limit: unitsOf(limit), spent: unitsOf(spent), reserved };
}

/** Why no call may be let go now. */
export interface Over {
  readonly period: "day" | "month";
  /** When the next period begins, where the money is spent; null: some of it is put aside for calls that still run. */
  readonly untilMs: number | null;
  readonly reason: string;
}

/** Undefined: a call may go. One may as long as anything is left, so at most one estimate more than the limit is spent. */
export function overOf(account: Account, budget: Budget, nowMs: number): Over | undefined {
  const { day, month } = standingsOf(account, budget, nowMs);
  const spentFirst = [
    over("month", month, (s) => s.spent >= s.limit, nextMonthMs(nowMs), account, nowMs),
    over("day", day, (s) => s.spent >= s.limit, nextDayMs(nowMs), account, nowMs),
    over("month", month, (s) => s.spent + s.reserved >= s.limit, null, account, nowMs),
    over("day", day, (s) => s.spent + s.reserved >= s.limit, null, account, nowMs),
  ];
  return spentFirst.find((each) => each !== undefined);
}

function over(
  period: Over["period"],
  standing: Standing | undefined,
  isOver: (standing: Standing) => boolean,
  untilMs: number | null,
  account: Account,
  nowMs: number,
): Over | undefined {
  if (standing === undefined || !isOver(standing)) return undefined;
  const { spent, reserved, limit } = standing;
  const of = `of ${decimalOf(limit)} ${account.currency}`;
  const when = period === "day" ? dayOf(nowMs) : account.month;
  const used =
    untilMs === null
      ? `${decimalOf(spent)} spent and ${decimalOf(reserved)} put aside for running calls ${of} on ${when}`
      : `${decimalOf(spent)} ${of} spent ${period === "day" ? "on" : "in"} ${when}`;
  return { period, untilMs, reason: `over_budget: ${used}` };
}

export interface Ask {
  readonly job_id: string;
  readonly attempt: number;
  readonly claim_id: string;
  /** The most that the call may cost; decimal. */
  readonly amount: string;
  /** Where nothing limits the length of its answers: whose call it is, and what it may cost with such long ones. */
  readonly unlimited?: {
    readonly deployment: string;
    readonly amountFor: (answerTokens: number) => string;
  };
}

/** Answers after which it is known how long they are, and how much longer the next one may be. */
const KNOWN_AFTER_ANSWERS = 3;
const LONGER = 2;
const FADE = 8;
/** Deployments of which that is remembered; a catalogue has some dozens. */
const MAX_USUAL = 64;

/** What is put aside for the call: with answers of any length, what such calls have used lately; all of it until that is known. */
export function amountFor({ usual }: Account, { amount, unlimited }: Ask): string {
  const known = unlimited === undefined ? undefined : usual?.[unlimited.deployment];
  if (unlimited === undefined || known === undefined || known.answers < KNOWN_AFTER_ANSWERS) return amount;
  const less = unlimited.amountFor(known.tokens * LONGER);
  return unitsOf(less) < unitsOf(amount) ? less : amount;
}

function learnt(account: Account, deployment: string, answerTokens: number): Account {
  const { [deployment]: known = { answers: 0, tokens: 0 }, ...others } = account.usual ?? {};
  const tokens = Math.max(answerTokens, Math.ceil(known.tokens - (known.tokens - answerTokens) / FADE));
  const kept = Object.entries(others).slice(1 - MAX_USUAL);
  const answers = Math.min(known.answers + 1, KNOWN_AFTER_ANSWERS);
  return { ...account, usual: { ...Object.fromEntries(kept), [deployment]: { answers, tokens } } };
}

/** A reservation that no worker settles is looked at after this long. */
export const LOOK_AFTER_MS = 60_000;
/** A lost worker's cost comes as late as a call may last and its answer is kept: see limits.ts, saving.ts. */
export const REMEMBER_MS = 60 * 60_000;

export type Reserved =
  | { readonly kind: "reserved"; readonly account: Account }
  | { readonly kind: "over"; readonly over: Over };

/** Puts money aside for a claim; the same again for the same claim changes nothing. */
export function reserve(account: Account, budget: Budget, ask: Ask, nowMs: number): Reserved {
  if (account.reservations.some(({ claim_id }) => claim_id === ask.claim_id))
    return { kind: "reserved", account };
  const over = overOf(account, budget, nowMs);
  if (over !== undefined) return { kind: "over", over };
  const { job_id, attempt, claim_id, unlimited } = ask;
  const reservation: Reservation = {
    ...{ job_id, attempt, claim_id, amount: amountFor(account, ask) },
    ...(unlimited === undefined ? {} : { unlimited: unlimited.deployment }),
    day: dayOf(nowMs),
    since_ms: nowMs,
    look_at_ms: nowMs + LOOK_AFTER_MS,
  };
  return { kind: "reserved", account: { ...account, reservations: [...account.reservations, reservation] } };
}

/** What is known of a call that has ended. */
export interface Spent {
  /** Decimal; null: nobody knows, and what was put aside for it is taken for it. */
  readonly cost: string | null;
  /** How long its answers were, each; absent: not told. */
  readonly answerTokens?: number;
}

/** Of a call that was not made, or certainly not billed. */
export const NOTHING_SPENT: Spent = { cost: "0" };

/**
 * The claim's call has ended: what it cost counts in the day it was reserved in, and the rest is free again. Once: a
 * claim without a reservation was settled before.
 */
export function settle(account: Account, claimId: string, { cost, answerTokens }: Spent): Account {
  const reservation = account.reservations.find(({ claim_id }) => claim_id === claimId);
  if (reservation === undefined) return account;
  const { unlimited, charged } = reservation;
  const reservations = account.reservations.filter((each) => each !== reservation);
  const units = cost === null ? putAside(reservation) : unitsOf(cost);
  const more = units - (charged === true ? putAside(reservation) : 0n);
  const settled = spend({ ...account, reservations }, reservation.day, more);
  return unlimited === undefined || answerTokens === undefined
    ? settled
    : learnt(settled, unlimited, answerTokens);
}

const putAside = ({ amount, was = amount }: Reservation): bigint => unitsOf(was);

/** So much more is spent on a day; less where that is negative. */
function spend(account: Account, day: string, units: bigint): Account {
  if (units === 0n) return account;
  const { spent, days } = account;
  return { ...account, spent: sum(spent, units), days: { ...days, [day]: sum(days[day] ?? "0", units) } };
}

/** What looking at a job's own record made of a reservation. */
export type Finding =
  /** The call has ended, or never began and never will. */
  | { readonly kind: "settle"; readonly cost: string | null }
  /** It may still be running. */
  | { readonly kind: "keep" }
  /** Its worker is taken for gone: what was put aside is spent, until a late figure takes its place. */
  | { readonly kind: "lost" }
  /** The claim was not made so far: what was put aside is free; a late cost still counts. */
  | { readonly kind: "free" };

/** Applies a finding, if the reservation is still there. */
export function found(account: Account, claimId: string, finding: Finding, nowMs: number): Account {
  if (finding.kind === "settle") return settle(account, claimId, finding);
  const at = account.reservations.findIndex(({ claim_id }) => claim_id === claimId);
  const reservation = account.reservations[at];
  if (reservation === undefined) return account;
  const with_ = (changed: Partial<Reservation>) =>
    account.reservations.with(at, { ...reservation, ...changed });
  if (finding.kind === "keep")
    return { ...account, reservations: with_({ look_at_ms: nowMs + LOOK_AFTER_MS }) };
  const forgottenMs = reservation.since_ms + REMEMBER_MS;
  const isLost = finding.kind === "lost";
  if (nowMs >= forgottenMs) return settle(account, claimId, isLost ? { cost: null } : NOTHING_SPENT);
  const { amount, was = amount, charged } = reservation;
  const reservations = with_({
    ...{ amount: "0", was, look_at_ms: forgottenMs },
    ...(isLost ? { charged: true } : {}),
  });
  const more = isLost && charged !== true ? unitsOf(was) : 0n;
  return spend({ ...account, reservations }, reservation.day, more);
}

/** What an operator adds to a day's spending, or takes from it. */
export interface Correction {
  readonly id: string;
  /** `2026-11-24`, in the account's month. */
  readonly day: string;
  /** Decimal; negative: less was spent. */
  readonly amount: string;
}

const MAX_CORRECTIONS = 100;

/** Once for each id. Nothing becomes less than nothing. */
export function correct(account: Account, { id, day, amount }: Correction): Account {
  const { corrections = [], days, spent } = account;
  if (corrections.includes(id)) return account;
  const least = [unitsOf(days[day] ?? "0"), unitsOf(spent)].reduce((a, b) => (a < b ? a : b));
  const units = unitsOf(amount) < -least ? -least : unitsOf(amount);
  return { ...spend(account, day, units), corrections: [...corrections, id].slice(-MAX_CORRECTIONS) };
}

/** Reservations that were not settled in time, the oldest first. */
export function dueOf(account: Account, nowMs: number): readonly Reservation[] {
  return account.reservations.filter(({ look_at_ms }) => look_at_ms <= nowMs);
}

/** When the first of the reservations is to be looked at; undefined: there are none. */
export function lookAtMs(account: Account): number | undefined {
  return account.reservations.length === 0
    ? undefined
    : Math.min(...account.reservations.map(({ look_at_ms }) => look_at_ms));
}

export function isOf(account: Account, nowMs: number): boolean {
  return account.month === monthOf(dayOf(nowMs));
}

function sum(amount: string, units: bigint): string {
  return decimalOf(unitsOf(amount) + units);
}
