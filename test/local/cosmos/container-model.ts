import fc from "fast-check";

/** What a client may do with a container of items `{id, pk, n, ttl?}`; ids and keys are few, so that they meet. */
export type Operation =
  | {
      readonly kind: "create" | "upsert";
      readonly id: string;
      readonly pk: string;
      readonly n: number;
      readonly ttl?: number;
    }
  | {
      readonly kind: "replace";
      readonly id: string;
      readonly pk: string;
      readonly n: number;
      readonly match: Match;
    }
  | { readonly kind: "delete"; readonly id: string; readonly pk: string; readonly match: Match }
  | {
      readonly kind: "patch";
      readonly id: string;
      readonly pk: string;
      readonly n: number;
      readonly below: number;
    }
  | { readonly kind: "read"; readonly id: string; readonly pk: string }
  | { readonly kind: "batch"; readonly pk: string; readonly parts: readonly BatchPart[] }
  | {
      readonly kind: "query";
      readonly pk: string | undefined;
      readonly least: number;
      readonly descending: boolean;
    }
  | { readonly kind: "feed" }
  | { readonly kind: "wait"; readonly seconds: number }
  | { readonly kind: "crash" };

/** Which etag a write names: none, the one the item has, or one it had. */
export type Match = "none" | "current" | "old";
export type BatchPart = Extract<Operation, { kind: "create" | "upsert" | "replace" | "delete" | "read" }>;

const id = fc.constantFrom("a", "b", "c");
const pk = fc.constantFrom("p", "q");
const n = fc.integer({ min: 0, max: 9 });
const match = fc.constantFrom<Match>("none", "current", "old");
const ttl = fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined, freq: 4 });

const written = (kind: "create" | "upsert") =>
  fc
    .record({ kind: fc.constant(kind), id, pk, n, ttl })
    .map(({ ttl: own, ...rest }) => ({ ...rest, ...(own === undefined ? {} : { ttl: own }) }));
const replaced = fc.record({ kind: fc.constant("replace" as const), id, pk, n, match });
const deleted = fc.record({ kind: fc.constant("delete" as const), id, pk, match });
const read = fc.record({ kind: fc.constant("read" as const), id, pk });
const part: fc.Arbitrary<BatchPart> = fc.oneof(written("create"), written("upsert"), replaced, deleted, read);

export const operation: fc.Arbitrary<Operation> = fc.oneof(
  { arbitrary: written("create"), weight: 5 },
  { arbitrary: written("upsert"), weight: 4 },
  { arbitrary: replaced, weight: 4 },
  { arbitrary: deleted, weight: 3 },
  { arbitrary: fc.record({ kind: fc.constant("patch" as const), id, pk, n, below: n }), weight: 3 },
  { arbitrary: read, weight: 3 },
  {
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      pk,
      parts: fc.array(part, { minLength: 1, maxLength: 4 }),
    }),
    weight: 4,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("query" as const),
      pk: fc.option(pk, { nil: undefined }),
      least: n,
      descending: fc.boolean(),
    }),
    weight: 4,
  },
  { arbitrary: fc.constant<Operation>({ kind: "feed" }), weight: 1 },
  {
    arbitrary: fc.record({ kind: fc.constant("wait" as const), seconds: fc.integer({ min: 1, max: 2 }) }),
    weight: 1,
  },
  { arbitrary: fc.constant<Operation>({ kind: "crash" }), weight: 1 },
);

export interface ModelItem {
  readonly id: string;
  readonly pk: string;
  readonly n: number;
  readonly ttl?: number;
  /** The number of its last write, and of the write that made it. */
  readonly version: number;
  readonly born: number;
  readonly expiresAt: number;
}

/** A container as it should be: what each operation answers, and what is there after it. Time is in seconds. */
export class ContainerModel {
  #items = new Map<string, ModelItem>();
  #versions = 0;
  now = 0;

  find(pkOf: string, idOf: string): ModelItem | undefined {
    const found = this.#items.get(`${pkOf}/${idOf}`);
    return found !== undefined && found.expiresAt > this.now ? found : undefined;
  }

  live(): ModelItem[] {
    return [...this.#items.values()].filter((item) => item.expiresAt > this.now);
  }

  #put(value: { id: string; pk: string; n: number; ttl?: number }, old: ModelItem | undefined): void {
    const version = ++this.#versions;
    const expiresAt = value.ttl === undefined ? Number.POSITIVE_INFINITY : this.now + value.ttl;
    this.#items.set(`${value.pk}/${value.id}`, { ...value, version, born: old?.born ?? version, expiresAt });
  }

  /** The status a single operation ends with. */
  apply(op: BatchPart | Extract<Operation, { kind: "patch" }>): number {
    const found = this.find(op.pk, op.id);
    switch (op.kind) {
      case "create":
        if (found !== undefined) return 409;
        this.#put(only(op), undefined);
        return 201;
      case "upsert":
        this.#put(only(op), found);
        return found === undefined ? 201 : 200;
      case "read":
        return found === undefined ? 404 : 200;
      case "replace":
      case "delete": {
        if (found === undefined) return 404;
        if (op.match === "old") return 412;
        if (op.kind === "replace") this.#put(only(op), found);
        else this.#items.delete(`${op.pk}/${op.id}`);
        return op.kind === "replace" ? 200 : 204;
      }
      case "patch": {
        if (found === undefined) return 404;
        if (!(found.n < op.below)) return 412;
        const { ttl: own } = found;
        this.#put(
          { id: op.id, pk: op.pk, n: found.n + op.n, ...(own === undefined ? {} : { ttl: own }) },
          found,
        );
        return 200;
      }
    }
  }

  /** All of it or nothing: the failing part's status, 424 for the others. */
  batch(parts: readonly BatchPart[]): number[] {
    const before = new Map(this.#items);
    const statuses: number[] = [];
    for (const each of parts) {
      const status = this.apply(each);
      if (status >= 400) {
        this.#items = before;
        return parts.map((_, at) => (at === statuses.length ? status : 424));
      }
      statuses.push(status);
    }
    return statuses;
  }

  /** Ids with their numbers: n >= least, ordered by n, then as they were made. */
  query(pkOf: string | undefined, least: number, descending: boolean): string[] {
    const sign = descending ? -1 : 1;
    return this.live()
      .filter((item) => (pkOf === undefined || item.pk === pkOf) && item.n >= least)
      .sort((a, b) => (a.n - b.n) * sign || a.born - b.born)
      .map((item) => `${item.pk}${item.id}${item.n}`);
  }

  /** The change feed from its start. */
  feed(): string[] {
    return this.live()
      .sort((a, b) => a.version - b.version)
      .map((item) => `${item.pk}${item.id}${item.n}`);
  }
}

function only({
  id: idOf,
  pk: pkOf,
  n: number,
  ...rest
}: {
  id: string;
  pk: string;
  n: number;
  ttl?: number;
}) {
  return { id: idOf, pk: pkOf, n: number, ...(rest.ttl === undefined ? {} : { ttl: rest.ttl }) };
}
