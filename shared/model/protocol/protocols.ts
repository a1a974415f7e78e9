import type { Endpoint } from "../endpoint.ts";
import type { RequestAsk } from "../request-ask.ts";
import { anthropic } from "./anthropic/anthropic.ts";
import { inChatWords } from "./in-chat-words.ts";
import { openai } from "./openai/openai.ts";
import type { Protocol } from "./protocol.ts";
import { responsesAsChat } from "./responses/as-chat.ts";

/** Every protocol by the name that the catalogue gives it. */
const PROTOCOLS = { openai, anthropic: inChatWords(anthropic, openai) } as const satisfies Readonly<
  Record<string, Protocol>
>;

export type ProtocolName = keyof typeof PROTOCOLS;
export const PROTOCOL_NAMES = Object.keys(PROTOCOLS) as [ProtocolName, ...ProtocolName[]];

export function protocolOf(deployment: { readonly protocol: ProtocolName }): Protocol {
  return PROTOCOLS[deployment.protocol];
}

interface Server {
  readonly protocol: ProtocolName;
  readonly endpoints: readonly Endpoint[];
}

/** Whether a deployment answers requests of an endpoint: it has it, or is asked in chat completions. */
export function serves({ endpoints }: Server, endpoint: Endpoint): boolean {
  return endpoints.includes(endpoint) || isAskedInChat(endpoints, endpoint);
}

/** How a deployment is spoken with for requests of an endpoint that it serves. */
export function protocolFor(deployment: Server, endpoint: Endpoint): Protocol {
  const protocol = protocolOf(deployment);
  return isAskedInChat(deployment.endpoints, endpoint) ? responsesAsChat(protocol) : protocol;
}

function isAskedInChat(endpoints: readonly Endpoint[], endpoint: Endpoint): boolean {
  return (
    endpoint === "/v1/responses" &&
    !endpoints.includes(endpoint) &&
    endpoints.includes("/v1/chat/completions")
  );
}

/** Whose shape the requests of an endpoint have, whichever deployment serves them. */
const BY_ENDPOINT: Readonly<Record<Endpoint, Protocol>> = {
  "/v1/chat/completions": openai,
  "/v1/responses": openai,
  "/v1/embeddings": openai,
};

/** What a request asks of a deployment. @param body parses its JSON */
export function readAsk(endpoint: Endpoint, body: () => unknown): RequestAsk {
  return BY_ENDPOINT[endpoint].readAsk(endpoint, body);
}
