import { describe, expect, it } from "vitest";
import { apiDocument } from "../../shared/http/api/routes.ts";

interface Schema {
  readonly description?: string;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

const document = apiDocument();

/** Every `$ref` below a value. */
function refsIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "$ref" && typeof inner === "string" ? [inner] : refsIn(inner),
  );
}

const resolve = (pointer: string): unknown =>
  pointer
    .replace(/^#\//, "")
    .split("/")
    .reduce((at: unknown, name) => (at as Record<string, unknown> | undefined)?.[name], document);

/** Fields that nothing is said of; one with a single value says itself. */
function bareFields(schema: Schema, at: string): string[] {
  const parts = [schema, ...(schema.anyOf ?? [])];
  return parts.flatMap((part) => [
    ...Object.entries(part.properties ?? {}).flatMap(([name, field]) => {
      const said = [field, ...(field.anyOf ?? [])].some((each) => each.description !== undefined);
      return [
        ...(said || field.const !== undefined ? [] : [`${at}.${name}`]),
        ...bareFields(field, `${at}.${name}`),
      ];
    }),
    ...(part.items === undefined ? [] : bareFields(part.items, `${at}[]`)),
  ]);
}

describe("the OpenAPI document", () => {
  it("refers only to what it holds", () => {
    const refs = refsIn(document);
    expect(refs.length).toBeGreaterThan(20);
    expect(refs.filter((ref) => resolve(ref) === undefined)).toEqual([]);
  });

  it("says what every field means", () => {
    const schemas = Object.entries(document.components.schemas) as [string, Schema][];
    expect(schemas.length).toBeGreaterThan(10);
    expect(schemas.flatMap(([name, schema]) => bareFields(schema, name))).toEqual([]);
  });
});
