import type { Clock } from "../../clock.ts";
import type { Stored } from "../../store.ts";
import { giveBack, spend } from "../belief/belief.ts";
import {
  eachLimit,
  expectNothing,
  isLimited,
  newPool,
  type Pool,
  poolAt,
  withLimits,
} from "../belief/pool.ts";
import { concurrencyOf, type Limited } from "../limited.ts";
import type { PoolRecord } from "../pool-record.ts";
import type { QuotaLedger } from "../ports.ts";
import { slotsOfOthers } from "../slots.ts";
import type { Scheduler } from "./scheduler.ts";

/** For how long a line is said to last; it is said anew at half of that, and a pool that changed is written with it. */
export const BACKLOG_MS = 5_000;
const WRITE_EVERY_MS = BACKLOG_MS / 2;
/** Operations in one batch: the most that Cosmos DB takes. */
const MOST_AT_ONCE = 100;
/** Against others who write the same pool. */
const TRIES = 5;

/** What the ledger was last told of a pool. */
export interface PoolTold {
  readonly at_ms: number;
  readonly pool: Pool | undefined;
  readonly backlog_until_ms: number;
}

export const TOLD_NOTHING: PoolTold = { at_ms: 0, pool: undefined, backlog_until_ms: 0 };

/**
 * Whether the dispatcher is to write a pool: at once that jobs wait for it, or no more do; now and then what was spent.
 * A pool that nobody waits for is left to the instances, and not written at all.
 */
export function isDue(told: PoolTold, pool: Pool, isWaitedFor: boolean, nowMs: number): boolean {
  const saidForMs = told.backlog_until_ms - nowMs;
  if (isWaitedFor ? saidForMs < WRITE_EVERY_MS : saidForMs > 0) return true;
  return spentOf(pool) !== spentOf(told.pool) && nowMs - told.at_ms >= WRITE_EVERY_MS;
}

function spentOf(pool: Pool | undefined): number {
  return (pool?.requests?.spent ?? 0) + (pool?.tokens?.spent ?? 0);
}

interface Kept {
  readonly limits: Limited["limits"];
  readonly members: readonly string[];
  /** Only so many calls may run on one of its deployments. */
  readonly isCounted: boolean;
  readonly stored: Stored<PoolRecord> | undefined;
  readonly told: PoolTold;
}

interface Due {
  readonly name: string;
  readonly isWaitedFor: boolean;
}

/**
 * Keeps the dispatcher's pools and the ledger in step: read once, then written now and then with the word that jobs
 * wait, so that instances leave the pools to the dispatcher.
 */
export class PoolKeeper {
  readonly #deps: { readonly ledger: QuotaLedger; readonly clock: Clock };
  readonly #scheduler: Scheduler;
  readonly #kept = new Map<string, Kept>();

  constructor(deps: { ledger: QuotaLedger; clock: Clock }, scheduler: Scheduler) {
    this.#deps = deps;
    this.#scheduler = scheduler;
  }

