import { isObject, type Json } from "./fields.ts";
import type { LabProfile } from "./profiles.ts";

interface Choice {
  readonly index: number;
  readonly finish_reason: string;
  readonly message: Json;
  readonly [name: string]: unknown;
}

/** Words of a delta. */
const WORDS = /\S+\s*/g;
const KEEP_ALIVE = ": keep-alive\n\n";

/**
 * A chat.completion as this lab streams it: role first, then reasoning where it reasons, then text word by word, tool
 * calls name first, then the end; usage in a last chunk without choices where that is asked for. DeepSeek sends comments
 * while it thinks, xAI tells the usage so far with each chunk, OpenAI names a null where usage is still to come.
 */
export function chatEvents(lab: LabProfile, answer: object, streamOptions: unknown): string[] {
  const {
    choices,
    usage,
    object: _,
    prompt_filter_results,
    ...head
  } = answer as Json & {
    readonly choices: readonly Choice[];
  };
  const withUsage = isObject(streamOptions) && streamOptions.include_usage === true;
  const meanwhile =
    lab.name === "xai" ? { usage } : withUsage && lab.name === "openai" ? { usage: null } : {};
  const chunk = (more: object) =>
    `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", ...more })}\n\n`;
  const deltas = choices.flatMap((choice) =>
    deltasOf(choice).map((delta) =>
      chunk({ choices: [{ index: choice.index, delta, logprobs: null, finish_reason: null }], ...meanwhile }),
    ),
  );
  const ends = choices.map(({ index, finish_reason }) =>
    chunk({ choices: [{ index, delta: {}, logprobs: null, finish_reason }], ...meanwhile }),
  );
  return [
    ...(lab.name === "deepseek" ? [KEEP_ALIVE] : []),
    // Azure's first chunk is about the prompt alone.
    ...(lab.name === "openai" ? [chunk({ choices: [], prompt_filter_results, id: "" })] : []),
    ...deltas,
    ...ends,
    ...(withUsage ? [chunk({ choices: [], usage })] : []),
    "data: [DONE]\n\n",
  ];
}

function deltasOf({ message }: Choice): object[] {
  const { content, reasoning_content, tool_calls } = message;
  const words = (text: unknown) => (typeof text === "string" ? (text.match(WORDS) ?? []) : []);
  const calls = Array.isArray(tool_calls) ? tool_calls : [];
  return [
    { role: "assistant", content: "" },
    ...words(reasoning_content).map((word) => ({ reasoning_content: word })),
    ...words(content).map((word) => ({ content: word })),
    ...calls.flatMap(({ id, type, function: { name, arguments: all } }, index) => [
      { tool_calls: [{ index, id, type, function: { name, arguments: "" } }] },
      ...[all.slice(0, all.length / 2), all.slice(all.length / 2)].map((part) => ({
        tool_calls: [{ index, function: { arguments: part } }],
      })),
    ]),
  ];
}
