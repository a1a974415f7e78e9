import type { Log } from "../../log.ts";
import { MerkleRoot } from "./merkle.ts";
import {
  NO_SEAL,
  nextSeal,
  nextSealEnd,
  type Seal,
  type SealHead,
  type SealLeaf,
  sealDay,
  sealLeafHash,
} from "./seal.ts";

/** A head that changed, and when by the store's own clock. */
export interface ChangedHead {
  readonly leaf: SealLeaf;
  /** Unix time, seconds. */
  readonly ts: number;
}

/** Every method throws StoreUnavailable, and nothing else that a cloud can cause. */
export interface SealStore {
  sealHead(): Promise<{ readonly value: SealHead; readonly etag: string } | undefined>;
  /** Heads of jobs' trails written from `fromTs` on and before `toTs`, in that order, in pages. */
  changedHeads(fromTs: number, toTs: number): AsyncIterable<readonly ChangedHead[]>;
  /** Where control's own chains stand now. */
  controlHeads(): Promise<readonly SealLeaf[]>;
  /** @param index from 1; the leaves of one item */
  writeLeaves(n: number, run: string, index: number, leaves: readonly SealLeaf[], ttl: number): Promise<void>;
  /** The seal and the new head in one batch. `superseded`: another instance has sealed meanwhile. */
  write(seal: Seal, etag: string | undefined): Promise<"written" | "superseded">;
  /** Removes the leaves that dead or beaten runs have left behind. */
  tidy(n: number, keepRun: string): Promise<void>;
  readSeal(n: number): Promise<Seal | undefined>;
}

export interface SealingDeps {
  readonly seals: SealStore;
  readonly clock: { now(): number };
  readonly newRun: () => string;
  readonly log: Log;
  /** How long, at most, an audit record written now is kept, in seconds; null: for ever. */
  readonly keptSeconds: number | null;
  /** Leaves of a seal before it is closed ahead of its day's end: then what a dead run has to do again is bounded. */
  readonly maxLeaves?: number;
}

/** The longest that an audit record written now may be kept, in seconds; null: for ever. */
export function keptSecondsAtMost(settings: {
  readonly maxDeadlineSeconds: number;
  readonly auditRetentionDays: number;
}): number | null {
  const { maxDeadlineSeconds, auditRetentionDays } = settings;
  return auditRetentionDays === 0 ? null : maxDeadlineSeconds + auditRetentionDays * 86_400;
}

/** Some 100 kB an item: well below 2 MB, and one write of a few hundred RU. */
export const LEAVES_PER_CHUNK = 500;
/** Minutes of work, so that a run ends well within a function's time. */
const MAX_LEAVES = 100_000;
const MARGIN_SECONDS = 7 * 86_400;

/**
 * Seals every day that is over and is not sealed yet, oldest first. Safe to run at any time, twice at once, and
 * after a run that died half way: a seal counts only when it and the head were written together.
 * @returns the seals this run has made
 */
export async function sealDays(deps: SealingDeps): Promise<readonly Seal[]> {
  const made: Seal[] = [];
  for (;;) {
    const head = await deps.seals.sealHead();
    const from = head?.value ?? NO_SEAL;
    const toTs = nextSealEnd(from, deps.clock.now());
    if (toTs === undefined) return made;
    await tidyLast(deps, from.n);
    const run = deps.newRun();
    const seal = await gather(deps, from, toTs, run);
    if ((await deps.seals.write(seal, head?.etag)) === "superseded") {
      const winner = await deps.seals.readSeal(seal.n);
      if (winner !== undefined) await deps.seals.tidy(seal.n, winner.run);
      continue;
    }
    await deps.seals.tidy(seal.n, run);
    deps.log.info("sealed", { n: seal.n, day: sealDay(seal), leaves: seal.leaves, root: seal.root });
    made.push(seal);
  }
}

/** A run that died after its seal was stored has not tidied up. */
async function tidyLast({ seals }: SealingDeps, n: number): Promise<void> {
  const last = n === 0 ? undefined : await seals.readSeal(n);
  if (last !== undefined) await seals.tidy(n, last.run);
}

async function gather(deps: SealingDeps, from: SealHead, dayEnd: number, run: string): Promise<Seal> {
  const maxLeaves = deps.maxLeaves ?? MAX_LEAVES;
  const sealedAt = Math.floor(deps.clock.now() / 1000);
  const until = deps.keptSeconds === null ? null : sealedAt + deps.keptSeconds + MARGIN_SECONDS;
  const chunks = new Chunks(deps, from.n + 1, run, until === null ? -1 : until - sealedAt);
  let toTs = dayEnd;
  let lastTs = from.to_ts;
  reading: for await (const page of deps.seals.changedHeads(from.to_ts, dayEnd)) {
    for (const { leaf, ts } of page) {
      // Closed between two seconds only: the next seal begins with the second this one ends before.
      if (chunks.root.leaves >= maxLeaves && ts > lastTs) {
        toTs = ts;
        break reading;
      }
      lastTs = ts;
      await chunks.add(leaf);
    }
  }
  for (const leaf of await deps.seals.controlHeads()) await chunks.add(leaf);
  await chunks.flush();
  return nextSeal(from, {
    ...{ to_ts: toTs, sealed_at: sealedAt, run, until },
    ...{ leaves: chunks.root.leaves, chunks: chunks.written, root: chunks.root.root() },
  });
}

/** Leaves on their way into items of bounded size. */
class Chunks {
  readonly root = new MerkleRoot();
  written = 0;
  readonly #write: (index: number, leaves: readonly SealLeaf[]) => Promise<void>;
  #leaves: SealLeaf[] = [];

  constructor({ seals }: SealingDeps, n: number, run: string, ttl: number) {
    this.#write = (index, leaves) => seals.writeLeaves(n, run, index, leaves, ttl);
  }

  async add(leaf: SealLeaf): Promise<void> {
    this.root.add(sealLeafHash(leaf));
    this.#leaves.push(leaf);
    if (this.#leaves.length === LEAVES_PER_CHUNK) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#leaves.length === 0) return;
    await this.#write(this.written + 1, this.#leaves);
    this.written++;
    this.#leaves = [];
  }
}
