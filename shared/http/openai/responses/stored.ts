import { z } from "zod";
import { Problem } from "../../../errors.ts";
import { awaitEnd } from "../../../job/ending/await-end.ts";
import { cancelJob } from "../../../job/ending/cancel.ts";
import { deleteJobContent } from "../../../job/ending/delete-content.ts";
import { isEnded } from "../../../job/job.ts";
import { json } from "../../answer.ts";
import { text } from "../../api/fields.ts";
import { invalidRequest } from "../../input.ts";
import { type Route, route } from "../../route.ts";
import { EVENT_STREAM } from "../events.ts";
import { ANSWER_HEADERS, headersOf } from "../headers.ts";
import { unfinishedHeaders } from "./create.ts";
import type { ResponseDeps } from "./deps.ts";
import { type FoundResponse, findResponse, responseInPath } from "./find.ts";
import { followed } from "./follow.ts";
import { inputItemsOf, pageOfItems } from "./input-items.ts";
import { responseOf } from "./object.ts";
import { responseSchema } from "./schema.ts";

const isTrue = z
  .enum(["true", "false"], "must be true or false")
  .optional()
  .transform((said) => said === "true");
const include = z.string().optional().describe("Taken, and not looked at: what there is, is there.");

/** The response as it is now. */
async function answerNow(deps: ResponseDeps, { job, request }: FoundResponse) {
  const { value } = job;
  const now = isEnded(value) ? await awaitEnd(deps.intake, value, 0) : undefined;
  const { job: last, response } = now ?? { job, response: undefined };
  return json(200, responseOf(last.value, request, response), unfinishedHeaders(last.value));
}

const RESPONSE = { description: "The response.", schema: responseSchema, headers: ANSWER_HEADERS };

const retrieve = route({
  name: "retrieve-response",
  method: "GET",
  path: "responses/{id}",
  who: "tenant",
  summary: "A response, as it is now or as the stream of its events",
  params: responseInPath,
  query: z.object({
    stream: isTrue.describe("Whether its events come, from the first on."),
    starting_after: z
      .string()
      .regex(/^-?\d{1,9}$/, "must be a whole number: an event's sequence_number")
      .transform(Number)
      .optional()
      .describe("Of a stream: only the events after this number."),
    include_obfuscation: isTrue.describe("Taken; nothing is padded."),
    "include[]": include,
    include,
  }),
  answers: { 200: RESPONSE },
  errors: ["job_not_found"],
  handle: async (deps: ResponseDeps, { path, query }, { tenant }) => {
    const found = await findResponse(deps.intake.store, tenant.id, path.id);
    if (!query.stream) return answerNow(deps, found);
    const { value } = found.job;
    if (value.streamed !== true || !value.as_response.background)
      throw invalidRequest([
        { path: "stream", message: "is only for responses that were created with background and stream" },
      ]);
    const body = followed(deps, tenant, found, query.starting_after ?? -1);
    return { status: 200, headers: { ...headersOf(value), ...EVENT_STREAM }, body };
  },
});

const cancel = route({
  name: "cancel-response",
  method: "POST",
  path: "responses/{id}/cancel",
  who: "tenant",
  summary: "Cancels a background response; one that has ended stays as it is",
  params: responseInPath,
  answers: { 200: RESPONSE },
  errors: ["job_not_found", "invalid_request"],
  handle: async (deps: ResponseDeps, { path }, { tenant, actor }) => {
    const found = await findResponse(deps.intake.store, tenant.id, path.id);
    if (!found.job.value.as_response.background)
      throw invalidRequest([{ path: "response_id", message: "Cannot cancel a synchronous response." }]);
    try {
      await cancelJob(deps.intake, found.job.value, actor);
    } catch (thrown) {
      // It ended first: that is what it is then.
      if (!(thrown instanceof Problem && thrown.code === "job_ended")) throw thrown;
    }
    return answerNow(deps, await findResponse(deps.intake.store, tenant.id, path.id));
  },
});

const remove = route({
  name: "delete-response",
  method: "DELETE",
  path: "responses/{id}",
  who: "tenant",
  summary: "Deletes a response and its events; one that has not ended is cancelled first",
  params: responseInPath,
  answers: {
    200: {
      description: "It is deleted. Its audit trail stays.",
      schema: z
        .object({
          id: text("The response's id."),
          object: z.literal("response"),
          deleted: z.literal(true),
        })
        .meta({ id: "DeletedResponse", title: "A response that is deleted" }),
    },
  },
  errors: ["job_not_found"],
  handle: async (deps: ResponseDeps, { path }, { tenant, actor }) => {
    const { value } = (await findResponse(deps.intake.store, tenant.id, path.id)).job;
    if (!isEnded(value)) {
      try {
        await cancelJob(deps.intake, value, actor);
      } catch (thrown) {
        if (!(thrown instanceof Problem && thrown.code === "job_ended")) throw thrown;
      }
    }
    await deleteJobContent({ ...deps.intake, events: deps.events }, value, actor);
    return json(200, { id: path.id, object: "response", deleted: true });
  },
});

const MAX_ITEMS = 100;
const WHICH_LIMIT = `must be a whole number from 1 to ${MAX_ITEMS}`;

const listItems = route({
  name: "list-input-items",
  method: "GET",
  path: "responses/{id}/input_items",
  who: "tenant",
  summary: "What a response's model has read, with what came before it",
  params: responseInPath,
  query: z.object({
    after: z.string().optional().describe("The id of the last item of the page before."),
    limit: z
      .string()
      .regex(/^\d{1,3}$/, WHICH_LIMIT)
      .transform(Number)
      .pipe(z.int().min(1, WHICH_LIMIT).max(MAX_ITEMS, WHICH_LIMIT))
      .default(20)
      .describe("How many."),
    order: z.enum(["asc", "desc"], "must be asc or desc").default("desc").describe("The last first: `desc`."),
    "include[]": include,
    include,
  }),
  answers: {
    200: {
      description: "A page of its items.",
      schema: z
        .object({
          object: z.literal("list"),
          data: z.array(z.looseObject({})).describe("Items, each with an id that is always the same."),
          first_id: text("Of this page; null: it is empty.").nullable(),
          last_id: text("Of this page; null: it is empty.").nullable(),
          has_more: z.boolean().describe("Whether there are more after it."),
        })
        .meta({ id: "InputItems", title: "Items of an input" }),
    },
  },
  errors: ["job_not_found"],
  handle: async (deps: ResponseDeps, { path, query }, { tenant }) => {
    const { job, request } = await findResponse(deps.intake.store, tenant.id, path.id);
    const { after, limit, order } = query;
    return json(200, pageOfItems(inputItemsOf(job.value.job_id, request?.input), { after, limit, order }));
  },
});

export const storedRoutes: readonly Route<ResponseDeps>[] = [retrieve, cancel, remove, listItems];
