import { z } from "zod";
import { dismissMany, type LetterChoice, redriveMany } from "../../job/letters/bulk.ts";
import { type RedriveDeps, type RedriveResult, redrive } from "../../job/letters/redrive.ts";
import type { DeadLetter, DeadLetters, JobStore } from "../../job/ports.ts";
import { MAX_DEAD_LETTER_TEXT_CHARS, MAX_LETTERS_AT_ONCE, MAX_OPS_BODY_BYTES } from "../../limits.ts";
import { STATUSES, type Status } from "../../status.ts";
import { json } from "../answer.ts";
import { invalidRequest } from "../input.ts";
import { type Route, route } from "../route.ts";
import { flag, secondsOf, text, unixTime, whole } from "./fields.ts";
import { pageOf, pageSchema } from "./page.ts";
import { JOB_ID, limit, operatorsReason } from "./parameters.ts";

export interface DeadLetterRoutesDeps {
  readonly deadLetters: DeadLetters;
  readonly store: Pick<JobStore, "read">;
  readonly redrive: Omit<RedriveDeps, "log">;
}

/** `dl_` and 32 hex digits. */
const LETTER_ID = /^dl_[0-9a-f]{32}$/;

const outcome = z
  .enum(["nudged", "new_job"])
  .describe(
    "`nudged`: the job was live, or it is another queue's; `new_job`: it had ended, and a new job was made of it.",
  );

const deadLetterSchema = z
  .object({
    id: z.string().regex(LETTER_ID).describe("To redrive it by."),
    object: z.literal("dead_letter"),
    at: unixTime(),
    reason: text("As Service Bus gives it."),
    description: text("As Service Bus gives it."),
    message_id: text("The id of the Service Bus message."),
    readable: flag("False: the message was no nudge, and cannot be redriven."),
    queue: z
      .enum(["jobs", "deliveries", "batches"])
      .describe("`jobs`: of a job, from the queue `nudges` or `releases`; else the queue that gave it up."),
    tenant_id: text("Whose it is; null: it cannot be read.").nullable(),
    job_id: text("The job it is about, or the comparison or batch; null: it cannot be read.").nullable(),
    job_status: z.enum(STATUSES).nullable().describe("The job's status now; null when there is none."),
    redriven: z
      .object({
        at: unixTime(),
        actor: text("Who asked."),
        outcome,
        job_id: text("The job that runs for it."),
      })
      .nullable()
      .describe("What an operator made of it last."),
    dismissed: z
      .object({ at: unixTime(), actor: text("Who dismissed it.") })
      .nullable()
      .describe("That an operator found nothing to do."),
  })
  .meta({ id: "DeadLetter", title: "A dead letter" });

const redriveSchema = z
  .object({
    object: z.literal("redrive"),
    dead_letter: text("Its id."),
    at: unixTime("When it was first asked for, Unix time, seconds."),
    actor: text("Who asked for it first."),
    outcome,
    tenant_id: text("Whose job it is."),
    job_id: text("The job that runs for it: the letter's own, or the new one."),
    redriven_from: text("The ended job that the new one was made of.").nullable(),
    nudged: flag("False: Service Bus did not take the nudge; the sweeper sends another."),
  })
  .meta({ id: "Redrive", title: "What a redrive answers" });

/** What letters may be chosen by. */
const chosenBy = {
  tenant_id: z
    .string()
    .regex(/^[\w.-]{1,64}$/, "must be the id of a tenant")
    .optional()
    .describe("Only letters about this tenant's jobs."),
  job_id: z
    .string()
    .regex(JOB_ID, "must be the id of a job")
    .optional()
    .describe("Only letters about this job."),
  reason: z
    .string()
    .max(MAX_DEAD_LETTER_TEXT_CHARS)
    .optional()
    .describe("Only letters with this `reason`, as Service Bus gave it."),
};
const isTrue = z.stringbool({
  ...{ truthy: ["true"], falsy: ["false"], case: "sensitive", error: "must be true or false" },
});

