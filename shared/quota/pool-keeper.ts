import type { Clock } from "../clock.ts";
import type { Stored } from "../job/ports.ts";
import type { Breaker } from "./breaker.ts";
import type { Limited } from "./instance-quota.ts";
import { giveBack, type LimitBelief, spend } from "./limit-belief.ts";
import { isLimited, newPool, type Pool, poolAt, withLimits } from "./pool.ts";
import type { PoolRecord, QuotaLedger } from "./ports.ts";
import type { Scheduler } from "./scheduler.ts";

/** For how long a backlog is said to last; it is said anew at half of that, and a pool that changed is written with it. */
const BACKLOG_MS = 5_000;
const WRITE_EVERY_MS = BACKLOG_MS / 2;
/** Against others who write the same pool. */
const TRIES = 5;

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
        await this.#writeOne(name, says);
      }),
    );
  }

  #isWaitedFor(pool: string): boolean {
    const nowMs = this.#deps.clock.now();
    return (this.#members.get(pool) ?? []).some(
      (name) => this.#scheduler.queue.next(name, nowMs) !== undefined,
    );
  }

  /** Instances that take slices write as well, some of them often: it is tried until it is in, or another look's turn. */
  async #writeOne(name: string, waiting: boolean): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const pool = this.#scheduler.pools.get(name);
      if (pool === undefined) return;
      const nowMs = this.#deps.clock.now();
      const record: PoolRecord = {
        pool,
        breakers: this.#breakersOf(name),
        backlog_until_ms: waiting ? nowMs + BACKLOG_MS : 0,
      };
      const before = this.#stored.get(name);
      const written = await this.#deps.ledger.write(name, record, before?.etag);
      if (written.kind === "written") {
        this.#stored.set(name, { value: record, etag: written.etag });
        this.#writtenMs.set(name, nowMs);
        this.#spentThen.set(name, spentOf(pool));
        return;
      }
      // An instance has taken a slice, or told what it learnt.
      const current = await this.#deps.ledger.read(name);
      this.#stored.set(name, current);
      const ours = this.#scheduler.pools.get(name);
      if (current === undefined || ours === undefined) return;
      const now = this.#deps.clock.now();
      this.#scheduler.pools.set(name, together(ours, before?.value.pool, current.value.pool, now));
    }
  }

  #breakersOf(name: string): Record<string, Breaker> {
    return Object.fromEntries(
      (this.#members.get(name) ?? []).flatMap((member) => {
        const breaker = this.#scheduler.breakers.get(member);
        return breaker === undefined ? [] : [[member, breaker] as const];
      }),
    );
  }
}

/** Ours, and what instances have taken and learnt since `before`. */
function together(ours: Pool, before: Pool | undefined, theirs: Pool, nowMs: number): Pool {
  const [a, b] = [poolAt(ours, nowMs), poolAt(theirs, nowMs)];
  return {
    requests: beliefTogether(a.requests, before?.requests, b.requests),
    tokens: beliefTogether(a.tokens, before?.tokens, b.tokens),
    not_before_ms: Math.max(a.not_before_ms, b.not_before_ms),
  };
}

/** Who knows how it is limited knows what is left of it; what the other has taken is taken off. */
function beliefTogether(
  ours: LimitBelief | null,
  before: LimitBelief | null | undefined,
  theirs: LimitBelief | null,
): LimitBelief | null {
  if (ours === null || theirs === null) return ours ?? theirs;
  const taken = (since: LimitBelief) => since.spent - (before?.spent ?? 0);
  const learntThere = ours.shape === "unknown" && theirs.shape !== "unknown";
  const [base, more] = learntThere ? [theirs, taken(ours)] : [ours, taken(theirs)];
  // Less than before: a slice that was not used up came back.
  return more < 0 ? giveBack(base, -more) : spend(base, more);
}

function spentOf(pool: Pool): number {
  return (pool.requests?.spent ?? 0) + (pool.tokens?.spent ?? 0);
}
