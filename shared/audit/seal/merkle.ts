import { createHash } from "node:crypto";
import { sha256Hex } from "../../sha256.ts";

/**
 * A Merkle tree as in RFC 6962, section 2.1 (Certificate Transparency): SHA-256, leaves and nodes told apart by a
 * byte in front, so that no node can be passed off as a leaf. Hashes are lower-case hex.
 */
const LEAF = Buffer.from([0x00]);
const NODE = Buffer.from([0x01]);

export const EMPTY_ROOT = sha256Hex("");

export function leafHash(data: string | Uint8Array): string {
  return createHash("sha256").update(LEAF).update(data).digest("hex");
}

export function nodeHash(left: string, right: string): string {
  return createHash("sha256").update(NODE).update(left, "hex").update(right, "hex").digest("hex");
}

/** The root over leaves that come one by one; keeps one hash for each power of two among their number. */
export class MerkleRoot {
  #peaks: { leaves: number; hash: string }[] = [];
  #leaves = 0;

  get leaves(): number {
    return this.#leaves;
  }

  add(leaf: string): void {
    this.#leaves++;
    let peak = { leaves: 1, hash: leaf };
    for (let last = this.#peaks.at(-1); last?.leaves === peak.leaves; last = this.#peaks.at(-1)) {
      this.#peaks.pop();
      peak = { leaves: last.leaves + peak.leaves, hash: nodeHash(last.hash, peak.hash) };
    }
    this.#peaks.push(peak);
  }

  root(): string {
    const [last, ...before] = this.#peaks.toReversed();
    if (last === undefined) return EMPTY_ROOT;
    return before.reduce((hash, peak) => nodeHash(peak.hash, hash), last.hash);
  }
}
