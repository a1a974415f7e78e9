import { exactObjectOf, type JsonObject, objectOf } from "../json.ts";
import { type Asked, type Protocol, type Unsayable, unsayableIn } from "../protocol.ts";
import { incompleteReason, responseOf } from "./answer.ts";
import { ItemsStream } from "./items-stream.ts";
import { chatRequestOf } from "./request.ts";

const CHAT = "/v1/chat/completions";
const chat = (asked: Asked): Asked => ({ ...asked, endpoint: CHAT });

/** Where a response says what a chat completion says there. */
const PLACES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ messages: "input", response_format: "text.format", verbosity: "text.verbosity" },
    ...{ reasoning_effort: "reasoning.effort", logprobs: "include" },
    max_completion_tokens: "max_output_tokens",
  }),
);

function renamed(unsayable: Unsayable | undefined, { top_logprobs }: JsonObject): Unsayable | undefined {
  if (unsayable?.param === undefined) return unsayable;
  const [top = ""] = /^\w+/.exec(unsayable.param) ?? [];
  // Functions have their members beside their type there.
  const flat = unsayable.param.replace(/^(tools\[\d+\]|tool_choice)\.function\b/, "$1");
  const place = top === "logprobs" && top_logprobs ? "top_logprobs" : PLACES.get(top);
  return { ...unsayable, param: place ?? flat };
}

/** How a lab that only has chat completions is asked for responses: in those, and answered as if it had them. */
export function responsesAsChat(inner: Protocol): Protocol {
  const { signsThoughts } = inner;
  return {
    ...inner,
    unsayable(_, body, to) {
      let made = {};
      const own = unsayableIn(() => {
        made = chatRequestOf(body() as JsonObject, { ...to, signsThoughts });
      });
      return (
        own ??
        renamed(
          inner.unsayable(CHAT, () => made, to),
          body() as JsonObject,
        )
      );
    },
    bodyFor(_, bodyText, to, isStreamed) {
      const made = chatRequestOf(exactObjectOf(bodyText) ?? {}, { ...to, signsThoughts });
      return inner.bodyFor(CHAT, JSON.stringify(made), to, isStreamed);
    },
    pathOf: () => inner.pathOf(CHAT),
    readStream: (asked) => new ItemsStream(inner.readStream(chat(asked)), asked),
    outcomeOf(answer, asked) {
      const outcome = inner.outcomeOf(answer, chat(asked));
      if (outcome.kind !== "completed") return outcome;
      const { incomplete, ...rest } = outcome;
      const reason = incompleteReason(incomplete);
      const body = JSON.stringify(responseOf(objectOf(outcome.body) ?? {}, asked));
      return { ...rest, body, ...(reason === undefined ? {} : { incomplete: reason }) };
    },
  };
}
