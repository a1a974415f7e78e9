import type { Ask, Tool } from "./ask.ts";
import { chooseLabel, labelsIn } from "./classify.ts";
import { objectForTask, valueForSchema } from "./json-answer.ts";
import { type Passage, passageOf } from "./passage.ts";
import { pick, type Random } from "./seeded.ts";
import { bestSentences, summarise } from "./summary.ts";
import { languageOf, translate } from "./translate.ts";

export interface ToolCall {
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

/** What a model says before its answer is cut to length. */
export type Composed =
  | { readonly text: string; readonly toolCalls: readonly []; readonly reasoning: string }
  | { readonly text: null; readonly toolCalls: readonly ToolCall[]; readonly reasoning: string };

/** An answer that is made of the prompt: no model runs here, so nothing is said that the prompt does not hold. */
export function compose(ask: Ask, random: Random): Composed {
  const passage = passageOf(ask.instructions, ask.prompt);
  const reasoning = () => reason(ask, passage, random);
  const toolCalls = callsFor(ask, passage, random);
  if (toolCalls.length > 0) return { text: null, toolCalls, reasoning: reasoning() };
  return { text: textFor(ask, passage, random), toolCalls: [], reasoning: reasoning() };
}

function textFor(ask: Ask, passage: Passage, random: Random): string {
  if (ask.format.kind === "json_schema") {
    return JSON.stringify(valueForSchema(ask.format.schema, passage, random));
  }
  if (ask.format.kind === "json_object") return JSON.stringify(objectForTask(passage, random));
  if (ask.toolResult !== undefined) return `According to the result: ${ask.toolResult.slice(0, 1_000)}`;
  return plainText(passage, random);
}

function plainText(passage: Passage, random: Random): string {
  const { task } = passage;
  const labels = /classif|label|categor|sentiment|genre|one of/i.test(task) ? labelsIn(task) : [];
  if (labels.length > 0) return chooseLabel(labels, passage, random);
  const language = /translat/i.test(task) ? languageOf(task) : undefined;
  if (language !== undefined) return translate(passage.text, language);
  if (/\bextract\b|\bjson\b/i.test(task)) return JSON.stringify(objectForTask(passage, random));
  if (/summar|tl;?dr|gist|condense|shorten|headline|key point|bullet/i.test(task))
    return summarise(passage, random);
  return reply(passage, random);
}

const OPENINGS = ["In short:", "Put plainly:", "The heart of it:", "Briefly:"];

/** Less than this is a remark, not a text to reply about. */
const MIN_PASSAGE_CHARS = 80;

function reply(passage: Passage, random: Random): string {
  if (passage.text.length < MIN_PASSAGE_CHARS) {
    return `${pick(random, OPENINGS)} to "${passage.text}" there is little to add without more to go by.`;
  }
  const [first = passage.text] = bestSentences(passage, 1, random);
  const terms = passage.terms.slice(0, 3);
  const about = terms.length > 1 ? ` It turns on ${terms.slice(0, -1).join(", ")} and ${terms.at(-1)}.` : "";
  return `${pick(random, OPENINGS)} ${first}${about}`;
}

/** A tool is called where the client insists; where it leaves the choice, if the prompt speaks of what the tool does. */
function callsFor(ask: Ask, passage: Passage, random: Random): ToolCall[] {
  const { tools, toolChoice } = ask;
  if (tools.length === 0 || toolChoice === "none") return [];
  const call = (tool: Tool): ToolCall => ({
    name: tool.name,
    arguments: JSON.stringify(valueForSchema({ type: "object", ...tool.parameters }, passage, random)),
  });
  if (typeof toolChoice === "object") return tools.filter((tool) => tool.name === toolChoice.name).map(call);
  if (ask.toolResult !== undefined && toolChoice === "auto") return [];
  const fitting = tools.find((tool) => isSpokenOf(tool, passage));
  const chosen = fitting ?? (toolChoice === "required" ? tools[0] : undefined);
  return chosen === undefined ? [] : [call(chosen)];
}

function isSpokenOf(tool: Tool, passage: Passage): boolean {
  const words = tool.name.toLowerCase().match(/[a-z]{4,}/g) ?? [];
  const said = `${passage.task} ${passage.text}`.toLowerCase();
  return words.some((word) => said.includes(word));
}

const THOUGHTS: Readonly<Record<Ask["effort"], number>> = { none: 0, minimal: 1, low: 2, medium: 4, high: 8 };

function reason(ask: Ask, passage: Passage, random: Random): string {
  const { sentences, terms, task } = passage;
  const thoughts = [
    `The request: ${(task.split("\n").at(-1) ?? "").slice(0, 160)}`,
    `There are ${sentences.length} sentences to go by; ${terms.slice(0, 4).join(", ") || "no word"} stand out.`,
    `The passage begins with "${(sentences[0] ?? "").slice(0, 80)}", which sets the frame.`,
    "The answer should keep to what is there and add nothing of its own.",
    `It ends on "${(sentences.at(-1) ?? "").slice(-80)}", which matters for the emphasis.`,
    `Of the words that recur, ${pick(random, terms.length > 0 ? terms.slice(0, 6) : ["none"])} seems to weigh most.`,
    ask.format.kind === "text" ? "Plain prose will do." : "The answer has to be valid JSON and nothing else.",
    "Checked once more against the wording of the request: it holds.",
  ];
  return thoughts.slice(0, THOUGHTS[ask.effort]).join(" ");
}
