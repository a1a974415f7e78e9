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
  /** Decimal; 0 once the worker is taken for gone, and it is only remembered in case a late cost comes. */
  readonly amount: string;
  readonly since_ms: number;
  /** When the job's own record is looked at, if no worker has settled it by then. */
  readonly look_at_ms: number;
}

/** What a tenant has spent and put aside in a UTC month and in each of its days, in one currency. Amounts are decimals. */
export interface Account {
  readonly month: string;
  readonly currency: string;
  readonly spent: string;
  /** By day; one without is one in which nothing was spent. */
  readonly days: Readonly<Record<string, string>>;
  readonly reservations: readonly Reservation[];
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
  /** What the call may cost; decimal. */
  readonly amount: string;
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
  const reservation: Reservation = {
    ...ask,
    day: dayOf(nowMs),
    since_ms: nowMs,
    look_at_ms: nowMs + LOOK_AFTER_MS,
  };
  return { kind: "reserved", account: { ...account, reservations: [...account.reservations, reservation] } };
}

/**
 * The claim's call has ended: what it cost counts in the day it was reserved in, and the rest is free again. Once: a
 * claim without a reservation was settled before.
 * @param cost decimal; null: none, or none that is known
 */
export function settle(account: Account, claimId: string, cost: string | null): Account {
  const reservation = account.reservations.find(({ claim_id }) => claim_id === claimId);
  if (reservation === undefined) return account;
  const reservations = account.reservations.filter((each) => each !== reservation);
  if (cost === null || unitsOf(cost) === 0n) return { ...account, reservations };
  const { day } = reservation;
  return {
    ...account,
    reservations,
    spent: sum(account.spent, cost),
    days: { ...account.days, [day]: sum(account.days[day] ?? "0", cost) },
  };
}

/** What looking at a job's own record made of a reservation. */
export type Finding =
  /** The call has ended, or never began and never will. */
  | { readonly kind: "settle"; readonly cost: string | null }
  /** It may still be running. */
  | { readonly kind: "keep" }
  /** Its worker is taken for gone: what was put aside is free; a late cost still counts. */
  | { readonly kind: "free" };

/** Applies a finding, if the reservation is still there. */
export function found(account: Account, claimId: string, finding: Finding, nowMs: number): Account {
  if (finding.kind === "settle") return settle(account, claimId, finding.cost);
  const at = account.reservations.findIndex(({ claim_id }) => claim_id === claimId);
  const reservation = account.reservations[at];
  if (reservation === undefined) return account;
  const forgottenMs = reservation.since_ms + REMEMBER_MS;
  if (finding.kind === "free" && nowMs >= forgottenMs) return settle(account, claimId, null);
  const changed: Reservation =
    finding.kind === "free"
      ? { ...reservation, amount: "0", look_at_ms: forgottenMs }
      : { ...reservation, look_at_ms: nowMs + LOOK_AFTER_MS };
  return { ...account, reservations: account.reservations.with(at, changed) };
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

function sum(a: string, b: string): string {
  return decimalOf(unitsOf(a) + unitsOf(b));
}