  /** Reads the pools that are not known yet; the catalogue may have got new ones, or new limits. */
  async read(deployments: readonly Limited[]): Promise<void> {
    const pools = Map.groupBy(deployments, ({ pool }) => pool);
    await Promise.all([...pools].map(([name, members]) => this.#readOne(name, members)));
  }

  async #readOne(name: string, deployments: readonly Limited[]): Promise<void> {
    const { pools, breakers } = this.#scheduler;
    const limits = deployments[0]?.limits ?? {};
    const members = deployments.map((each) => each.name);
    const isCounted = deployments.some((each) => concurrencyOf(each) !== undefined);
    const before = this.#kept.get(name);
    const known = pools.get(name);
    if (before !== undefined && known !== undefined) {
      if (before.limits !== limits) pools.set(name, withLimits(known, limits, this.#deps.clock.now()));
      this.#kept.set(name, { ...before, limits, members, isCounted });
      return;
    }
    const stored = await this.#deps.ledger.read(name);
    const nowMs = this.#deps.clock.now();
    const record = stored?.value;
    const pool = record === undefined ? newPool(limits, nowMs) : withLimits(record.pool, limits, nowMs);
    pools.set(name, expectNothing(poolAt(pool, nowMs), nowMs));
    for (const [deployment, breaker] of Object.entries(record?.breakers ?? {}))
      if (!breakers.has(deployment)) breakers.set(deployment, breaker);
    // When it was written is not known: what is spent from now on is told at once.
    const told = { at_ms: 0, pool: record?.pool, backlog_until_ms: record?.backlog_until_ms ?? 0 };
    this.#kept.set(name, { limits, members, isCounted, stored, told });
  }

  /** What instances may still begin of a deployment by themselves; undefined: it is not known that they begin no more. */
  slotsOf({ name, pool }: Limited): number | undefined {
    const nowMs = this.#deps.clock.now();
    const kept = this.#kept.get(pool);
    if (kept === undefined || kept.told.backlog_until_ms <= nowMs) return undefined;
    return slotsOfOthers(kept.stored?.value.slots?.[name], nowMs);
  }

  /**
   * @param waiting whether jobs wait; false as well tells instances that they may take slices again
   * @param isLast whoever dispatches next goes on with all that was learnt
   */
  async write(waiting: boolean, isLast = false): Promise<void> {
    const nowMs = this.#deps.clock.now();
    const due: Due[] = [];
    for (const [name, { members, told, isCounted }] of this.#kept) {
      const pool = this.#scheduler.pools.get(name);
      if (pool === undefined || !(isLimited(pool) || isCounted)) continue;
      const isWaitedFor = waiting && members.some((each) => this.#scheduler.queue.isWaitedFor(each));
      const isNew = isLast && this.#scheduler.learnt.has(name);
      if (isNew || isDue(told, pool, isWaitedFor, nowMs)) due.push({ name, isWaitedFor });
    }
    const batches: Due[][] = [];
    for (let n = 0; n < due.length; n += MOST_AT_ONCE) batches.push(due.slice(n, n + MOST_AT_ONCE));
    await Promise.all(batches.map((batch) => this.#write(batch)));
  }

  /**
   * By one operation, or by one for each half, and so on: as jobs begin to wait instances still take slices, some of them
   * often, and where one pool has moved on none is written.
   */
  async #write(due: readonly Due[], tries = TRIES): Promise<void> {
    if (due.length === 0 || tries === 0) return;
    const nowMs = this.#deps.clock.now();
    const writes = due.map(({ name, isWaitedFor }) => {
      const { members, stored } = this.#kept.get(name) as Kept;
      const pool = this.#scheduler.pools.get(name) as Pool;
      const known = <T>(of: (member: string) => T | undefined) =>
        Object.fromEntries(
          members.flatMap((member) => {
            const value = of(member);
            return value === undefined ? [] : [[member, value] as const];
          }),
        );
      const breakers = known((member) => this.#scheduler.breakers.get(member));
      const causes = known((member) => this.#scheduler.hindranceOf(member, nowMs));
      const backlog_until_ms = isWaitedFor ? nowMs + BACKLOG_MS : 0;
      const record: PoolRecord = { ...stored?.value, pool, breakers, backlog_until_ms, causes };
      return { pool: name, record, etag: stored?.etag };
    });
    const written = await this.#deps.ledger.write(writes);
    if (written.kind === "written") {
      for (const [n, { pool: name, record }] of writes.entries()) {
        const { pool, backlog_until_ms } = record;
        const stored = { value: record, etag: written.etags[n] ?? "" };
        const kept = this.#kept.get(name) as Kept;
        this.#kept.set(name, { ...kept, stored, told: { at_ms: nowMs, pool, backlog_until_ms } });
      }
      return;
    }
    // The first time it may be many that have moved on: they were read a while ago.
    const moved = tries === TRIES ? undefined : due[written.at ?? -1];
    await Promise.all((moved === undefined ? due : [moved]).map(({ name }) => this.#readAgain(name)));
    const half = Math.ceil(due.length / 2);
    await Promise.all(
      [due.slice(0, half), due.slice(half)].map((part) =>
        this.#write(part, due.length > 1 ? TRIES - 1 : tries - 1),
      ),
    );
  }

  /** An instance has taken a slice, or given back what it did not use: that is taken off here as well. */
  async #readAgain(name: string): Promise<void> {
    const kept = this.#kept.get(name) as Kept;
    const stored = await this.#deps.ledger.read(name);
    this.#kept.set(name, { ...kept, stored });
    const ours = this.#scheduler.pools.get(name);
    const [theirs, before] = [stored?.value.pool, kept.stored?.value.pool];
    if (theirs === undefined || ours === undefined) return;
    const both = eachLimit(poolAt(ours, this.#deps.clock.now()), (belief, kind) => {
      const there = theirs[kind];
      if (there?.ceiling_per_second !== belief.ceiling_per_second) return belief;
      const taken = there.spent - (before?.[kind]?.spent ?? 0);
      return taken < 0 ? giveBack(belief, -taken) : spend(belief, taken);
    });
    this.#scheduler.pools.set(name, both);
  }
}
