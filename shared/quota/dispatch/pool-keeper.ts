import type { Clock } from "../../clock.ts";
import type { Stored } from "../../store.ts";
import type { Breaker } from "../belief/breaker.ts";
import { giveBack, type LimitBelief, spend } from "../belief/limit-belief.ts";
import { expectNothing, isLimited, newPool, type Pool, poolAt, withLimits } from "../belief/pool.ts";
import { isToBeTold, type PoolTold, spentOf, TOLD_NOTHING, toldNow } from "../belief/pool-told.ts";
import type { Limited } from "../instance/instance-quota.ts";
import type { DispatcherLedger, PoolRecord, PoolWrite } from "../ports.ts";
import type { Scheduler } from "./scheduler.ts";

/** Operations in one batch: the most that Cosmos DB takes. */
const MOST_AT_ONCE = 100;
/** Against others who write the same pool. */
const TRIES = 5;

/** A pool to be written. */
interface Due {
  readonly name: string;
  readonly isWaitedFor: boolean;
}

/**
 * Keeps the dispatcher's pools and the ledger in step: read once, then written now and then with the word that jobs
 * wait, so that instances leave the pools to the dispatcher.
 */
export class PoolKeeper {
  readonly #deps: { ledger: DispatcherLedger; clock: Clock };
  readonly #scheduler: Scheduler;
  readonly #stored = new Map<string, Stored<PoolRecord> | undefined>();
  readonly #members = new Map<string, readonly string[]>();
  readonly #limits = new Map<string, Limited["limits"]>();
  readonly #told = new Map<string, PoolTold>();

  constructor(deps: { ledger: DispatcherLedger; clock: Clock }, scheduler: Scheduler) {
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
        this.#scheduler.pools.set(name, expectNothing(poolAt(pool, nowMs), nowMs));
        if (stored !== undefined) this.#told.set(name, toldBy(stored.value));
        for (const [deployment, breaker] of Object.entries(stored?.value.breakers ?? {}))
          if (!this.#scheduler.breakers.has(deployment)) this.#scheduler.breakers.set(deployment, breaker);
      }),
    );
  }

  /** @param waiting whether jobs wait; false as well tells instances that they may take slices again */
  async write(waiting: boolean): Promise<void> {
    const nowMs = this.#deps.clock.now();
    const due: Due[] = [];
    for (const [name, pool] of this.#scheduler.pools) {
      if (!isLimited(pool)) continue;
      const isWaitedFor = waiting && this.#isWaitedFor(name);
      if (isToBeTold(this.#told.get(name) ?? TOLD_NOTHING, pool, isWaitedFor, nowMs))
        due.push({ name, isWaitedFor });
    }
    const batches: Due[][] = [];
    for (let n = 0; n < due.length; n += MOST_AT_ONCE) batches.push(due.slice(n, n + MOST_AT_ONCE));
    await Promise.all(batches.map((batch) => this.#writeTogether(batch)));
  }

  #isWaitedFor(pool: string): boolean {
    const nowMs = this.#deps.clock.now();
    return (this.#members.get(pool) ?? []).some(
      (name) => this.#scheduler.queue.next(name, nowMs) !== undefined,
    );
  }

  /**
   * By one operation, or by one for each half, and so on: as a backlog begins instances still take slices, and where one
   * pool has moved on none is written.
   */
  async #writeTogether(due: readonly Due[], isFirst = true): Promise<void> {
    const [one, ...more] = due;
    if (one === undefined) return;
    if (more.length === 0) return this.#writeOne(one);
    const writes = due.flatMap((each) => this.#writeOf(each) ?? []);
    const written = await this.#deps.ledger.writeAll(writes);
    if (written.kind === "written") {
      for (const [n, write] of writes.entries()) this.#wrote(write, written.etags[n]);
      return;
    }
    // The first time it may be many that have: they were read a while ago.
    const moved = isFirst ? undefined : due[written.at ?? -1];
    await Promise.all((moved === undefined ? due : [moved]).map(({ name }) => this.#readAgain(name)));
    const half = Math.ceil(due.length / 2);
    await Promise.all([due.slice(0, half), due.slice(half)].map((part) => this.#writeTogether(part, false)));
  }

  /** Instances that take slices write as well, some of them often: it is tried until it is in, or another look's turn. */
  async #writeOne(due: Due): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const write = this.#writeOf(due);
      if (write === undefined) return;
      const written = await this.#deps.ledger.write(write.pool, write.record, write.etag);
      if (written.kind === "written") {
        this.#wrote(write, written.etag);
        return;
      }
      await this.#readAgain(due.name);
    }
  }

  #writeOf({ name, isWaitedFor }: Due): PoolWrite | undefined {
    const pool = this.#scheduler.pools.get(name);
    if (pool === undefined) return undefined;
    const { backlog_until_ms } = toldNow(pool, isWaitedFor, this.#deps.clock.now());
    const record = { pool, breakers: this.#breakersOf(name), backlog_until_ms };
    return { pool: name, record, etag: this.#stored.get(name)?.etag };
  }

  #wrote({ pool: name, record }: PoolWrite, etag: string | undefined): void {
    const { pool, backlog_until_ms } = record;
    this.#stored.set(name, etag === undefined ? undefined : { value: record, etag });
    this.#told.set(name, { at_ms: this.#deps.clock.now(), spent: spentOf(pool), backlog_until_ms });
  }

  /** An instance has taken a slice, or told what it learnt. */
  async #readAgain(name: string): Promise<void> {
    const before = this.#stored.get(name);
    const current = await this.#deps.ledger.read(name);
    this.#stored.set(name, current);
    const ours = this.#scheduler.pools.get(name);
    if (current === undefined || ours === undefined) return;
    const nowMs = this.#deps.clock.now();
    this.#scheduler.pools.set(name, together(ours, before?.value.pool, current.value.pool, nowMs));
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

/** When it was is not known: what is spent from now on is told at once. */
function toldBy({ pool, backlog_until_ms }: PoolRecord): PoolTold {
  return { at_ms: 0, spent: spentOf(pool), backlog_until_ms };
}
