import type { Json } from "./fields.ts";
import { eventOf } from "./messages-stream.ts";

/** Words of a delta. */
const WORDS = /\s*\S+\s*|\s+/g;
const wordsOf = (text: unknown) => String(text).match(WORDS) ?? [];

interface Item extends Json {
  readonly id: string;
  readonly type: string;
}
type Event = { readonly type: string; readonly [name: string]: unknown };

/** A response as OpenAI streams it: its life, and each item by its deltas. */
export function responseEvents(answer: object): string[] {
  const { output, usage, ...head } = answer as Json & { readonly output: readonly Item[] };
  const begun = { ...head, status: "in_progress", output: [], usage: null, incomplete_details: null };
  const events: Event[] = [
    { type: "response.created", response: begun },
    { type: "response.in_progress", response: begun },
    ...output.flatMap(itemEvents),
    { type: `response.${String(head.status)}`, response: answer },
  ];
  return events.map((event, sequence_number) => eventOf({ ...event, sequence_number }));
}

function itemEvents(item: Item, output_index: number): Event[] {
  const of = { item_id: item.id, output_index };
  return [
    { type: "response.output_item.added", output_index, item: begunOf(item) },
    ...partsOf(item).map((event) => ({ ...event, ...of })),
    { type: "response.output_item.done", output_index, item },
  ];
}

function begunOf(item: Item): Json {
  switch (item.type) {
    case "message":
      return { ...item, status: "in_progress", content: [] };
    case "function_call":
      return { ...item, status: "in_progress", arguments: "" };
    default:
      return { ...item, summary: [] };
  }
}

function partsOf({ type, content, summary, arguments: said, name }: Item): Event[] {
  if (type === "function_call") {
    const deltas = wordsOf(said).map((delta) => ({ type: "response.function_call_arguments.delta", delta }));
    return [...deltas, { type: "response.function_call_arguments.done", name, arguments: said }];
  }
  const isMessage = type === "message";
  const parts = (isMessage ? content : summary) as readonly (Json & { readonly text: string })[];
  return parts.flatMap((part, index) => textEvents(part, index, isMessage));
}

function textEvents(part: Json & { readonly text: string }, index: number, isMessage: boolean): Event[] {
  const at = isMessage ? { content_index: index } : { summary_index: index };
  const [whole, text] = isMessage
    ? ["response.content_part", "response.output_text"]
    : ["response.reasoning_summary_part", "response.reasoning_summary_text"];
  const more = isMessage ? { logprobs: [] } : {};
  return [
    { type: `${whole}.added`, ...at, part: { ...part, text: "" } },
    ...wordsOf(part.text).map((delta) => ({ type: `${text}.delta`, ...at, delta, ...more })),
    { type: `${text}.done`, ...at, text: part.text, ...more },
    { type: `${whole}.done`, ...at, part },
  ];
}
