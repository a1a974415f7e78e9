import { type Entries, entry, isType } from "./entry.ts";

export const TYPES: Entries = {
  IS_ARRAY: entry(1, 1, isType("array")),
  IS_BOOL: entry(1, 1, isType("boolean")),
  IS_DEFINED: entry(1, 1, ([value]) => value !== undefined),
  IS_FINITE_NUMBER: entry(1, 1, ([value]) => Number.isFinite(value)),
  IS_INTEGER: entry(1, 1, ([value]) => Number.isInteger(value)),
  IS_NULL: entry(1, 1, isType("null")),
  IS_NUMBER: entry(1, 1, isType("number")),
  IS_OBJECT: entry(1, 1, isType("object")),
  IS_PRIMITIVE: entry(1, 1, isType("boolean", "number", "string", "null")),
  IS_STRING: entry(1, 1, isType("string")),
  IIF: entry(3, 3, ([condition, yes, no]) => (condition === true ? yes : no)),
};
