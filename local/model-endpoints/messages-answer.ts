import { createHash } from "node:crypto";
import type { Ask } from "./ask.ts";
import type { Draft } from "./draft.ts";
import type { ModelProfile } from "./profiles.ts";
import { base62Id, type Random } from "./seeded.ts";

/** The least that Anthropic's cache takes. */
const LEAST_CACHED_TOKENS = 1_024;

export interface MessageBlock {
  readonly type: string;
  readonly [name: string]: unknown;
}

/** A message as `/v1/messages` gives it. */
export interface Message {
  readonly content: readonly MessageBlock[];
  readonly stop_reason: string;
  readonly stop_sequence: string | null;
  readonly usage: Readonly<Record<string, unknown>>;
  readonly [name: string]: unknown;
}

/** @param cacheMarked whether the request marks what the cache is to hold: its text then says whether it is new */
export function messagesAnswer(
  model: ModelProfile,
  ask: Ask,
  draft: Draft,
  cacheMarked: "no" | "new" | "known",
  random: Random,
): Message {
  const cached = cacheMarked !== "no" && ask.inputTokens >= LEAST_CACHED_TOKENS ? ask.inputTokens - 8 : 0;
  return {
    id: `msg_01${base62Id(random, 22)}`,
    type: "message",
    role: "assistant",
    model: model.name,
    content: blocksOf(draft, random),
    ...stopOf(draft, ask),
    usage: {
      input_tokens: ask.inputTokens - cached,
      cache_creation_input_tokens: cacheMarked === "new" ? cached : 0,
      cache_read_input_tokens: cacheMarked === "known" ? cached : 0,
      output_tokens: draft.reasoningTokens + draft.textTokens,
      service_tier: "standard",
    },
    system_fingerprint: "simulated",
  };
}

function stopOf(draft: Draft, ask: Ask): { stop_reason: string; stop_sequence: string | null } {
  const reasons = {
    stop: "end_turn",
    length: "max_tokens",
    tool_calls: "tool_use",
    content_filter: "refusal",
  };
  const [stop = null] =
    draft.stoppedAt === undefined ? [] : ask.stop.filter((each) => each === draft.stoppedAt);
  return { stop_reason: stop === null ? reasons[draft.finish] : "stop_sequence", stop_sequence: stop };
}

function blocksOf(draft: Draft, random: Random): MessageBlock[] {
  const signature = createHash("sha256").update(draft.reasoning).digest("base64");
  return [
    ...(draft.reasoning === "" ? [] : [{ type: "thinking", thinking: draft.reasoning, signature }]),
    ...(draft.text === null || draft.text === "" ? [] : [{ type: "text", text: draft.text }]),
    ...draft.toolCalls.map(({ name, arguments: said }) => ({
      type: "tool_use",
      id: `toolu_01${base62Id(random, 22)}`,
      name,
      input: JSON.parse(said),
    })),
  ];
}
