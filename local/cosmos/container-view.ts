import type { SQLInputValue } from "node:sqlite";
import type { ContainerDefinition } from "./container-definition.ts";
import { isInRange } from "./effective-key.ts";
import type { IndexPlan } from "./index-plan.ts";
import type { KeyPath } from "./partition-key.ts";

/** A stored item: its JSON text with the system fields in it. */
export interface StoredItem {
  readonly id: string;
  readonly text: string;
  readonly etag: string;
  /** Grows with each write of the container: the order of its change feed. */
  readonly lsn: number;
  /** The lsn it was created with: the order of items in a query without ORDER BY. */
  readonly born: number;
}

/** What a request says of the partition: the first components of its key, or the whole of it. */
export interface PartitionScope {
  /** A stored key, or the beginning of one. */
  readonly key: string;
  readonly whole: boolean;
}

/** A part of the hash range: the effective keys from one on, up to another. */
export interface KeyRange {
  readonly from: string;
  readonly to: string;
}

/** Which keys are meant: those that lie in both; undefined does not narrow. */
export interface KeyScope {
  readonly partition: PartitionScope | undefined;
  readonly range: KeyRange | undefined;
}

/** `key` as it is stored. */
export function isInScope({ partition, range }: KeyScope, key: string): boolean {
  if (partition !== undefined && !(partition.whole ? key === partition.key : key.startsWith(partition.key)))
    return false;
  return range === undefined || isInRange(key, range.from, range.to);
}

/** An order by columns of indexed paths, as SQL has it. */
export interface Sorted {
  readonly columns: string;
  readonly by?: SortIndex;
}

/** A composite index that holds the order, and what of the condition it can look up. */
export interface SortIndex {
  readonly name: string;
  /** The selection's condition, in a form that lets the index be searched. */
  readonly where: string;
  /** The column whose lack keeps an item out of the index. */
  readonly needs: string;
  /** Whether the condition may hold for items that are not in the index; they sort last. */
  readonly isPartial: boolean;
}

/** Which items to read, and in which order. */
export interface Selection extends KeyScope {
  /** SQL over the columns of indexed paths, which need not tell everything: a query looks again. */
  readonly where?: string;
  readonly values?: readonly SQLInputValue[];
  /** The order: as created, as last written, or by columns. */
  readonly order: "born" | "lsn" | Sorted;
  /** Whether an index is to find the items, who are few, and they are sorted then. */
  readonly isSearched?: boolean;
  /** The column whose index is to find them inside the first component of the partition key; they are sorted then. */
  readonly foundBy?: string;
  /** Starts with the item created with this lsn. */
  readonly fromBorn?: number | undefined;
  /** Written after this lsn. */
  readonly afterLsn?: number | undefined;
  /** Written up to this lsn. */
  readonly upToLsn?: number | undefined;
  readonly limit?: number;
}

/** What a read sees of a container: the container itself, or what it held a while ago. */
export interface ContainerView {
  readonly number: number;
  readonly rid: string;
  /** `dbs/{name}/colls/{name}` */
  readonly path: string;
  readonly definition: ContainerDefinition;
  /** Where the components of its partition key are. */
  readonly keyPaths: readonly KeyPath[];
  readonly indexes: IndexPlan;
  readonly lsn: number;
  readonly nowMs: number;
  /** Whether `select` can go by columns. */
  readonly hasColumns: boolean;
  read(key: string, id: string): StoredItem | undefined;
  select(selection: Selection): Iterable<StoredItem>;
  /** Makes the index of a single path, the first time a query over several partitions asks for it; `p1`: inside the first component of the key. */
  needSingle(column: string, within?: "p1"): void;
}
