import type { Container, OperationInput, SqlQuerySpec } from "@azure/cosmos";
import { CONTROL_SCOPES } from "../../audit/control-record.ts";
import type { Seal, SealHead, SealLeaf } from "../../audit/seal/seal.ts";
import type { ChangedHead, SealStore } from "../../audit/seal/sealing.ts";
import type { SealPart, SealSource } from "../../audit/seal/verify-seals.ts";
import { STORED_VERSION } from "../../store.ts";
import { storeOperation } from "./client.ts";
import { CONTROL_HEAD_ID } from "./control-trail.ts";
import { HEAD_FIELDS, type HeadFields, jobHeadOf, pagesOf, read } from "./trails.ts";
import { createOf, isSuperseded, itemBody, transaction, unexpected } from "./transaction.ts";

/** The seals themselves, some 500 bytes each, kept for ever. */
const SCOPE = "seals";
const HEAD_ID = "seal-head";
const padded = (n: number, digits: number) => String(n).padStart(digits, "0");
const sealId = (n: number) => `seal-${padded(n, 6)}`;
/** A seal's leaves have a logical partition of their own: all seals' together would outgrow one. */
const leavesScope = (n: number) => `seal-${padded(n, 6)}`;
const chunkId = (run: string, index: number) => `${run}-${padded(index, 6)}`;

interface SealItem extends Seal {
  readonly id: string;
}
interface HeadItem extends SealHead {
  readonly _etag: string;
}

/** Seals in the `control` container; reads the heads they are about from `jobs`. */
export class CosmosSeals implements SealStore, SealSource {
  readonly #jobs: Container;
  readonly #control: Container;

  constructor(jobs: Container, control: Container) {
    this.#jobs = jobs;
    this.#control = control;
  }

  async sealHead(): Promise<{ value: SealHead; etag: string } | undefined> {
    const item = await read<HeadItem>("read seals", this.#control, HEAD_ID, SCOPE);
    if (item === undefined) return undefined;
    const { n, to_ts, hash } = item;
    return { value: { n, to_ts, hash }, etag: item._etag };
  }

  async head(): Promise<SealHead | undefined> {
    return (await this.sealHead())?.value;
  }

  /**
   * By `_ts`, the time of an item's last write by the store's own clock, which Cosmos indexes in every container: no
   * host's clock, and no write held up on its way, can put a change into a stretch that is sealed already. A job
   * whose head did not change (a renewal) is sealed again as it was. Only job items have `created_at_ms`, which is
   * indexed as well: content and records are not loaded to be passed over.
   */
  async *changedHeads(fromTs: number, toTs: number): AsyncGenerator<readonly ChangedHead[]> {
    const query: SqlQuerySpec = {
      query: `SELECT ${HEAD_FIELDS} FROM c WHERE c._ts >= @from AND c._ts < @to AND c.created_at_ms >= 0 ORDER BY c._ts`,
      parameters: [
        { name: "@from", value: fromTs },
        { name: "@to", value: toTs },
      ],
    };
    for await (const page of pagesOf<HeadFields>("walk heads", this.#jobs, query, {})) {
      yield page.map((item) => {
        const { tenant_id, job_id, audit_seq: seq, audit_hash: hash, until } = jobHeadOf(item);
        return { leaf: { tenant_id, job_id, seq, hash, until }, ts: item._ts };
      });
    }
  }

  async controlHeads(): Promise<readonly SealLeaf[]> {
    const heads = CONTROL_SCOPES.map(async (scope) => {
      const head = await read<{ seq: number; hash: string }>(
        "read control",
        this.#control,
        CONTROL_HEAD_ID,
        scope,
      );
      return head === undefined ? undefined : { scope, seq: head.seq, hash: head.hash, until: null };
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
    const scope = leavesScope(n);
    const item = { id: chunkId(run, index), scope, v: STORED_VERSION, kind: "seal_leaves", leaves, ttl };
    // The same run writes the same leaves: written again after a lost answer, nothing is different.
    await storeOperation("write sealed heads", (abortSignal) =>
      this.#control.items.upsert(item, { abortSignal }),
    );
  }

  async write(seal: Seal, etag: string | undefined): Promise<"written" | "superseded"> {
    const head = { id: HEAD_ID, scope: SCOPE, v: STORED_VERSION, kind: "seal_head" };
    const resourceBody = itemBody({ ...head, n: seal.n, to_ts: seal.to_ts, hash: seal.hash, ttl: -1 });
    const operations: OperationInput[] = [
      etag === undefined
        ? createOf(resourceBody)
        : { operationType: "Replace", id: HEAD_ID, ifMatch: etag, resourceBody },
      createOf({ id: sealId(seal.n), scope: SCOPE, v: STORED_VERSION, kind: "seal", ...seal, ttl: -1 }),
    ];
    const result = await transaction("seal", this.#control, SCOPE, operations, false);
    if (result.kind === "done") return "written";
    if (isSuperseded(result.status)) return "superseded";
    throw unexpected("seal", result.status);
  }

  async readSeal(n: number): Promise<Seal | undefined> {
    const item = await read<SealItem>("read seal", this.#control, sealId(n), SCOPE);
    return item === undefined ? undefined : sealOf(item);
  }

  async tidy(n: number, keepRun: string): Promise<void> {
    const scope = leavesScope(n);
    const query: SqlQuerySpec = {
      query: "SELECT VALUE c.id FROM c WHERE NOT STARTSWITH(c.id, @run)",
      parameters: [{ name: "@run", value: `${keepRun}-` }],
    };
    for await (const ids of pagesOf<string>("tidy seals", this.#control, query, { partitionKey: scope })) {
      for (const id of ids) {
        await storeOperation("tidy seals", (abortSignal) =>
          this.#control
            .item(id, scope)
            .delete({ abortSignal })
            .catch((thrown: unknown) => {
              if ((thrown as { code?: unknown }).code !== 404) throw thrown;
            }),
        );
      }
    }
  }

  /** Every seal with its leaves, one item at a time. */
  async *parts(): AsyncGenerator<SealPart> {
    const head = await this.head();
    for (let n = 1; n <= (head?.n ?? 0); n++) {
      const seal = await this.readSeal(n);
      if (seal === undefined) continue; // the next one does not follow the last: the walk says so
      yield { kind: "seal", seal };
      for (let index = 1; index <= seal.chunks; index++) {
        const id = chunkId(seal.run, index);
        const chunk = await read<{ leaves: SealLeaf[] }>(
          "read sealed heads",
          this.#control,
          id,
          leavesScope(n),
        );
        if (chunk !== undefined) yield { kind: "leaves", leaves: chunk.leaves };
      }
    }
  }
}

/** The seal alone: what the store adds to an item is no part of the hashed form. */
function sealOf(item: Seal): Seal {
  const { n, from_ts, to_ts, sealed_at, leaves, chunks, run, until, root, prev_hash, hash } = item;
  return { n, from_ts, to_ts, sealed_at, leaves, chunks, run, until, root, prev_hash, hash };
}
