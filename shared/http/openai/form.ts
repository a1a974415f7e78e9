import type { Ended, Job } from "../../job/job.ts";
import type { EndedJob } from "../../job/running-jobs.ts";
import type { AnswerEvent } from "../../model/protocol/protocol.ts";
import { inBase64 } from "./embeddings.ts";
import { DONE, eventOf, eventsOf } from "./events.ts";

/** A job's end with its answer. */
export type Answered = EndedJob & { readonly response: NonNullable<EndedJob["response"]> };

/** A failure, as a stream that has begun tells it. */
export interface ToldError {
  readonly message: string;
  readonly type: string;
  readonly code: string | null;
}

/** How a client is shown what its lab says. One of a stream is used once, for the events have an order. */
export interface Form {
  /** The body of an answer that comes whole. */
  whole(end: Answered): string;
  /** The text of a stream, from its beginning on: what has come by now. */
  events(job: Job, events: readonly AnswerEvent[]): string;
  /** How a stream ends, all that was not shown before its end included. */
  last(end: Answered, isShown: boolean): string;
  /** How it ends without an answer. @param job as it ended; undefined: it has not, and cannot be gone on with here */
  failed(job: Ended | undefined, error: ToldError): string;
}

/** As the lab says it: chat completions and embeddings. */
export function labsForm(wanted: { readonly includeUsage: boolean; readonly base64: boolean }): Form {
  return {
    whole: ({ response: { body } }) => (wanted.base64 ? inBase64(body) : body),
    events: (_, events) =>
      events
        .filter(({ isUsage }) => wanted.includeUsage || !isUsage)
        .map(({ data }) => `data: ${data}\n\n`)
        .join(""),
    last: ({ response: { body } }, isShown) => (isShown ? DONE : eventsOf(body, wanted)),
    failed: (_, { message, type, code }) => eventOf({ error: { message, type, param: null, code } }),
  };
}
