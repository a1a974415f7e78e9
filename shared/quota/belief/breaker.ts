import { z } from "zod";
import { MAX_CLOCKS_APART_MS } from "../../limits.ts";
import { ILLNESSES } from "../../model/wait-cause.ts";

const number = z.number();
const fault = z.object({
  illness: z.enum(ILLNESSES),
  /** In the lab's words, shortened. */
  message: z.string(),
  at_ms: number,
});
/** Why a call failed, for operators. */
export type CallFault = Readonly<z.infer<typeof fault>>;

/** A deployment's health, as calls tell it. Stored under these names; times in Unix ms. */
export const breakerSchema = z.object({
  state: z.enum(["closed", "open", "half_open"]),
  /** Jobs whose last call here failed, newest last: one job that nobody can answer says nothing of a deployment. */
  failing_jobs: z.array(z.string()),
  /** Calls and failures, old ones fading. */
  ...{ calls: number, failures: number, counted_ms: number },
  /** How long calls take, smoothed; null before the first. */
  latency_ms: number.nullable(),
  /** The last call's that failed; absent: none has, or an older version saw it. */
  fault: fault.exactOptional(),
  opened_ms: number,
  /** How long it stays open; doubled each time it opens again soon. */
  open_for_ms: number,
  /** A probe is under way until then. */
  probing_until_ms: number,
  /** When it closed again: from then on more and more calls are let through. Null: all are. */
  ramp_from_ms: number.nullable(),
  /** Tenants that called lately, the last one last: when, and whether their last call failed. */
  tenants: z.array(z.object({ id: z.string(), called_ms: number, failed: z.boolean() })).exactOptional(),
});
export type Breaker = Readonly<z.infer<typeof breakerSchema>>;

export const CLOSED: Breaker = {
  ...{ state: "closed", failing_jobs: [], calls: 0, failures: 0, counted_ms: 0, latency_ms: null },
  ...{ opened_ms: 0, open_for_ms: 0, probing_until_ms: 0, ramp_from_ms: null },
};

/** So many jobs in a row, or this share of the recent calls, fail: then it opens. */
const JOBS_IN_A_ROW = 5;
const FAILED_SHARE = 0.5;
const LEAST_CALLS = 10;
const RECENT_MS = 10_000;
/** A tenant that called so long ago calls there. */
const TENANT_MS = 60_000;
const MOST_TENANTS = 16;
/** A call that takes so many times the usual, and at least so long, counts as a failed one. */
const SLOW_FACTOR = 8;
const SLOW_MS = 30_000;
const FIRST_OPEN_MS = 5_000;
const MOST_OPEN_MS = 60_000;
/** A probe that has not come back by then is forgotten. */
const PROBE_MS = 30_000;
/** From the first call after a failure back to all of them. */
const RAMP_MS = 8_000;
const RAMP_START_SHARE = 0.1;
const LATENCY_GAIN = 0.1;

/** As far as a call's news tell of health. */
interface Ended {
  readonly job_id: string;
  readonly tenant_id?: string;
  readonly outcome: string;
  readonly latency_ms: number;
  readonly fault?: CallFault;
  readonly taken: { readonly at_ms: number };
}

/** After a call ended. */
export function afterCall(b: Breaker, call: Ended, nowMs: number): Breaker {
  const { job_id, tenant_id, latency_ms: latencyMs, fault: why, taken } = call;
  const failed = call.outcome === "failed";
  const fade = 0.5 ** (Math.max(0, nowMs - b.counted_ms) / RECENT_MS);
  const slow = b.latency_ms !== null && latencyMs > Math.max(SLOW_MS, SLOW_FACTOR * b.latency_ms);
  const usual = b.latency_ms ?? latencyMs;
  // What is slow is judged by the usual, so it must not become it at once.
  const latency = failed ? b.latency_ms : usual + LATENCY_GAIN * (Math.min(latencyMs, 2 * usual) - usual);
  const failing = failed ? [...b.failing_jobs.filter((id) => id !== job_id), job_id] : [];
  const next: Breaker = {
    ...b,
    calls: b.calls * fade + 1,
    failures: b.failures * fade + (failed || slow ? 1 : 0),
    counted_ms: Math.max(b.counted_ms, nowMs),
    latency_ms: latency,
    ...(failed && why !== undefined ? { fault: why } : {}),
    failing_jobs: failing.slice(-JOBS_IN_A_ROW),
    tenants: afterTenants(b, tenant_id, failed, nowMs),
  };
  if (failed) return isIll(next) ? opened(next, nowMs) : next;
  // An answer to a call from before it opened says nothing new; one that an operator let through does.
  if (b.state === "closed" || (b.state === "open" && taken.at_ms <= b.opened_ms)) return next;
  return closedAgain(next, !failedAlone(b, tenant_id), nowMs);
}

