import type { Protocol } from "../protocol.ts";
import { ChatStream } from "./chat-stream.ts";
import { dialectFaults } from "./dialect.ts";
import { outcomeOf } from "./outcome.ts";
import { readAsk } from "./request-ask.ts";
import { bodyFor, unsayableTo } from "./request-body.ts";
import { ResponseStream } from "./response-stream.ts";

/** OpenAI's chat completions, responses and embeddings, as Foundry and nearly every lab serve them. */
export const openai: Protocol = {
  signsThoughts: false,
  readAsk,
  dialectFaults,
  unsayable: unsayableTo,
  bodyFor,
  // `base_url` holds the version already.
  pathOf: (endpoint) => endpoint.slice("/v1".length),
  headersFor: (credential) => ({
    accept: "application/json",
    "content-type": "application/json",
    ...(credential === null ? {} : { authorization: `Bearer ${credential.value}` }),
  }),
  readStream: ({ endpoint }) => (endpoint === "/v1/responses" ? new ResponseStream() : new ChatStream()),
  outcomeOf,
};
