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
  let isBegun = false;
  const begin = (job: Job) => {
    if (isBegun) return [];
    isBegun = true;
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
    failed: (end, { message }) => {
      if (end === undefined) return "";
      const { value } = end.job;
      const response = {
        ...responseOf(value, request, undefined),
        status: "failed",
        error: { code: "server_error", message },
      };
      return text([...begin(value), ...events.end(response)]);
    },
  };
}