/** @param b after a failure */
function isIll(b: Breaker): boolean {
  if (b.state !== "closed") return true;
  const many = b.calls >= LEAST_CALLS && b.failures >= b.calls * FAILED_SHARE;
  return (many || b.failing_jobs.length >= JOBS_IN_A_ROW) && !isOneOfMany(b);
}

function afterTenants(b: Breaker, id: string | undefined, failed: boolean, nowMs: number) {
  const others = (b.tenants ?? []).filter(
    (each) => each.id !== id && Math.abs(nowMs - each.called_ms) < TENANT_MS,
  );
  return id === undefined ? others : [...others.slice(1 - MOST_TENANTS), { id, called_ms: nowMs, failed }];
}

/** Calls of one tenant alone fail, and others call there too. */
function isOneOfMany({ tenants = [] }: Breaker): boolean {
  return tenants.length > 1 && tenants.filter(({ failed }) => failed).length < 2;
}

/** Whether it is a single tenant's calls that failed, and another's than this one's. */
function failedAlone({ tenants = [] }: Breaker, tenant: string | undefined): boolean {
  const [first, ...more] = tenants.filter(({ failed }) => failed);
  return first !== undefined && more.length === 0 && tenant !== undefined && first.id !== tenant;
}

/** Whose call failed last. */
export function lastFailed({ tenants = [] }: Breaker): string | undefined {
  return tenants.findLast(({ failed }) => failed)?.id;
}

function opened(b: Breaker, nowMs: number): Breaker {
  // An answer to a call from before it opened says nothing new.
  if (b.state === "open" && nowMs < b.opened_ms + b.open_for_ms) return b;
  return shut(b, FIRST_OPEN_MS, MOST_OPEN_MS, nowMs);
}

/** Open from now on: at first for so long, doubled up to the most where it opens again soon. */
export function shut(b: Breaker, firstMs: number, mostMs: number, nowMs: number): Breaker {
  const again = b.open_for_ms > 0 && nowMs - b.opened_ms < b.open_for_ms + RAMP_MS * 2;
  const open_for_ms = again ? Math.max(Math.min(b.open_for_ms * 2, mostMs), firstMs) : firstMs;
  return {
    ...{ ...b, state: "open", opened_ms: nowMs, open_for_ms },
    ...{ probing_until_ms: 0, ramp_from_ms: null, failing_jobs: [] },
  };
}

function closedAgain(b: Breaker, slowly: boolean, nowMs: number): Breaker {
  return {
    ...{ ...b, state: "closed", ramp_from_ms: slowly ? nowMs : null },
    ...{ probing_until_ms: 0, calls: 0, failures: 0, failing_jobs: [] },
  };
}

/** Whether a call may go now; `probe`: this one alone, to see whether it is well again. */
export function permits(b: Breaker, nowMs: number, tenant?: string): "yes" | "probe" | "no" {
  if (b.state === "closed") return "yes";
  // That one tenant's calls failed says little of another's.
  if (b.state === "open" && failedAlone(b, tenant)) return "probe";
  return nowMs >= untilMs(b, nowMs) ? "probe" : "no";
}

/** Whether no tenant's call may go. */
export function isShutForAll(b: Breaker, nowMs: number): boolean {
  return permits(b, nowMs) === "no" && (b.state === "half_open" || !failedAlone(b, ""));
}

/** When it is worth asking again. */
export function permitsAtMs(b: Breaker, nowMs: number): number {
  return b.state === "closed" ? nowMs : Math.max(nowMs, untilMs(b, nowMs));
}

function untilMs(b: Breaker, nowMs: number): number {
  if (b.opened_ms > nowMs + MAX_CLOCKS_APART_MS) return nowMs;
  const until = b.state === "open" ? b.opened_ms + b.open_for_ms : b.probing_until_ms;
  return b.state === "half_open" && until > nowMs + PROBE_MS + MAX_CLOCKS_APART_MS ? nowMs : until;
}

/** The breaker once its probe was let go. */
export function probing(b: Breaker, nowMs: number): Breaker {
  return { ...b, state: "half_open", probing_until_ms: nowMs + PROBE_MS };
}

/** What share of its usual calls it gets, 0 to 1: slowly more after it closed again. */
export function rampShare(b: Breaker, nowMs: number): number {
  if (b.ramp_from_ms === null || b.ramp_from_ms > nowMs + MAX_CLOCKS_APART_MS) return 1;
  return Math.min(1, Math.max(RAMP_START_SHARE, (nowMs - b.ramp_from_ms) / RAMP_MS));
}
