import type { z } from "zod";
import { CONTROL_SCOPES } from "../../audit/control-record.ts";
import type { Seal, SealHead, SealLeaf } from "../../audit/seal/seal.ts";
import type { ChangedHead, SealStore } from "../../audit/seal/sealing.ts";
import type { SealPart, SealSource } from "../../audit/seal/verify-seals.ts";
import type { Stored } from "../../store.ts";
import { rawItem } from "./documents.ts";
import {
  controlHeadPlace,
  ITEMS,
  leavesPlace,
  leavesPrefix,
  leavesScope,
  SEALS_SCOPE,
  sealHeadPlace,
  sealPlace,
} from "./items.ts";
import { ownFields, type StoredItems } from "./stored-items.ts";
import { HEAD_FIELDS, headFields, PAGE_ITEMS, untilOf } from "./trails.ts";
import { isSuperseded, unexpected } from "./transaction.ts";

/** Seals in the `control` container; reads the heads they are about from `jobs`. */
export class CosmosSeals implements SealStore, SealSource {
  readonly #jobs: StoredItems;
  readonly #control: StoredItems;

  constructor(jobs: StoredItems, control: StoredItems) {
    this.#jobs = jobs;
    this.#control = control;
  }

  async sealHead(): Promise<Stored<SealHead> | undefined> {
    const found = await this.#control.read(ITEMS.seal_head, sealHeadPlace);
    if (found === undefined) return undefined;
    const { n, to_ts, hash } = found.value;
    return { value: { n, to_ts, hash }, etag: found.etag };
  }

  async head(): Promise<SealHead | undefined> {
    return (await this.sealHead())?.value;
  }

  /**
   * By `_ts`, the time of an item's last write by the store's own clock, which Cosmos indexes in every container: no
   * host's clock, and no write held up on its way, can put a change into a stretch that is sealed already. A job
   * whose head did not change (a renewal) is sealed again as it was. `created_at_ms` is indexed as well, and few kinds
   * have it: content and records are not loaded to be passed over.
   */
  async *changedHeads(fromTs: number, toTs: number): AsyncGenerator<readonly ChangedHead[]> {
    const query = {
      ...{ select: HEAD_FIELDS, orderBy: "c._ts" },
      where: "c._ts >= @from AND c._ts < @to AND c.created_at_ms >= 0",
      parameters: { "@from": fromTs, "@to": toTs },
    };
    for await (const page of this.#jobs.pages(ITEMS.job, query, headFields, { pageItems: PAGE_ITEMS })) {
      yield page.map((item) => {
        const { tenant_id, job_id, audit_seq: seq, audit_hash: hash } = item;
        return { leaf: { tenant_id, job_id, seq, hash, until: untilOf(item) }, ts: item._ts };
      });
    }
  }

  async controlHeads(): Promise<readonly SealLeaf[]> {
    const heads = CONTROL_SCOPES.map(async (scope) => {
      const head = await this.#control.read(ITEMS.control_head, controlHeadPlace(scope));
      return head && { scope, seq: head.value.seq, hash: head.value.hash, until: null };
    });
    return (await Promise.all(heads)).filter((leaf) => leaf !== undefined);
  }

  async writeLeaves(
    n: number,
    run: string,
    index: number,
    leaves: readonly SealLeaf[],
    ttl: number,
  ): Promise<void> {
    // The same run writes the same leaves: written again after a lost answer, nothing is different.
    await this.#control.put(ITEMS.seal_leaves, leavesPlace(n, run, index), { leaves, ttl });
  }

  async write(seal: Seal, etag: string | undefined): Promise<"written" | "superseded"> {
    const { n, to_ts, hash } = seal;
    const result = await this.#control.batch("seal", SEALS_SCOPE, [
      this.#control.writing(ITEMS.seal_head, sealHeadPlace, { n, to_ts, hash }, etag),
      this.#control.writing(ITEMS.seal, sealPlace(n), { ...seal }),
    ]);
    if (result.kind === "done") return "written";
    if (isSuperseded(result.status)) return "superseded";
    throw unexpected("seal", result.status);
  }

  async readSeal(n: number): Promise<Seal | undefined> {
    const found = await this.#control.read(ITEMS.seal, sealPlace(n));
    return found && sealOf(found.value);
  }

  async tidy(n: number, keepRun: string): Promise<void> {
    const partition = leavesScope(n);
    const query = {
      select: "c.id",
      where: "NOT STARTSWITH(c.id, @kept)",
      parameters: { "@kept": leavesPrefix(keepRun) },
    };
    for await (const page of this.#control.pages(ITEMS.seal_leaves, query, rawItem, { partition }))
      for (const { id } of page) await this.#control.remove(ITEMS.seal_leaves, { id, partition });
  }

  /** Every seal with its leaves, one item at a time; what is missing, or cannot be read, the walk tells. */
  async *parts(): AsyncGenerator<SealPart> {
    const head = await this.head();
    for (let n = 1; n <= (head?.n ?? 0); n++) {
      const found = await this.#control.readOrTell(ITEMS.seal, sealPlace(n));
      if (found?.value === undefined) continue;
      const seal = sealOf(found.value);
      yield { kind: "seal", seal };
      for (let index = 1; index <= seal.chunks; index++) {
        const chunk = await this.#control.readOrTell(ITEMS.seal_leaves, leavesPlace(n, seal.run, index));
        if (chunk?.value !== undefined)
          yield { kind: "leaves", leaves: chunk.value.leaves as unknown as readonly SealLeaf[] };
      }
    }
  }
}

/** The seal alone, with what a neighbouring version has added to it: all that was hashed. */
const sealOf = (item: z.infer<typeof ITEMS.seal.document>): Seal =>
  ownFields(item, "scope") as unknown as Seal;
