import type { Ask } from "./ask.ts";
import type { Draft } from "./draft.ts";
import { FILTERED_ANSWER, SAFE_ANSWER, SAFE_PROMPT } from "./filter-results.ts";
import type { LabProfile, ModelProfile } from "./profiles.ts";
import { base62Id, hexId, type Random, uuid } from "./seeded.ts";

/** A chat.completion as this lab's deployments in Azure AI Foundry give it. */
export function chatAnswer(
  lab: LabProfile,
  model: ModelProfile,
  ask: Ask,
  drafts: readonly Draft[],
  createdSeconds: number,
  random: Random,
): object {
  return {
    choices: drafts.map((draft, index) => ({
      content_filter_results: draft.finish === "content_filter" ? FILTERED_ANSWER : SAFE_ANSWER,
      finish_reason: draft.finish,
      index,
      logprobs: null,
      message: message(lab, model, draft, random),
    })),
    created: createdSeconds,
    id: chatId(lab, random),
    model: model.name,
    object: "chat.completion",
    prompt_filter_results: [{ prompt_index: 0, content_filter_results: SAFE_PROMPT }],
    system_fingerprint: "simulated",
    usage: chatUsage(lab, model, ask.inputTokens, drafts),
  };
}

/** Each lab's ids look their own way. */
function chatId(lab: LabProfile, random: Random): string {
  if (lab.name === "openai") return `chatcmpl-${base62Id(random, 29)}`;
  return lab.name === "xai" ? uuid(random) : hexId(random, 32);
}

function message(lab: LabProfile, model: ModelProfile, draft: Draft, random: Random): object {
  return {
    role: "assistant",
    content: draft.text,
    refusal: null,
    ...(lab.name === "openai" ? { annotations: [] } : {}),
    ...(model.reasoning === "none" ? {} : { reasoning_content: draft.reasoning }),
    ...(draft.toolCalls.length > 0
      ? {
          tool_calls: draft.toolCalls.map((call) => ({
            id: `call_${base62Id(random, 24)}`,
            type: "function",
            function: call,
          })),
        }
      : {}),
  };
}

/** OpenAI and DeepSeek count reasoning inside completion_tokens; xAI counts it beside, in total_tokens alone. */
function chatUsage(
  lab: LabProfile,
  model: ModelProfile,
  inputTokens: number,
  drafts: readonly Draft[],
): object {
  const reasoning = drafts.reduce((sum, draft) => sum + draft.reasoningTokens, 0);
  const text = drafts.reduce((sum, draft) => sum + draft.textTokens, 0);
  const completion = model.reasoning === "beside" ? text : text + reasoning;
  const counts = {
    completion_tokens: completion,
    prompt_tokens: inputTokens,
    total_tokens: inputTokens + text + reasoning,
  };
  const completionDetails = {
    accepted_prediction_tokens: 0,
    audio_tokens: 0,
    reasoning_tokens: reasoning,
    rejected_prediction_tokens: 0,
  };
  switch (lab.name) {
    case "openai":
      return {
        ...counts,
        completion_tokens_details: completionDetails,
        prompt_tokens_details: { audio_tokens: 0, cached_tokens: 0 },
      };
    case "xai":
      return {
        ...counts,
        completion_tokens_details: completionDetails,
        num_sources_used: 0,
        prompt_tokens_details: {
          audio_tokens: 0,
          cached_tokens: 0,
          image_tokens: 0,
          text_tokens: inputTokens,
        },
      };
    case "anthropic": // has no chat completions of its own
    case "deepseek":
      return {
        ...counts,
        completion_tokens_details: { reasoning_tokens: reasoning },
        prompt_cache_hit_tokens: 0,
        prompt_cache_miss_tokens: inputTokens,
        prompt_tokens_details: { cached_tokens: 0 },
      };
  }
}