const list = route({
  name: "list-dead-letters",
  method: "GET",
  path: "api/ops/dead-letters",
  who: "operator",
  summary: "Operators: nudges that Service Bus gave up on, newest first",
  query: z.object({
    ...chosenBy,
    before: z
      .string()
      .regex(/^\d{1,11}$/, "must be a Unix time, seconds")
      .transform(Number)
      .optional()
      .describe("Only letters that came before this time: Unix time, seconds."),
    redriven: isTrue.optional().describe("Only those that were redriven, or that were not."),
    dismissed: isTrue.optional().describe("Only those that were dismissed, or that were not."),
    limit,
    after: z
      .string()
      .regex(LETTER_ID, "must be the id of a letter, as in `last_id`")
      .optional()
      .describe("The `last_id` of the page before."),
  }),
  answers: { 200: { description: "A page.", schema: pageSchema(deadLetterSchema) } },
  handle: async ({ deadLetters, store }: DeadLetterRoutesDeps, { query }) => {
    const { redriven, dismissed, after, ...choice } = query;
    const page = { redriven, dismissed, limit: query.limit, after: await cursor(deadLetters, after) };
    const { letters, hasMore } = await deadLetters.list({ ...choiceOf(choice), ...page });
    const data = await Promise.all(
      letters.map(async (letter) => deadLetterResource(letter, await statusOf(store, letter))),
    );
    return json(200, pageOf(data, hasMore));
  },
});

async function statusOf(store: Pick<JobStore, "read">, { nudge, queue }: DeadLetter) {
  return nudge === null || queue === "batches" ? null : ((await store.read(nudge))?.value.status ?? null);
}

interface Chosen {
  readonly tenant_id?: string | undefined;
  readonly job_id?: string | undefined;
  readonly reason?: string | undefined;
  /** Unix time, seconds. */
  readonly before?: number | undefined;
}

function choiceOf({ tenant_id, job_id, reason, before }: Chosen): LetterChoice {
  return {
    tenantId: tenant_id,
    jobId: job_id,
    reason,
    beforeMs: before === undefined ? undefined : before * 1000,
  };
}

async function cursor(deadLetters: DeadLetters, id: string | undefined): Promise<DeadLetter | undefined> {
  if (id === undefined) return undefined;
  const letter = await deadLetters.read(id);
  if (letter !== undefined) return letter;
  throw invalidRequest([{ path: "after", message: "must be the id of a letter, as in `last_id`" }]);
}

/** A letter as an operator sees it. @param status of its job, now; null when there is none */
function deadLetterResource(letter: DeadLetter, status: Status | null): z.input<typeof deadLetterSchema> {
  const { nudge, redriven, dismissed } = letter;
  return {
    id: letter.id,
    object: "dead_letter",
    at: secondsOf(letter.at_ms),
    reason: letter.reason,
    description: letter.description,
    message_id: letter.message_id,
    readable: nudge !== null,
    queue: letter.queue ?? "jobs",
    tenant_id: nudge?.tenant_id ?? null,
    job_id: nudge?.job_id ?? null,
    job_status: status,
    redriven:
      redriven === undefined
        ? null
        : {
            at: secondsOf(redriven.at_ms),
            actor: redriven.actor,
            outcome: redriven.outcome,
            job_id: redriven.job_id,
          },
    dismissed: dismissed === undefined ? null : { at: secondsOf(dismissed.at_ms), actor: dismissed.actor },
  };
}

const redriveRoute = route({
  name: "redrive-dead-letter",
  method: "POST",
  path: "api/ops/dead-letters/{id}/redrive",
  who: "operator",
  summary:
    "Operators: nudge a live job again, make a new job of an ended one, or send another queue's message again; asked twice, it is done once",
  params: {
    schema: z.object({
      id: z
        .string()
        .regex(LETTER_ID, "There is no such dead letter: an id is `dl_` and 32 hex digits.")
        .describe("The letter's id."),
    }),
    absent: "dead_letter_not_found",
  },
  answers: { 202: { description: "Done, or done before.", schema: redriveSchema } },
  errors: ["dead_letter_not_found", "dead_letter_unreadable", "request_gone", "budget_exceeded"],
  handle: async (deps: DeadLetterRoutesDeps, { path: { id } }, { actor }, { log }) =>
    json(202, redriveResource(id, await redrive({ ...deps.redrive, log }, id, actor))),
});

