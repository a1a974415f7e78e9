import { z } from "zod";
import { ERRORS, type ProblemCode } from "../../errors.ts";

/** What the descriptions of routes are put together from. */
export type Schema = Record<string, unknown>;
export const plain = (schema: z.ZodType, io: "input" | "output"): Schema => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Schema;
  return rest;
};
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
export const json = (description: string, schema: Schema, headers: Record<string, Schema> = {}): Schema => ({
  description,
  ...(Object.keys(headers).length > 0 ? { headers } : {}),
  content: { "application/json": { schema } },
});
export const headerOf = (description: string): Schema => ({ description, schema: { type: "string" } });
export const parameter = (
  where: "query" | "header" | "path",
  name: string,
  description: string,
  schema: Schema,
): Schema => ({
  in: where,
  name,
  description,
  schema,
  ...(where === "path" ? { required: true } : {}),
});

export const page = (of: string) => ({
  type: "object",
  properties: {
    object: { const: "list" },
    data: { type: "array", items: { $ref: `#/components/schemas/${of}` } },
    first_id: { type: ["string", "null"], description: "Of the first here; null: there is none." },
    last_id: { type: ["string", "null"], description: "Of the last here: `after` of the next page." },
    has_more: { type: "boolean", description: "True: there is a next page." },
  },
  required: ["object", "data", "first_id", "last_id", "has_more"],
});
export const list = (of: string) => ({
  type: "object",
  properties: { object: { const: "list" }, data: page(of).properties.data },
  required: ["object", "data"],
});

/** The codes a route can answer with, by status. */
export function problems(codes: readonly ProblemCode[]): Record<string, Schema> {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of codes)
    byStatus.set(ERRORS[code].status, [...(byStatus.get(ERRORS[code].status) ?? []), code]);
  return Object.fromEntries(
    [...byStatus].map(([status, those]) => [
      String(status),
      {
        description: those.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(" "),
        content: { "application/problem+json": { schema: ref("Problem") } },
      },
    ]),
  );
}

/** Of routes for tenants; operators' are never turned away at the door. */
export const DOOR = ["too_many_requests"] as const;
export const ALWAYS = [
  "missing_credential",
  "invalid_credential",
  "issuer_unavailable",
  "forbidden",
  "internal_error",
  "store_unavailable",
] as const;
