import { z } from "zod";
import type { SealStore } from "../../audit/seal/sealing.ts";
import { json } from "../answer.ts";
import { route } from "../route.ts";
import { flag, text, unixTime, whole } from "./fields.ts";
import { listSchema } from "./page.ts";
import { limit } from "./parameters.ts";

export interface OpsSealsDeps {
  readonly seals: Pick<SealStore, "sealHead" | "readSeal">;
}

/** Loose: the hash covers what a neighbouring version adds, too. */
const sealSchema = z
  .looseObject({
    n: whole("1 for the first, then without gaps."),
    from_ts: unixTime("Trails that were written from then on, Unix time, seconds …"),
    to_ts: unixTime("… and before then. The next seal begins here."),
    sealed_at: unixTime(),
    leaves: whole("How many trails it has."),
    chunks: whole("In how many items they are stored."),
    run: text("Names these items."),
    until: unixTime("When the stored leaves may go; null: never.").nullable(),
    root: text("Over the leaves, as RFC 6962 has it."),
    prev_hash: text("The hash of the seal before; 64 zeros for the first."),
    hash: text("SHA-256 of the canonical JSON (RFC 8785) of all other fields."),
  })
  .meta({ id: "Seal", title: "A seal" });

const SEAL_NUMBER = "must be the number of a seal";

export const opsSealsRoute = route({
  name: "list-ops-seals",
  method: "GET",
  path: "api/ops/seals",
  who: "operator",
  summary: "Operators: the seals of the audit trails, newest first, each chained to the one before",
  query: z.object({
    limit,
    before: z
      .string()
      .regex(/^[1-9]\d{0,8}$/, SEAL_NUMBER)
      .transform(Number)
      .pipe(z.int())
      .optional()
      .describe("Only seals before this number."),
  }),
  answers: {
    200: {
      description: "A page.",
      schema: listSchema(sealSchema)
        .extend({
          data: z.array(sealSchema).describe("Newest first."),
          has_more: flag("True: older ones are left."),
        })
        .meta({ id: "Seals", title: "Seals" }),
    },
  },
  handle: async ({ seals }: OpsSealsDeps, { query }) => {
    const newest = (await seals.sealHead())?.value.n ?? 0;
    const first = Math.min(newest, (query.before ?? newest + 1) - 1);
    const numbers = Array.from({ length: Math.min(first, query.limit) }, (_, at) => first - at);
    const data = await Promise.all(numbers.map((n) => seals.readSeal(n)));
    return json(200, {
      object: "list",
      data: data.filter((seal) => seal !== undefined),
      has_more: first > numbers.length,
    });
  },
});
