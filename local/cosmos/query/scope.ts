import type { Value } from "./values.ts";

/** What names stand for while a row is looked at. */
export interface Scope {
  readonly names: Readonly<Record<string, Value>>;
  /** The item, where a FROM may still name it. */
  readonly root?: Value;
  /** When its item was created: its place in a query without ORDER BY. */
  readonly born?: number;
}

export type Evaluate = (scope: Scope) => Value;
