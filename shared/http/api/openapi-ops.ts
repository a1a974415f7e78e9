import { z } from "zod";
import { CONTROL_EVENTS, CONTROL_SCOPES } from "../../audit/control-record.ts";
import { DEFAULT_LIST_LIMIT, MAX_LIST_LIMIT, MAX_STATUS_JOBS } from "../../limits.ts";
import { STATUSES } from "../../status.ts";
import { DEFAULT_SCOPE } from "./control-audit.ts";
import { ALWAYS, json, page, parameter, plain, problems, ref } from "./openapi-parts.ts";

/** The routes under /api/ops, for operators alone. */
const unixSeconds = z.int().describe("Unix time, seconds.");
const outcome = z
  .enum(["nudged", "new_job"])
  .describe("`nudged`: the job was live; `new_job`: it had ended, and a new job was made of it.");

const deadLetter = z.object({
  id: z
    .string()
    .regex(/^dl_[0-9a-f]{32}$/)
    .describe("To redrive it by."),
  object: z.literal("dead_letter"),
  at: unixSeconds,
  reason: z.string().describe("As Service Bus gives it."),
  description: z.string().describe("As Service Bus gives it."),
  message_id: z.string().describe("Of the Service Bus message."),
  readable: z.boolean().describe("False: the message was no nudge, and cannot be redriven."),
  tenant_id: z.string().nullable().describe("Whose job it is about; null: it cannot be read."),
  job_id: z.string().nullable().describe("Which job it is about; null: it cannot be read."),
  job_status: z.enum(STATUSES).nullable().describe("Of its job, now; null when there is none."),
  redriven: z
    .object({
      at: unixSeconds,
      actor: z.string().describe("Who asked."),
      outcome,
      job_id: z.string().describe("The job that runs for it."),
    })
    .nullable()
    .describe("What an operator made of it last."),
});

const redrive = z.object({
  object: z.literal("redrive"),
  dead_letter: z.string().describe("Its id."),
  at: unixSeconds.describe("When it was first asked for, Unix time, seconds."),
  actor: z.string().describe("Who asked for it first."),
  outcome,
  tenant_id: z.string().describe("Whose job it is."),
  job_id: z.string().describe("The job that runs for it: the letter's own, or the new one."),
  redriven_from: z.string().nullable().describe("The ended job that the new one was made of."),
  nudged: z.boolean().describe("False: Service Bus did not take the nudge; the sweeper sends another."),
});

const controlRecord = z.object({
  scope: z.enum(CONTROL_SCOPES).describe("Its chain."),
  seq: z.int().min(1).describe("Its number in the scope's chain."),
  at: unixSeconds,
  event: z.enum(CONTROL_EVENTS).describe("What was done."),
  actor: z.string().describe("Which operator's credential."),
  change_id: z.string().describe("The caller's name for the change: the same name twice is one change."),
  reason: z.string().nullable().describe("As the operator gave it."),
  details: z.record(z.string(), z.unknown()).describe("What was changed, from what, to what."),
  prev_hash: z.string().describe("The hash of the record before; 64 zeros for the first."),
  hash: z.string().describe("SHA-256 of the canonical JSON (RFC 8785) of all other fields."),
});

const controlAudit = z.object({
  object: z.literal("list"),
  scope: z.enum(CONTROL_SCOPES).describe("As asked for."),
  data: z.array(controlRecord).describe("Newest first."),
  first_seq: z.int().nullable().describe("Of the first record here; null: there is none."),
  last_seq: z.int().nullable().describe("Of the last record here: `before` of the next page."),
  has_more: z.boolean().describe("True: older ones are left."),
});

