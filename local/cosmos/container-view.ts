import type { SQLInputValue } from "node:sqlite";
import type { ContainerDefinition } from "./container-definition.ts";
import type { IndexPlan } from "./index-plan.ts";

/** A stored item: its JSON text with the system fields in it. */
export interface StoredItem {
  readonly id: string;
  readonly text: string;
  readonly etag: string;
  /** Grows with each write of the container: the order of its change feed. */
  readonly lsn: number;
}

/** Which items to read: SQL over the table's own columns, and the same in words for items that are not in it. */
export interface Selection {
  readonly where: string;
  readonly order: string;
  readonly values: readonly SQLInputValue[];
  /** Whether an item could be among them; one too many does no harm, the query looks again. */
  readonly covers: (key: string, item: StoredItem) => boolean;
}

/** What a read sees of a container: the container itself, or what it held a while ago. */
export interface ContainerView {
  readonly number: number;
  readonly rid: string;
  /** `dbs/{name}/colls/{name}` */
  readonly path: string;
  readonly definition: ContainerDefinition;
  readonly paths: readonly string[];
  readonly indexes: IndexPlan;
  readonly lsn: number;
  /** Whether `select` keeps to the order it is asked for. */
  readonly inOrder: boolean;
  read(key: string, id: string): StoredItem | undefined;
  select(selection: Selection): Iterable<StoredItem>;
  /** Makes the index of a single path, the first time a query over several partitions asks for it. */
  needSingle(column: string): void;
}
