import { z } from "zod";
import { Problem } from "../../errors.ts";
import { MAX_OPS_BODY_BYTES } from "../../limits.ts";
import { OPERATION_KINDS, type Operation, type OperationStore } from "../../operation/operation.ts";
import { type StartDeps, startOperation } from "../../operation/start.ts";
import { stopOperation } from "../../operation/stop.ts";
import { json } from "../answer.ts";
import { type Route, route } from "../route.ts";
import { changeHeaders, changeOf } from "./change.ts";
import { letterChoice } from "./dead-letters.ts";
import { secondsOf, text, unixTime } from "./fields.ts";
import { listSchema } from "./page.ts";
import { limit, name, operatorsReason } from "./parameters.ts";

export interface OpsBulkDeps {
  readonly bulk: StartDeps;
  readonly operations: OperationStore;
  readonly newId: () => string;
}

const OPERATION_ID = /^op_[0-9a-f]{32}$/;

const operationSchema = z
  .object({
    id: z.string().regex(OPERATION_ID).describe("To follow it by."),
    object: z.literal("operation"),
    kind: z.enum(OPERATION_KINDS).describe("What is done."),
    status: z.enum(["in_progress", "ended"]).describe("Whether anything is left of it."),
    filter: z.looseObject({}).describe("Of what it was asked for."),
    created_at: unixTime("When it was asked for: what came later is left alone."),
    ended_at: unixTime("Unix time, seconds; null: it goes on.").nullable(),
    stopped_by: text("Which operator's credential ended it before it was done; null: none has.").nullable(),
    actor: text("Which operator's credential asked for it."),
    reason: text("As the operator gave it.").nullable(),
    counts: z
      .record(z.string(), z.int())
      .describe(
        "What was done so far: `cancelled`; `nudged`, `new_jobs`, and `refused_` with a code. A page that a crash cut off may be missing.",
      ),
  })
  .meta({ id: "Operation", title: "What is done to many at once" });

function resource({ job_id: id, operation }: Operation): z.input<typeof operationSchema> {
  const { kind, filter, at_ms, ended_at_ms: ended, actor, reason, counts, stopped_by = null } = operation;
  const { before_ms, ...said } = filter;
  return {
    ...{ id, object: "operation", kind, status: ended === undefined ? "in_progress" : "ended" },
    filter: { ...said, ...(before_ms === undefined ? {} : { before: secondsOf(before_ms) }) },
    ...{ created_at: secondsOf(at_ms), ended_at: ended === undefined ? null : secondsOf(ended) },
    ...{ stopped_by, actor, reason, counts },
  };
}

const answers = {
  202: {
    description: "It goes on by itself.",
    schema: operationSchema,
    headers: { location: "Where to follow it." },
  },
};
const accepted = (operation: Operation) =>
  json(202, resource(operation), { location: `/api/ops/operations/${operation.job_id}` });

/** Without those that are undefined. */
const given = <T extends object>(fields: T) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

const cancelJobs = route({
  name: "cancel-ops-jobs",
  method: "POST",
  path: "api/ops/jobs/cancel",
  who: "operator",
  summary:
    "Operators: cancel all live jobs that match and were made before now; each job's audit trail says who did",
  headers: changeHeaders,
  body: {
    schema: z
      .strictObject({
        filter: z
          .strictObject({
            tenant: z
              .string()
              .regex(/^[\w.-]{1,64}$/, "must be the id of a tenant")
              .optional()
              .describe("Only this tenant's jobs."),
            status: z.enum(["queued", "in_progress"]).optional().describe("Only jobs of this status."),
            model: name.optional().describe("Only jobs for this model."),
          })
          .describe("Required: which jobs; `{}`: all that live."),
        reason: operatorsReason,
      })
      .meta({ id: "CancelJobs", title: "What cancelling many jobs takes" }),
    maxBytes: MAX_OPS_BODY_BYTES,
  },
  answers,
  handle: async (deps: OpsBulkDeps, input, caller) => {
    const { filter, reason } = input.body;
    const by = changeOf(deps, "POST", input, caller, reason);
    return accepted(await startOperation(deps.bulk, { kind: "cancel_jobs", filter: given(filter) }, by));
  },
});

const redriveLetters = route({
  name: "redrive-all-dead-letters",
  method: "POST",
  path: "api/ops/dead-letters/redrive-all",
  who: "operator",
  summary: "Operators: redrive all dead letters that match and came before now, each once",
  headers: changeHeaders,
  body: {
    schema: z
      .strictObject({
        filter: letterChoice,
        new_jobs: z
          .boolean()
          .default(false)
          .describe("True: of ended jobs too, each of which makes a new job and costs money."),
        reason: operatorsReason,
      })
      .meta({ id: "RedriveAll", title: "What redriving all dead letters takes" }),
    maxBytes: MAX_OPS_BODY_BYTES,
  },
  answers,
  handle: async (deps: OpsBulkDeps, input, caller) => {
    const { filter: chosen, new_jobs, reason } = input.body;
    const { tenant_id: tenant, before, ...of } = chosen;
    const before_ms = before === undefined ? undefined : before * 1000;
    const filter = given({ ...of, tenant, before_ms, new_jobs: new_jobs || undefined });
    const by = changeOf(deps, "POST", input, caller, reason);
    return accepted(await startOperation(deps.bulk, { kind: "redrive_dead_letters", filter }, by));
  },
});

const operationInPath = {
  schema: z.object({
    id: z
      .string()
      .regex(OPERATION_ID, "There is no such operation: an id is `op_` and 32 hex digits.")
      .describe("The operation's id."),
  }),
  absent: "operation_not_found",
} as const;

const get = route({
  name: "get-operation",
  method: "GET",
  path: "api/ops/operations/{id}",
  who: "operator",
  summary: "Operators: how far cancelling or redriving many has come; kept for 90 days",
  params: operationInPath,
  answers: { 200: { description: "The operation.", schema: operationSchema } },
  errors: ["operation_not_found"],
  handle: async ({ operations }: OpsBulkDeps, { path: { id } }) => {
    const found = await operations.read(id);
    if (found === undefined) throw new Problem("operation_not_found", `There is no operation ${id}.`);
    return json(200, resource(found.value));
  },
});

const list = route({
  name: "list-operations",
  method: "GET",
  path: "api/ops/operations",
  who: "operator",
  summary: "Operators: what was asked for of many jobs or letters at once, the newest first",
  query: z.object({ limit }),
  answers: { 200: { description: "The newest.", schema: listSchema(operationSchema) } },
  handle: async ({ operations }: OpsBulkDeps, { query }) =>
    json(200, { object: "list", data: (await operations.list(query.limit)).map(resource) }),
});

const stop = route({
  name: "cancel-operation",
  method: "POST",
  path: "api/ops/operations/{id}/cancel",
  who: "operator",
  summary: "Operators: stop an operation; what it has done stays",
  params: operationInPath,
  headers: changeHeaders,
  answers: { 200: { description: "The operation, which has ended.", schema: operationSchema } },
  errors: ["operation_not_found"],
  handle: async (deps: OpsBulkDeps, input, caller) =>
    json(200, resource(await stopOperation(deps.bulk, input.path.id, changeOf(deps, "POST", input, caller)))),
});

export const opsBulkRoutes: readonly Route<OpsBulkDeps>[] = [cancelJobs, redriveLetters, list, get, stop];
