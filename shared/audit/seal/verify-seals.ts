import { controlRecordHash } from "../control-record.ts";
import { recordHash } from "../record.ts";
import { type Counts, hasLapsed, inParallel, report, type VerifyDeps } from "../verify.ts";
import { MerkleRoot } from "./merkle.ts";
import {
  chainName,
  NO_SEAL,
  type Seal,
  type SealHead,
  type SealLeaf,
  sealDay,
  sealFault,
  sealLeafHash,
} from "./seal.ts";

/** Seals in order, each followed by its leaves: from the store, or from an exported file. */
export type SealPart =
  | { readonly kind: "seal"; readonly seal: Seal }
  | { readonly kind: "leaves"; readonly leaves: readonly SealLeaf[] };

export interface SealSource {
  parts(): AsyncIterable<SealPart>;
  /** Where the seals end, by their own account; undefined: this source has none, it may end anywhere. */
  head(): Promise<SealHead | undefined>;
}

export type SealChecks = VerifyDeps & {
  /** Names the seals in findings: `seals`, or the file they are in. */
  readonly name: string;
  /** The seal of this number as the store has it, to hold an exported one against; undefined: there is none. */
  readonly storedSeal?: (n: number) => Promise<Seal | undefined>;
};

/** Holds the seals against each other, their leaves against the roots, and the store's trails against the leaves. */
export async function verifySeals(deps: SealChecks, counts: Counts, source: SealSource): Promise<void> {
  const head = await source.head();
  const walk = new SealWalk(deps, counts);
  for await (const part of source.parts()) {
    if (part.kind === "seal") await walk.begin(part.seal);
    else await walk.leaves(part.leaves);
    deps.progress(counts);
  }
  walk.end(head);
}

class SealWalk {
  readonly #deps: SealChecks;
  readonly #counts: Counts;
  #last: SealHead = NO_SEAL;
  #seal: Seal | undefined;
  #root = new MerkleRoot();
  /** Only the first fault of the chain of seals is named: all that follow it do not fit either. */
  #chained = true;

  constructor(deps: SealChecks, counts: Counts) {
    this.#deps = deps;
    this.#counts = counts;
  }

  async begin(seal: Seal): Promise<void> {
    this.#close();
    const why = this.#chained ? sealFault(this.#last, seal) : undefined;
    if (why !== undefined) {
      this.#chained = false;
      this.#report(this.#last.n + 1, why);
    }
    const stored = this.#deps.storedSeal;
    if (stored !== undefined) {
      const other = await stored(seal.n);
      if (other === undefined) this.#report(seal.n, "the store does not have this seal");
      else if (other.hash !== seal.hash) this.#report(seal.n, "the store has another seal of this number");
    }
    this.#seal = seal;
    this.#root = new MerkleRoot();
    this.#counts.seals++;
  }

  async leaves(leaves: readonly SealLeaf[]): Promise<void> {
    for (const leaf of leaves) this.#root.add(sealLeafHash(leaf));
    const seal = this.#seal;
    if (seal !== undefined) await inParallel(leaves, (leaf) => this.#holdAgainst(seal, leaf));
    this.#counts.sealed_heads += leaves.length;
  }

  end(head: SealHead | undefined): void {
    this.#close();
    // A seal made since the head was read is not a fault.
    if (head === undefined || !this.#chained || this.#last.n > head.n) return;
    if (this.#last.n < head.n) this.#report(this.#last.n + 1, "the seal is missing: there are later ones");
    else if (this.#last.hash !== head.hash) this.#report(head.n, "its hash is not that of the latest seal");
  }

  #close(): void {
    const seal = this.#seal;
    if (seal === undefined) return;
    this.#last = seal;
    const gone = this.#root.leaves === 0 && hasLapsed(seal.until, this.#deps.clock.now() / 1000);
    if (gone) return;
    if (this.#root.leaves !== seal.leaves)
      this.#report(seal.n, `${this.#root.leaves} of its ${seal.leaves} sealed heads are stored`);
    else if (this.#root.root() !== seal.root)
      this.#report(seal.n, "its sealed heads do not give its Merkle root");
  }

  async #holdAgainst(seal: Seal, leaf: SealLeaf): Promise<void> {
    const { clock, gone } = this.#deps;
    const chain = chainName(leaf);
    const hash = await this.#hashNow(leaf);
    const sealed = `seal ${seal.n} (${sealDay(seal)})`;
    if (hash === undefined && hasLapsed(leaf.until, clock.now() / 1000)) {
      if (gone.delete(chain)) this.#counts.lapsed++;
      return;
    }
    const why =
      hash === leaf.hash ? await this.#untilFault(leaf, sealed) : await this.#lossOf(leaf, hash, sealed);
    if (why === undefined) return;
    gone.delete(chain);
    report(this.#deps, this.#counts, { chain, seq: leaf.seq, why });
  }

  /** Reckoned from the record's fields: what is stored as its hash proves nothing. */
  async #hashNow(leaf: SealLeaf): Promise<string | undefined> {
    const { trails } = this.#deps;
    if ("scope" in leaf) {
      const { hash: _, ...fields } = (await trails.controlRecord(leaf.scope, leaf.seq)) ?? {};
      return "seq" in fields ? controlRecordHash(fields) : undefined;
    }
    const { hash: _, ...fields } = (await trails.record(leaf, leaf.seq)) ?? {};
    return "seq" in fields ? recordHash(fields) : undefined;
  }

  /** The seal took the moment from the job's item; the trail itself knows better. */
  async #untilFault(leaf: SealLeaf, sealed: string): Promise<string | undefined> {
    if ("scope" in leaf || leaf.until === null) return undefined;
    const accepted = await this.#deps.trails.record(leaf, 1);
    return accepted?.format === undefined || accepted.audit_until === leaf.until
      ? undefined
      : `${sealed} and the trail do not say the same of how long it is kept`;
  }

  async #lossOf(leaf: SealLeaf, hash: string | undefined, sealed: string): Promise<string> {
    if (hash !== undefined) return `it is not the record in ${sealed}`;
    return (await this.#wholeTrailGone(leaf))
      ? `the whole trail is gone: ${sealed} has it up to this record`
      : `the record is gone: ${sealed} has it`;
  }

  async #wholeTrailGone(leaf: SealLeaf): Promise<boolean> {
    if ("scope" in leaf) return (await this.#deps.trails.controlHead(leaf.scope)) === undefined;
    return (await this.#deps.trails.records(leaf)).length === 0;
  }

  #report(seq: number, why: string): void {
    report(this.#deps, this.#counts, { chain: this.#deps.name, seq, why });
  }
}
