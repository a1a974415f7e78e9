import { isObject, type JsonObject, wordOf } from "../json.ts";
import { CannotSay, refuseOthers, type SpokenTo } from "../protocol.ts";
import { messagesOf } from "./items.ts";

/** Members that a chat completion's request has by the same name. */
const SAME = [
  ...["model", "temperature", "top_p", "parallel_tool_calls", "service_tier", "safety_identifier", "user"],
  ...["prompt_cache_key", "prompt_cache_retention", "stream"],
] as const;

const isSet = (value: unknown) => value !== undefined && value !== null;
const isFalse = (value: unknown) => value === false;
const isEmpty = (value: unknown) => Array.isArray(value) && value.length === 0;

/**
 * Members that only what asks for nothing can be said of. `metadata` is the service's own to show, and how a stream is
 * padded is no lab's business.
 */
const SILENT: ReadonlyMap<string, (value: unknown) => boolean> = new Map(
  Object.entries({
    metadata: () => true,
    stream_options: () => true,
    store: isFalse,
    background: isFalse,
    truncation: (value: unknown) => value === "disabled",
    include: isEmpty,
  }),
);

const MAPPED: ReadonlySet<string> = new Set([
  ...SAME,
  ...[
    "input",
    "instructions",
    "max_output_tokens",
    "reasoning",
    "text",
    "tools",
    "tool_choice",
    "top_logprobs",
  ],
  "include",
]);

/** What of `include` a chat completion can give, and in what it is asked for. */
const LOGPROBS = "message.output_text.logprobs";
const ENCRYPTED = "reasoning.encrypted_content";

/**
 * A request of the Responses endpoint as one of chat completions.
 * @param to.signsThoughts whether the lab gives what a model has thought in a form that can be sent back
 * @throws CannotSay
 */
export function chatRequestOf(
  body: JsonObject,
  to: SpokenTo & { readonly signsThoughts: boolean },
): JsonObject {
  const include = includedIn(body.include, to.signsThoughts);
  for (const [name, value] of Object.entries(body)) {
    if (!isSet(value) || SILENT.get(name)?.(value) === true) continue;
    if (!MAPPED.has(name)) throw new CannotSay(name);
  }
  const same = SAME.flatMap((name) => (isSet(body[name]) ? [[name, body[name]]] : []));
  const { instructions, max_output_tokens, tools, tool_choice, top_logprobs } = body;
  if (isSet(instructions) && typeof instructions !== "string")
    throw new CannotSay("instructions", "no instructions in items");
  const system = isSet(instructions) ? [{ role: "system", content: instructions }] : [];
  const wantsLogprobs = include.has(LOGPROBS) || (isSet(top_logprobs) && top_logprobs !== 0);
  return {
    ...Object.fromEntries(same),
    messages: [...system, ...messagesOf(body.input, to.name)],
    ...(isSet(max_output_tokens) ? { max_completion_tokens: max_output_tokens } : {}),
    ...reasoningOf(body.reasoning),
    ...textOf(body.text),
    ...(Array.isArray(tools) && tools.length > 0 ? { tools: tools.map(toolOf) } : {}),
    ...(isSet(tool_choice) ? { tool_choice: choiceOf(tool_choice) } : {}),
    ...(wantsLogprobs ? { logprobs: true, ...(isSet(top_logprobs) ? { top_logprobs } : {}) } : {}),
  };
}

function includedIn(include: unknown, signsThoughts: boolean): ReadonlySet<unknown> {
  const named: unknown[] = Array.isArray(include) ? include : [];
  named.forEach((each, index) => {
    const isGiven = each === LOGPROBS || (each === ENCRYPTED && signsThoughts);
    if (!isGiven) throw new CannotSay(`include[${index}]`, `no ${wordOf(each)}`);
  });
  return new Set(named);
}

/** @throws CannotSay */
function reasoningOf(reasoning: unknown): JsonObject {
  if (!isObject(reasoning)) return {};
  const { effort, ...others } = reasoning;
  for (const [name, value] of Object.entries(others)) {
    // A lab gives what it has: «auto» asks for no more.
    const isSummary = name === "summary" || name === "generate_summary";
    if (isSet(value) && !(isSummary && value === "auto")) throw new CannotSay(`reasoning.${name}`);
  }
  return isSet(effort) ? { reasoning_effort: effort } : {};
}

/** @throws CannotSay */
function textOf(text: unknown): JsonObject {
  if (!isObject(text)) return {};
  refuseOthers(text, ["format", "verbosity"], "text");
  const { format, verbosity } = text;
  return { ...(isSet(verbosity) ? { verbosity } : {}), ...(isObject(format) ? formatOf(format) : {}) };
}

function formatOf(format: JsonObject): JsonObject {
  const { type, ...schema } = format;
  if (type === "text" || type === "json_object") refuseOthers(format, ["type"], "text.format");
  if (type === "text") return {};
  if (type === "json_object") return { response_format: { type } };
  if (type === "json_schema") return { response_format: { type, json_schema: schema } };
  throw new CannotSay("text.format", `no format ${wordOf(type)}`);
}

function toolOf(tool: unknown, index: number): JsonObject {
  const { type, ...of } = isObject(tool) ? tool : {};
  // Those that the lab runs itself (web search, files, code) only a lab with this endpoint has.
  if (type !== "function") throw new CannotSay(`tools[${index}]`, `no tools of type ${wordOf(type)}`);
  const said = Object.entries(of).filter(([, value]) => isSet(value));
  return { type, function: Object.fromEntries(said) };
}

function choiceOf(choice: unknown): unknown {
  if (typeof choice === "string") return choice;
  const of = isObject(choice) ? choice : {};
  refuseOthers(of, ["type", "name"], "tool_choice");
  const { type, name } = of;
  if (type !== "function") throw new CannotSay("tool_choice", `no tool_choice of type ${wordOf(type)}`);
  return { type, function: { name } };
}