function redriveResource(letterId: string, result: RedriveResult): z.input<typeof redriveSchema> {
  const { redriven, tenantId, redrivenFrom, nudged } = result;
  return {
    object: "redrive",
    dead_letter: letterId,
    at: secondsOf(redriven.at_ms),
    actor: redriven.actor,
    outcome: redriven.outcome,
    tenant_id: tenantId,
    job_id: redriven.job_id,
    redriven_from: redrivenFrom,
    nudged,
  };
}

const ALL_THAT_MATCH = "which of the letters that nobody has redriven or dismissed; `{}`: all";
export const letterChoice = z
  .strictObject({
    ...chosenBy,
    before: z
      .int()
      .min(0)
      .optional()
      .describe("Only letters that came before this time: Unix time, seconds."),
  })
  .describe(`Required: ${ALL_THAT_MATCH}.`);
const atMost = z
  .int()
  .min(1)
  .max(MAX_LETTERS_AT_ONCE)
  .default(MAX_LETTERS_AT_ONCE)
  .describe("How many at once.");
const left = whole("Letters that match and that nobody has redriven or dismissed yet.");

const redriveManyRoute = route({
  name: "redrive-dead-letters",
  method: "POST",
  path: "api/ops/dead-letters/redrive",
  who: "operator",
  summary: "Operators: redrive a page of dead letters, newest first; asked twice, each is done once",
  body: {
    schema: z.strictObject({
      filter: letterChoice,
      limit: atMost,
      new_jobs: z
        .boolean()
        .default(false)
        .describe("True: of ended jobs too, each of which makes a new job and costs money."),
      after: z
        .string()
        .regex(LETTER_ID, "must be the id of a letter, as in `last_id`")
        .optional()
        .describe("The `last_id` of the page before."),
    }),
    maxBytes: MAX_OPS_BODY_BYTES,
  },
  answers: {
    200: {
      description: "What was done.",
      schema: z
        .object({
          object: z.literal("redrives"),
          nudged: whole("Live jobs that were nudged."),
          new_jobs: whole("New jobs that were made of ended ones."),
          refused: z
            .record(z.string(), z.int())
            .describe("Letters that were left as they are, by code: `job_ended` without `new_jobs`, say."),
          left,
          last_id: text("`after` of the next page; null: this was the last.").nullable(),
        })
        .meta({ id: "Redrives", title: "What a redrive of many answers" }),
    },
  },
  handle: async (deps: DeadLetterRoutesDeps, { body }, { actor }, { log }) => {
    const page = {
      limit: body.limit,
      newJobs: body.new_jobs,
      after: await cursor(deps.deadLetters, body.after),
    };
    const done = await redriveMany({ ...deps.redrive, log }, choiceOf(body.filter), page, actor);
    const { nudged, newJobs, refused, left, lastId } = done;
    return json(200, { object: "redrives", nudged, new_jobs: newJobs, refused, left, last_id: lastId });
  },
});

const dismissManyRoute = route({
  name: "dismiss-dead-letters",
  method: "POST",
  path: "api/ops/dead-letters/dismiss",
  who: "operator",
  summary:
    "Operators: say of dead letters, newest first, that nothing needs to be done; `left` says how many remain",
  body: {
    schema: z.strictObject({ filter: letterChoice, limit: atMost, reason: operatorsReason }),
    maxBytes: MAX_OPS_BODY_BYTES,
  },
  answers: {
    200: {
      description: "What was done.",
      schema: z
        .object({ object: z.literal("dismissal"), dismissed: whole("How many were dismissed now."), left })
        .meta({ id: "Dismissal", title: "What a dismissal answers" }),
    },
  },
  handle: async ({ redrive }: DeadLetterRoutesDeps, { body }, { actor }) => {
    const { filter, limit, reason = null } = body;
    const done = await dismissMany(redrive, choiceOf(filter), { limit, actor, reason });
    return json(200, { object: "dismissal", ...done });
  },
});

export const deadLetterRoutes: readonly Route<DeadLetterRoutesDeps>[] = [
  list,
  redriveManyRoute,
  dismissManyRoute,
  redriveRoute,
];
