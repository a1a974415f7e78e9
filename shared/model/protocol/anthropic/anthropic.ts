import type { ChatWords } from "../protocol.ts";
import { inChatWords } from "./answer.ts";
import { MessageStream } from "./message-stream.ts";
import { messagesRequest } from "./request.ts";
import { dialectFaults } from "./thinking.ts";

/** The version of the API that is spoken here. */
const VERSION = "2023-06-01";

/** Anthropic's Messages API, as Foundry serves Claude below `/anthropic/v1`. */
export const anthropic: ChatWords = {
  path: "/messages",
  signsThoughts: true,
  headersFor: (credential) => ({
    accept: "application/json",
    "content-type": "application/json",
    "anthropic-version": VERSION,
    ...(credential === null
      ? {}
      : credential.kind === "api_key"
        ? { "x-api-key": credential.value }
        : { authorization: `Bearer ${credential.value}` }),
  }),
  dialectFaults,
  request: messagesRequest,
  answer: inChatWords,
  readStream: (asked) => new MessageStream(asked),
};
