import { isObject, type JsonObject } from "../../../model/protocol/json.ts";
import { itemsOf } from "./request.ts";

/** By which an item is known that has no id of its own. */
const PREFIXES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    message: "msg",
    function_call: "fc",
    function_call_output: "fco",
    reasoning: "rs",
  }),
);

/** What a response's model has read, each with an id that is always the same. */
export function inputItemsOf(jobId: string, input: unknown): readonly JsonObject[] {
  return itemsOf(input)
    .filter(isObject)
    .map((item, at) => {
      const type = typeof item.type === "string" ? item.type : "message";
      const id = `${PREFIXES.get(type) ?? "item"}_${jobId.replace(/^job_/, "")}_in_${at}`;
      const content = typeof item.content === "string" ? { content: partsOf(item, item.content) } : {};
      return { id, type, ...item, ...content, ...(type === "message" ? { status: "completed" } : {}) };
    });
}

const partsOf = ({ role }: JsonObject, text: string) => [
  role === "assistant" ? { type: "output_text", text, annotations: [] } : { type: "input_text", text },
];

export interface Page {
  readonly limit: number;
  readonly order: "asc" | "desc";
  readonly after: string | undefined;
}

export function pageOfItems(items: readonly JsonObject[], { limit, order, after }: Page): JsonObject {
  const ordered = order === "asc" ? items : items.toReversed();
  const from = after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  const data = ordered.slice(from, from + limit);
  return {
    ...{ object: "list", data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null },
    has_more: from + limit < ordered.length,
  };
}
