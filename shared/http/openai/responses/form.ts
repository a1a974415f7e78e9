import type { Job } from "../../../job/job.ts";
import type { JsonObject } from "../../../model/protocol/json.ts";
import type { JobKey } from "../../../store.ts";
import type { Form } from "../form.ts";
import { eventText, ResponseEvents } from "./events.ts";
import { readResponse } from "./find.ts";
import { responseOf } from "./object.ts";

/** How the answer of a job that is a response is shown; undefined: it is none. */
export async function responseFormOf(
  store: Parameters<typeof readResponse>[0],
  key: JobKey,
): Promise<Form | undefined> {
  const found = await readResponse(store, key);
  return found && responseForm(found.request ?? {});
}

/** As a response: whole, or in its events. @param request as it is stored */
export function responseForm(request: JsonObject): Form {
  const events = new ResponseEvents();
  let shown: Job | undefined;
  const begin = (job: Job) => {
    if (shown !== undefined) return [];
    shown = job;
    const response = responseOf(job, request, undefined);
    return [...events.begin(response), ...events.start(response)];
  };
  const text = (all: readonly Parameters<typeof eventText>[0][]) => all.map(eventText).join("");
  return {
    whole: ({ job, response }) => JSON.stringify(responseOf(job.value, request, response)),
    events: (job, said) =>
      text([...begin(job), ...said.flatMap(({ data }) => events.add(data, job.deployment))]),
    last: ({ job: { value }, response }) =>
      text([...begin(value), ...events.end(responseOf(value, request, response))]),
    failed: (ended, { message }) => {
      const job = ended ?? shown;
      const error = { code: "server_error", message };
      if (job === undefined) return eventText({ type: "error", sequence_number: 0, error });
      const response = responseOf(job, request, undefined);
      const failed = ended === undefined ? { ...response, status: "failed", error } : response;
      return text([...begin(job), ...events.end(failed)]);
    },
  };
}
