import { z } from "zod";
import { type RedriveDeps, type RedriveResult, redrive } from "../../job/letters/redrive.ts";
import type { DeadLetter, DeadLetters, JobStore } from "../../job/ports.ts";
import { STATUSES, type Status } from "../../status.ts";
import { json } from "../answer.ts";
import { invalidRequest } from "../input.ts";
import { type Route, route } from "../route.ts";
import { flag, secondsOf, text, unixTime } from "./fields.ts";
import { pageOf, pageSchema } from "./page.ts";
import { JOB_ID, limit } from "./parameters.ts";

export interface DeadLetterRoutesDeps {
  readonly deadLetters: DeadLetters;
  readonly store: Pick<JobStore, "read">;
  readonly redrive: Omit<RedriveDeps, "log">;
}

/** `dl_` and 32 hex digits. */
const LETTER_ID = /^dl_[0-9a-f]{32}$/;

const outcome = z
  .enum(["nudged", "new_job"])
  .describe("`nudged`: the job was live; `new_job`: it had ended, and a new job was made of it.");

const deadLetterSchema = z
  .object({
    id: z.string().regex(LETTER_ID).describe("To redrive it by."),
    object: z.literal("dead_letter"),
    at: unixTime(),
    reason: text("As Service Bus gives it."),
    description: text("As Service Bus gives it."),
    message_id: text("The id of the Service Bus message."),
    readable: flag("False: the message was no nudge, and cannot be redriven."),
    tenant_id: text("Whose job it is about; null: it cannot be read.").nullable(),
    job_id: text("Which job it is about; null: it cannot be read.").nullable(),
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

const list = route({
  name: "list-dead-letters",
  method: "GET",
  path: "api/ops/dead-letters",
  who: "operator",
  summary: "Operators: nudges that Service Bus gave up on, newest first",
  query: z.object({
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
    redriven: z
      .stringbool({ truthy: ["true"], falsy: ["false"], case: "sensitive", error: "must be true or false" })
      .optional()
      .describe("Only those that were redriven, or that were not."),
    limit,
    after: z
      .string()
      .regex(LETTER_ID, "must be the id of a letter, as in `last_id`")
      .optional()
      .describe("The `last_id` of the page before."),
  }),
  answers: { 200: { description: "A page.", schema: pageSchema(deadLetterSchema) } },
  handle: async ({ deadLetters, store }: DeadLetterRoutesDeps, { query }) => {
    const { tenant_id: tenantId, job_id: jobId, after: afterId, ...filter } = query;
    const after = afterId === undefined ? undefined : await cursor(deadLetters, afterId);
    const { letters, hasMore } = await deadLetters.list({ ...filter, tenantId, jobId, after });
    const data = await Promise.all(
      letters.map(async (letter) => deadLetterResource(letter, await statusOf(store, letter))),
    );
    return json(200, pageOf(data, hasMore));
  },
});

async function statusOf(store: Pick<JobStore, "read">, { nudge }: DeadLetter) {
  return nudge === null ? null : ((await store.read(nudge))?.value.status ?? null);
}

async function cursor(deadLetters: DeadLetters, id: string): Promise<DeadLetter> {
  const letter = await deadLetters.read(id);
  if (letter !== undefined) return letter;
  throw invalidRequest([{ path: "after", message: "must be the id of a letter, as in `last_id`" }]);
}

/** A letter as an operator sees it. @param status of its job, now; null when there is none */
function deadLetterResource(letter: DeadLetter, status: Status | null): z.input<typeof deadLetterSchema> {
  const { nudge, redriven } = letter;
  return {
    id: letter.id,
    object: "dead_letter",
    at: secondsOf(letter.at_ms),
    reason: letter.reason,
    description: letter.description,
    message_id: letter.message_id,
    readable: nudge !== null,
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
  };
}

const redriveRoute = route({
  name: "redrive-dead-letter",
  method: "POST",
  path: "api/ops/dead-letters/{id}/redrive",
  who: "operator",
  summary:
    "Operators: nudge a live job again, or make a new job of an ended one; asked twice, it is done once",
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

export const deadLetterRoutes: readonly Route<DeadLetterRoutesDeps>[] = [list, redriveRoute];
