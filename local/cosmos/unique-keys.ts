import type { ContainerDefinition } from "./container-definition.ts";
import { propertyNames } from "./property-path.ts";

/** A container's unique keys: a column for each, filled with its values as JSON; unique within a partition key. */
export class UniqueKeys {
  readonly columns: readonly string[];
  readonly #paths: readonly (readonly (readonly string[])[])[];

  constructor(definition: ContainerDefinition) {
    const keys = definition.uniqueKeyPolicy?.uniqueKeys ?? [];
    this.#paths = keys.map(({ paths }) => paths.map(propertyNames));
    this.columns = keys.map((_, at) => `u${at}`);
  }

  /** A missing value counts as null, as Azure has it. */
  values(item: Record<string, unknown>): string[] {
    return this.#paths.map((paths) => JSON.stringify(paths.map((names) => valueAt(item, names) ?? null)));
  }
}

function valueAt(item: unknown, names: readonly string[]): unknown {
  let value = item;
  for (const name of names) {
    value =
      typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  }
  return value;
}