const seconds = z.int().min(0).describe("Seconds.");
const status = z.object({
  object: z.literal("status"),
  at: unixSeconds,
  backlog: z
    .object({
      queued: z.int().describe("Exact: all jobs that wait, those scheduled for later included."),
      oldest_wait_seconds: seconds.nullable(),
      exact: z
        .boolean()
        .describe(
          "False: there are more live jobs than were read, so the rest of this answer is a part only.",
        ),
      jobs_read: z
        .int()
        .describe(`At most ${MAX_STATUS_JOBS}, those first whose time to be looked at comes first.`),
      by_tenant_and_model: z
        .array(
          z.object({
            tenant_id: z.string().describe("Whose jobs."),
            model: z.string().describe("The model they asked for."),
            waiting: z.int().describe("Queued, and may run now."),
            scheduled: z.int().describe("Queued, with a `not_before` to come."),
            running: z.int().describe("Held by a worker."),
            oldest_wait_seconds: seconds.nullable(),
          }),
        )
        .describe("The longest wait first."),
    })
    .describe("What waits, and how long; `by_tenant_and_model` has the longest wait first."),
  running: z.int().describe("Exact: jobs that a worker holds."),
  lost_leases: z.int().describe("Running jobs whose lease was not renewed in time, by this host's clock."),
  dead_letters: z
    .object({
      kept: z.int().describe("All there are."),
      untouched: z.int().describe("Not redriven yet."),
      newest_at: unixSeconds.nullable(),
    })
    .describe("Of the last 90 days."),
  sweeper: z
    .object({
      at: unixSeconds,
      age_seconds: seconds,
      took_ms: z.int().describe("How long the round took."),
      instance: z.string().describe("Which instance swept."),
      overdue: z.int().nullable().describe("Jobs found whose time had come."),
      nudged: z.int().nullable().describe("Of those, how many were nudged."),
      lost_leases: z.int().nullable().describe("Running jobs whose lease it found dead."),
      failure: z.string().nullable().describe("Why the round could not be finished."),
    })
    .nullable()
    .describe("Its last round that was told of: rounds in which nothing happens are told every 5 s."),
});

export const opsSchemas = {
  Status: plain(status, "output"),
  DeadLetter: plain(deadLetter, "output"),
  Redrive: plain(redrive, "output"),
  ControlAudit: plain(controlAudit, "output"),
};

export const opsPaths = {
  "/ops/status": {
    get: {
      operationId: "getStatus",
      summary: "For operators: what waits, runs, was lost and was given up, and when the sweeper last looked",
      responses: { "200": json("The status.", ref("Status")), ...problems(ALWAYS) },
    },
  },
  "/ops/audit": {
    get: {
      operationId: "listControlAudit",
      summary: "For operators: what operators changed, newest first; each scope is a chain of its own",
      parameters: [
        parameter("query", "scope", "Redrives of dead letters, or switches, limits and weights.", {
          type: "string",
          enum: CONTROL_SCOPES,
          default: DEFAULT_SCOPE,
        }),
        parameter("query", "limit", "How many.", {
          type: "integer",
          minimum: 1,
          maximum: MAX_LIST_LIMIT,
          default: DEFAULT_LIST_LIMIT,
        }),
        parameter("query", "before", "The `last_seq` of the page before.", { type: "integer", minimum: 1 }),
      ],
      responses: {
        "200": json("A page.", ref("ControlAudit")),
        ...problems(["invalid_request", ...ALWAYS]),
      },
    },
  },
  "/ops/dead-letters": {
    get: {
      operationId: "listDeadLetters",
      summary: "For operators: nudges that Service Bus gave up on, newest first",
      parameters: [
        parameter("query", "tenant_id", "Only letters about this tenant's jobs.", { type: "string" }),
        parameter("query", "job_id", "Only letters about this job.", { type: "string" }),
        parameter("query", "redriven", "Only those that were redriven, or that were not.", {
          type: "boolean",
        }),
        parameter("query", "limit", "How many.", {
          type: "integer",
          minimum: 1,
          maximum: MAX_LIST_LIMIT,
          default: DEFAULT_LIST_LIMIT,
        }),
        parameter("query", "after", "The `last_id` of the page before.", { type: "string" }),
      ],
      responses: { "200": json("A page.", page("DeadLetter")), ...problems(["invalid_request", ...ALWAYS]) },
    },
  },
  "/ops/dead-letters/{id}/redrive": {
    post: {
      operationId: "redriveDeadLetter",
      summary:
        "For operators: nudge a live job again, or make a new job of an ended one; asked twice, it is done once",
      parameters: [parameter("path", "id", "The letter's id.", { type: "string" })],
      responses: {
        "202": json("Done, or done before.", ref("Redrive")),
        ...problems([
          "dead_letter_not_found",
          "dead_letter_unreadable",
          "request_gone",
          "budget_exceeded",
          ...ALWAYS,
        ]),
      },
    },
  },
};
