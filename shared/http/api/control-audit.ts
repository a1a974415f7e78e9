import { z } from "zod";
import {
  CONTROL_EVENTS,
  CONTROL_SCOPES,
  type ControlRecord,
  type ControlScope,
} from "../../audit/control-record.ts";
import { json } from "../answer.ts";
import { route } from "../route.ts";
import { flag, text, unixTime, whole } from "./fields.ts";
import { limit } from "./parameters.ts";

export interface ControlAuditDeps {
  readonly trail: {
    records(
      scope: ControlScope,
      page: { readonly limit: number; readonly beforeSeq?: number | undefined },
    ): Promise<{ readonly records: readonly ControlRecord[]; readonly hasMore: boolean }>;
  };
}

const scopes = CONTROL_SCOPES.join(", ");
const WHICH_SEQ = "must be the number of a record, as in `last_seq`";

export const controlRecord = z
  .object({
    scope: z.enum(CONTROL_SCOPES).describe("Its chain."),
    seq: z.int().min(1).describe("Its number in the scope's chain."),
    at: unixTime(),
    event: z.enum(CONTROL_EVENTS).describe("What was done."),
    actor: text("Which operator's credential."),
    change_id: text("The caller's name for the change: the same name twice is one change."),
    reason: text("As the operator gave it.").nullable(),
    details: z.record(z.string(), z.unknown()).describe("What was changed, from what, to what."),
    items: z
      .record(z.string(), z.string().nullable())
      .optional()
      .describe("The hash of each item as the change left it, by id; null: deleted. Absent in old records."),
    prev_hash: text("The hash of the record before; 64 zeros for the first."),
    hash: text("SHA-256 of the canonical JSON (RFC 8785) of all other fields."),
  })
  .meta({ id: "ControlRecord", title: "What an operator changed" });

const controlAuditSchema = z
  .object({
    object: z.literal("list"),
    scope: z.enum(CONTROL_SCOPES).describe("As asked for."),
    data: z.array(controlRecord).describe("Newest first."),
    first_seq: whole("The number of the first record here; null: there is none.").nullable(),
    last_seq: whole("The number of the last record here: `before` of the next page.").nullable(),
    has_more: flag("True: older ones are left."),
  })
  .meta({ id: "ControlAudit", title: "What operators changed" });

export const controlAuditRoute = route({
  name: "list-control-audit",
  method: "GET",
  path: "api/ops/audit",
  who: "operator",
  summary: "Operators: what operators changed, newest first; each scope is a chain of its own",
  query: z.object({
    scope: z
      .enum(CONTROL_SCOPES, `must be one of ${scopes}`)
      .default("switches")
      .describe(
        "Redrives of dead letters; switches, limits, weights, tenants, keys, deployments, routes and tests; corrections of accounts; what a trail must say; roots of secrets.",
      ),
    limit,
    before: z
      .string()
      .regex(/^[1-9]\d{0,8}$/, WHICH_SEQ)
      .transform(Number)
      .pipe(z.int().min(1))
      .optional()
      .describe("The `last_seq` of the page before."),
  }),
  answers: { 200: { description: "A page.", schema: controlAuditSchema } },
  handle: async ({ trail }: ControlAuditDeps, { query: { scope, limit, before: beforeSeq } }) => {
    const { records, hasMore } = await trail.records(scope, { limit, beforeSeq });
    const page: z.input<typeof controlAuditSchema> = {
      object: "list",
      scope,
      data: [...records],
      first_seq: records.at(0)?.seq ?? null,
      last_seq: records.at(-1)?.seq ?? null,
      has_more: hasMore,
    };
    return json(200, page);
  },
});
