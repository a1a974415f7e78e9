import type { Protocol } from "../protocol.ts";
import { ChatStream } from "./chat-stream.ts";
import { dialectFaults, unmappable } from "./dialect.ts";
import { outcomeOf } from "./outcome.ts";
import { readAsk } from "./request-ask.ts";
import { bodyFor } from "./request-body.ts";

/** OpenAI's chat completions, responses and embeddings, as Foundry and nearly every lab serve them. */
export const openai: Protocol = {
  readAsk,
  dialectFaults,
  unsayable: (body, { dialect }) => (dialect === undefined ? undefined : unmappable(dialect, body())),
  bodyFor,
  // `base_url` holds the version already.
  pathOf: (endpoint) => endpoint.slice("/v1".length),
  headersFor: (credential) => ({
    accept: "application/json",
    "content-type": "application/json",
    ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
  }),
  readStream: () => new ChatStream(),
  outcomeOf,
};
