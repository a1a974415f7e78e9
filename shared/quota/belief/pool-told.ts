import type { Pool } from "./pool.ts";

/** For how long a backlog is said to last; it is said anew at half of that, and a pool that changed is written with it. */
export const BACKLOG_MS = 5_000;
const WRITE_EVERY_MS = BACKLOG_MS / 2;

/** What the ledger was last told of a pool. */
export interface PoolTold {
  readonly at_ms: number;
  readonly spent: number;
  readonly backlog_until_ms: number;
}

export const TOLD_NOTHING: PoolTold = { at_ms: 0, spent: 0, backlog_until_ms: 0 };

/**
 * Whether the dispatcher is to write a pool: at once that jobs wait for it, or no more do; now and then what was spent.
 * A pool that nobody waits for is left to the instances, and not written at all.
 */
export function isToBeTold(told: PoolTold, pool: Pool, isWaitedFor: boolean, nowMs: number): boolean {
  const saidForMs = told.backlog_until_ms - nowMs;
  if (isWaitedFor ? saidForMs < WRITE_EVERY_MS : saidForMs > 0) return true;
  return spentOf(pool) !== told.spent && nowMs - told.at_ms >= WRITE_EVERY_MS;
}

/** @param isWaitedFor false as well tells instances that they may take slices again */
export function toldNow(pool: Pool, isWaitedFor: boolean, nowMs: number): PoolTold {
  return { at_ms: nowMs, spent: spentOf(pool), backlog_until_ms: isWaitedFor ? nowMs + BACKLOG_MS : 0 };
}

export function spentOf(pool: Pool): number {
  return (pool.requests?.spent ?? 0) + (pool.tokens?.spent ?? 0);
}
