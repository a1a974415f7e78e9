import { exactObjectOf } from "./json.ts";
import { CannotSay, type ChatWords, type Protocol, unsayableIn } from "./protocol.ts";

const CHAT = "/v1/chat/completions";

/** A protocol that puts chat completions in a lab's own words, and reads what comes back as OpenAI's. */
export function inChatWords(words: ChatWords, openai: Protocol): Protocol {
  return {
    signsThoughts: words.signsThoughts,
    readAsk: openai.readAsk,
    dialectFaults: words.dialectFaults,
    unsayable: (endpoint, body, deployment) =>
      unsayableIn(() => {
        if (endpoint !== CHAT) throw new CannotSay("model", `no ${endpoint}`);
        words.request(body() as object & Record<string, unknown>, deployment, false);
      }),
    bodyFor: (_, bodyText, deployment, isStreamed) =>
      JSON.stringify(words.request(exactObjectOf(bodyText) ?? {}, deployment, isStreamed)),
    pathOf: () => words.path,
    headersFor: words.headersFor,
    readStream: words.readStream,
    outcomeOf: (answer, asked) => openai.outcomeOf(words.answer(answer, asked), asked),
  };
}
