import type { Clock } from "../clock.ts";
import type { Stored } from "../job/ports.ts";
import type { Limited } from "./instance-quota.ts";
import type { LimitBelief } from "./limit-belief.ts";
import { isLimited, newPool, type Pool, poolAt, takeFrom, withLimits } from "./pool.ts";
import type { PoolRecord, QuotaLedger } from "./ports.ts";
import type { Scheduler } from "./scheduler.ts";

/** How often a pool that changed is written, and for how long a backlog is said to last. */
const WRITE_EVERY_MS = 1_500;
const BACKLOG_MS = 5_000;

/**
 * Keeps the dispatcher's pools and the ledger in step: read once, then written now and then with the word that jobs
 * wait, so that instances leave the pools to the dispatcher.
 */
export class PoolKeeper {
  readonly #deps: { ledger: QuotaLedger; clock: Clock };
  readonly #scheduler: Scheduler;
  readonly #stored = new Map<string, Stored<PoolRecord> | undefined>();
  readonly #members = new Map<string, readonly string[]>();
  readonly #limits = new Map<string, Limited["limits"]>();
  readonly #writtenMs = new Map<string, number>();
  readonly #spentThen = new Map<string, number>();

  constructor(deps: { ledger: QuotaLedger; clock: Clock }, scheduler: Scheduler) {
    this.#deps = deps;
    this.#scheduler = scheduler;
  }

  /** Whether every pool has been read: before that nothing may be let go. */
  get isRead(): boolean {
    return this.#stored.size > 0 || this.#limits.size === 0;
  }

  /** Reads the pools that are not known yet; the catalogue may have got new ones, or new limits. */
  async read(deployments: readonly Limited[]): Promise<void> {
    const { ledger, clock } = this.#deps;
    const pools = Map.groupBy(deployments, ({ pool }) => pool);
    await Promise.all(
      [...pools].map(async ([name, members]) => {
        const limits = members[0]?.limits ?? {};
        this.#members.set(
          name,
          members.map((each) => each.name),
        );
        const changed = this.#limits.get(name) !== limits;
        this.#limits.set(name, limits);
        const known = this.#scheduler.pools.get(name);
        if (known !== undefined) {
          if (changed) this.#scheduler.pools.set(name, withLimits(known, limits, clock.now()));
          return;
        }
        const stored = await ledger.read(name);
        const nowMs = clock.now();
        this.#stored.set(name, stored);
        const pool =
          stored === undefined ? newPool(limits, nowMs) : withLimits(stored.value.pool, limits, nowMs);
        this.#scheduler.pools.set(name, poolAt(pool, nowMs));
        for (const [deployment, breaker] of Object.entries(stored?.value.breakers ?? {}))
          if (!this.#scheduler.breakers.has(deployment)) this.#scheduler.breakers.set(deployment, breaker);
      }),
    );
  }

  /** @param waiting whether jobs wait; false as well tells instances that they may take slices again */
  async write(waiting: boolean): Promise<void> {
    const nowMs = this.#deps.clock.now();
    await Promise.all(
      [...this.#scheduler.pools].map(async ([name, pool]) => {
        if (!isLimited(pool)) return;
        const used = spentOf(pool) !== this.#spentThen.get(name);
        const due = used && nowMs - (this.#writtenMs.get(name) ?? 0) >= WRITE_EVERY_MS;
        const saidFor = (this.#stored.get(name)?.value.backlog_until_ms ?? 0) - nowMs;
        // A pool that nobody waits for is left to the instances, and not written at all.
        const says = waiting && this.#isWaitedFor(name);
        const news = says ? saidFor < BACKLOG_MS / 2 : saidFor > 0;
        if (!news && !due) return;
        await this.#writeOne(name, pool, says, nowMs);
      }),
    );
  }

  #isWaitedFor(pool: string): boolean {
    const nowMs = this.#deps.clock.now();
    return (this.#members.get(pool) ?? []).some(
      (name) => this.#scheduler.queue.next(name, nowMs) !== undefined,
    );
  }

  async #writeOne(name: string, pool: Pool, waiting: boolean, nowMs: number): Promise<void> {
    const breakers = Object.fromEntries(
      (this.#members.get(name) ?? []).flatMap((member) => {
        const breaker = this.#scheduler.breakers.get(member);
        return breaker === undefined ? [] : [[member, breaker] as const];
      }),
    );
    const record: PoolRecord = { pool, breakers, backlog_until_ms: waiting ? nowMs + BACKLOG_MS : 0 };
    const before = this.#stored.get(name);
    const written = await this.#deps.ledger.write(name, record, before?.etag);
    if (written.kind === "written") {
      this.#stored.set(name, { value: record, etag: written.etag });
      this.#writtenMs.set(name, nowMs);
      this.#spentThen.set(name, spentOf(pool));
      return;
    }
    // An instance has taken a slice, or told what it learnt: its part is taken off ours, and written next time.
    const current = await this.#deps.ledger.read(name);
    this.#stored.set(name, current);
    const ours = this.#scheduler.pools.get(name);
    if (current === undefined || ours === undefined) return;
    this.#scheduler.pools.set(name, withSlices(poolAt(ours, nowMs), before?.value.pool, current.value.pool));
  }
}

function withSlices(ours: Pool, before: Pool | undefined, now: Pool): Pool {
  const taken = (then: LimitBelief | null | undefined, since: LimitBelief | null) =>
    Math.max(0, (since?.spent ?? 0) - (then?.spent ?? since?.spent ?? 0));
  const pool = takeFrom(ours, taken(before?.requests, now.requests), taken(before?.tokens, now.tokens));
  return { ...pool, not_before_ms: Math.max(pool.not_before_ms, now.not_before_ms) };
}

function spentOf(pool: Pool): number {
  return (pool.requests?.spent ?? 0) + (pool.tokens?.spent ?? 0);
}
