import { exactObjectOf, objectOf } from "../json.ts";
import { type Asked, type Protocol, unsayableIn } from "../protocol.ts";
import { incompleteReason, responseOf } from "./answer.ts";
import { ItemsStream } from "./items-stream.ts";
import { chatRequestOf } from "./request.ts";

const CHAT = "/v1/chat/completions";
const chat = (asked: Asked): Asked => ({ ...asked, endpoint: CHAT });

/** How a lab that only has chat completions is asked for responses: in those, and answered as if it had them. */
export function responsesAsChat(inner: Protocol): Protocol {
  const { signsThoughts } = inner;
  return {
    ...inner,
    unsayable(_, body, to) {
      let made = {};
      const own = unsayableIn(() => {
        made = chatRequestOf(body() as Record<string, unknown>, { ...to, signsThoughts });
      });
      return own ?? inner.unsayable(CHAT, () => made, to);
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
      const reason = incomplete === undefined ? undefined : (incompleteReason(incomplete) ?? incomplete);
      const body = JSON.stringify(responseOf(objectOf(outcome.body) ?? {}, asked));
      return { ...rest, body, ...(reason === undefined ? {} : { incomplete: reason }) };
    },
  };
}
