import { z } from "zod";
import { flag, text } from "./fields.ts";

/** A list that is answered whole. */
export const listSchema = <Item extends z.ZodType>(item: Item) =>
  z.object({ object: z.literal("list"), data: z.array(item) });

/** A page of a list. */
export const pageSchema = <Item extends z.ZodType>(item: Item) =>
  z.object({
    ...listSchema(item).shape,
    first_id: text("The id of the first one here; null: the page is empty.").nullable(),
    last_id: text("The id of the last one here: `after` of the next page.").nullable(),
    has_more: flag("True: there is a next page."),
  });

/** A page of resources that have an `id`. */
export function pageOf<T extends { readonly id: string }>(data: readonly T[], hasMore: boolean) {
  return {
    object: "list",
    data,
    first_id: data.at(0)?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: hasMore,
  };
}
