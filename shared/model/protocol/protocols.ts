import type { Endpoint } from "../endpoint.ts";
import type { RequestAsk } from "../request-ask.ts";
import { openai } from "./openai/openai.ts";
import type { Protocol } from "./protocol.ts";

/** Every protocol by the name that the catalogue gives it. */
const PROTOCOLS = { openai } as const satisfies Readonly<Record<string, Protocol>>;

export type ProtocolName = keyof typeof PROTOCOLS;
export const PROTOCOL_NAMES = Object.keys(PROTOCOLS) as [ProtocolName, ...ProtocolName[]];

export function protocolOf(deployment: { readonly protocol: ProtocolName }): Protocol {
  return PROTOCOLS[deployment.protocol];
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
