import { isObject, type JsonObject } from "../../../model/protocol/json.ts";

/** What was said before: what a response's model had read, and what it answered. */
export interface History {
  readonly input: unknown;
  readonly output: readonly JsonObject[];
}

/**
 * A request as it is stored, and goes to labs: what was said before stands in it, and no lab keeps it. What the door
 * alone is asked for is not in it.
 */
export function storedRequest(body: JsonObject, model: string, history: History | undefined): JsonObject {
  const { background: _, previous_response_id: _id, ...rest } = body;
  const before = history === undefined ? [] : [...itemsOf(history.input), ...history.output];
  const own = itemsOf(body.input);
  const isPlain = before.length === 0 && typeof body.input === "string";
  const input = isPlain ? body.input : [...before, ...own].flatMap(forAnyLab);
  return {
    ...rest,
    model,
    ...(body.input === undefined && before.length === 0 ? {} : { input }),
    store: false,
  };
}

/** A text is a message of the user's. */
export function itemsOf(input: unknown): readonly unknown[] {
  if (typeof input === "string")
    return [{ type: "message", role: "user", content: [{ type: "input_text", text: input }] }];
  return Array.isArray(input) ? input : [];
}

/** Items whose ids only the lab that gave them would know; it has kept none. */
const UNNAMED: ReadonlySet<unknown> = new Set([
  ...["message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"],
  "reasoning",
]);

/** Thoughts that are not sealed are for people: no lab could take them back. */
function forAnyLab(item: unknown): unknown[] {
  if (!isObject(item)) return [item];
  const { type = "message" } = item;
  if (type === "reasoning" && typeof item.encrypted_content !== "string") return [];
  if (!UNNAMED.has(type)) return [item];
  const { id: _, ...rest } = item;
  return [rest];
}
