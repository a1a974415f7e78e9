import type { Capability } from "../../capability.ts";
import type { Endpoint } from "../../endpoint.ts";
import type { RequestAsk } from "../../request-ask.ts";
import { tokensOf } from "./token-estimate.ts";
import { serviceTierOf } from "./usage.ts";

type Json = unknown;

export function readAsk(endpoint: Endpoint, body: () => Json): RequestAsk {
  const parsed = body();
  const { estimate, promptAtMost } = tokensOf(endpoint, parsed);
  return {
    endpoint,
    capabilities: capabilitiesAsked(endpoint, parsed),
    tokens: estimate,
    promptTokensAtMost: promptAtMost,
    serviceTier: serviceTierOf(parsed),
    body,
  };
}

/** What a body asks for beyond plain text, by the request shapes of the three endpoints. */
export function capabilitiesAsked(endpoint: Endpoint, body: Json): ReadonlySet<Capability> {
  const asked = new Set<Capability>();
  if (endpoint === "/v1/embeddings") return asked;
  const responses = endpoint === "/v1/responses";
  if (isFilled(field(body, "tools")) || isFilled(field(body, "functions"))) asked.add("tools");
  const format = responses ? field(field(body, "text"), "format") : field(body, "response_format");
  if (field(format, "type") === "json_schema") asked.add("json_schema");
  for (const type of partTypes(field(body, responses ? "input" : "messages"))) {
    if (type === "image_url" || type === "input_image") asked.add("vision");
    if (type === "input_audio") asked.add("audio");
  }
  const modalities = field(body, "modalities");
  if (Array.isArray(modalities) && modalities.includes("audio")) asked.add("audio");
  const effort = responses ? field(field(body, "reasoning"), "effort") : field(body, "reasoning_effort");
  // «none» asks a model not to reason, which one that cannot does anyway.
  if (effort !== undefined && effort !== null && effort !== "none") asked.add("reasoning");
  return asked;
}

/** The `type` of each content part of each message. */
function partTypes(messages: Json): unknown[] {
  if (!Array.isArray(messages)) return [];
  return messages
    .map((message) => field(message, "content"))
    .flatMap((content) => (Array.isArray(content) ? content.map((part) => field(part, "type")) : []));
}

function isFilled(value: Json): boolean {
  return Array.isArray(value) && value.length > 0;
}

function field(value: Json, name: string): Json {
  return typeof value === "object" && value !== null ? (value as Record<string, Json>)[name] : undefined;
}
