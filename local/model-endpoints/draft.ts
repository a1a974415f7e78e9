import type { Ask } from "./ask.ts";
import { compose, type ToolCall } from "./compose.ts";
import type { ModelProfile } from "./profiles.ts";
import type { Random } from "./seeded.ts";
import { cutToTokens, tokensOf } from "./tokens.ts";

/** One choice of an answer, cut to length, before it gets an endpoint's shape. */
export interface Draft {
  readonly text: string | null;
  readonly toolCalls: readonly ToolCall[];
  readonly reasoning: string;
  readonly finish: "stop" | "length" | "tool_calls" | "content_filter";
  readonly reasoningTokens: number;
  /** The text without the reasoning. */
  readonly textTokens: number;
  /** The stop of the request's that the text was cut at. */
  readonly stoppedAt?: string;
}

/** How much of an answer comes out before the filter on answers stops it. */
const FILTERED_SHARE = 0.3;

export function draftAnswer(ask: Ask, model: ModelProfile, random: Random): Draft {
  const composed = compose(ask, random);
  const budget = ask.maxOutputTokens ?? model.maxOutputTokens;
  const reasoning = model.reasoning === "none" ? "" : cutToTokens(composed.reasoning, budget);
  const reasoningTokens = tokensOf(reasoning);
  const left = budget - reasoningTokens;
  if (composed.text === null) return draftCalls(composed.toolCalls, reasoning, reasoningTokens, left);

  if (ask.outputFiltered) {
    const text = composed.text.slice(0, Math.floor(composed.text.length * FILTERED_SHARE));
    return draft(text, reasoning, reasoningTokens, "content_filter");
  }
  const { stopped, stoppedAt } = cutAtStop(composed.text, ask.stop);
  const text = cutToTokens(stopped, left);
  if (text.length < stopped.length) return draft(text, reasoning, reasoningTokens, "length");
  return {
    ...draft(text, reasoning, reasoningTokens, "stop"),
    ...(stoppedAt === undefined ? {} : { stoppedAt }),
  };
}

function draft(text: string, reasoning: string, reasoningTokens: number, finish: Draft["finish"]): Draft {
  return { text, toolCalls: [], reasoning, finish, reasoningTokens, textTokens: tokensOf(text) };
}

function draftCalls(
  toolCalls: readonly ToolCall[],
  reasoning: string,
  reasoningTokens: number,
  left: number,
): Draft {
  const tokens = toolCalls.reduce((sum, call) => sum + tokensOf(call.name + call.arguments), 0);
  if (tokens > left) {
    return { text: null, toolCalls: [], reasoning, finish: "length", reasoningTokens, textTokens: left };
  }
  return { text: null, toolCalls, reasoning, finish: "tool_calls", reasoningTokens, textTokens: tokens };
}

function cutAtStop(text: string, stops: readonly string[]): { stopped: string; stoppedAt?: string } {
  const found = stops.map((stop) => ({ stop, at: text.indexOf(stop) })).filter(({ at }) => at >= 0);
  const [first] = found.toSorted((a, b) => a.at - b.at);
  return first === undefined
    ? { stopped: text }
    : { stopped: text.slice(0, first.at), stoppedAt: first.stop };
}
