import type { Ask } from "./ask.ts";
import type { Draft } from "./draft.ts";
import type { Json } from "./fields.ts";
import { FILTERED_ANSWER, SAFE_ANSWER } from "./filter-results.ts";
import type { ModelProfile } from "./profiles.ts";
import { base62Id, hexId, type Random } from "./seeded.ts";

/** An id of the Responses endpoint is this many hex digits behind its prefix. */
const ID_LENGTH = 48;

/** A response object; `usage` always counts reasoning inside the output tokens there. */
export function responsesAnswer(
  model: ModelProfile,
  body: Json,
  ask: Ask,
  draft: Draft,
  createdSeconds: number,
  random: Random,
): object {
  const incomplete = incompleteReason(draft);
  const outputTokens = draft.reasoningTokens + draft.textTokens;
  return {
    id: `resp_${hexId(random, ID_LENGTH)}`,
    object: "response",
    created_at: createdSeconds,
    status: incomplete === null ? "completed" : "incomplete",
    background: false,
    content_filters: [
      {
        blocked: draft.finish === "content_filter",
        source_type: "completion",
        content_filter_results: draft.finish === "content_filter" ? FILTERED_ANSWER : SAFE_ANSWER,
      },
    ],
    error: null,
    incomplete_details: incomplete === null ? null : { reason: incomplete },
    instructions: body.instructions ?? null,
    max_output_tokens: ask.maxOutputTokens ?? null,
    max_tool_calls: null,
    metadata: body.metadata ?? {},
    model: model.name,
    output: outputItems(model, draft, incomplete !== null, random),
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort: model.reasoning === "none" ? null : ask.effort, summary: null },
    service_tier: "default",
    store: body.store ?? true,
    system_fingerprint: "simulated",
    temperature: body.temperature ?? 1,
    text: body.text ?? { format: { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_logprobs: 0,
    top_p: body.top_p ?? 1,
    truncation: "disabled",
    usage: {
      input_tokens: ask.inputTokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: outputTokens,
      output_tokens_details: { reasoning_tokens: draft.reasoningTokens },
      total_tokens: ask.inputTokens + outputTokens,
    },
    user: body.user ?? null,
  };
}

function incompleteReason(draft: Draft): string | null {
  if (draft.finish === "length") return "max_output_tokens";
  return draft.finish === "content_filter" ? "content_filter" : null;
}

function outputItems(model: ModelProfile, draft: Draft, incomplete: boolean, random: Random): object[] {
  const items: object[] = [];
  if (model.reasoning !== "none" && draft.reasoning !== "") {
    items.push({
      id: `rs_${hexId(random, ID_LENGTH)}`,
      type: "reasoning",
      summary: [{ type: "summary_text", text: draft.reasoning }],
    });
  }
  for (const call of draft.toolCalls) {
    items.push({
      id: `fc_${hexId(random, ID_LENGTH)}`,
      type: "function_call",
      status: "completed",
      arguments: call.arguments,
      call_id: `call_${base62Id(random, 24)}`,
      name: call.name,
    });
  }
  if (draft.text !== null) {
    items.push({
      id: `msg_${hexId(random, ID_LENGTH)}`,
      type: "message",
      status: incomplete ? "incomplete" : "completed",
      content: [{ type: "output_text", annotations: [], logprobs: [], text: draft.text }],
      role: "assistant",
    });
  }
  return items;
}
