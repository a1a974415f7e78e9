import canonicalize from "canonicalize";
import { z } from "zod";
import { type Compare, compare } from "../../comparison/compare.ts";
import {
  type Comparison,
  costOf,
  countsOf,
  MAX_MODELS,
  MIN_MODELS,
  memberKey,
} from "../../comparison/comparison.ts";
import {
  type ComparisonDeps,
  cancelComparison,
  comparisonNotFound,
  eraseComparison,
} from "../../comparison/turn.ts";
import { awaitEnd, type EndDeps } from "../../job/ending/await-end.ts";
import { timeFaults } from "../../job/intake/times.ts";
import { ENDPOINTS, isEnded } from "../../job/job.ts";
import type { EndedJob } from "../../job/running-jobs.ts";
import { MAX_REQUEST_BYTES, MAX_WAIT_SECONDS } from "../../limits.ts";
import { PRIORITIES } from "../../priority.ts";
import { sha256Hex } from "../../sha256.ts";
import type { JobKey, Stored } from "../../store.ts";
import type { Tenant } from "../../tenant/tenants.ts";
import { type Answer, json, jsonText } from "../answer.ts";
import { matchesEtag } from "../conditional.ts";
import { invalidRequest } from "../input.ts";
import { type Route, route } from "../route.ts";
import { heldCallsOf, type Throttle } from "../throttle.ts";
import { secondsOf, text, unixTime, whole } from "./fields.ts";
import { costSchema, etagOf, jobJson, jobSchema } from "./job-resource.ts";
import { pageOf, pageSchema } from "./page.ts";
import { idempotencyKey, limit, name, prefer } from "./parameters.ts";
import { metadata, refuseModes, unixSeconds } from "./submit.ts";

export interface ComparisonRoutesDeps extends EndDeps {
  readonly comparing: Omit<ComparisonDeps, "intake"> & {
    readonly intake: Omit<ComparisonDeps["intake"], "log">;
  };
  readonly throttle: Throttle;
}

const envelopeSchema = z
  .strictObject({
    models: z
      .array(name)
      .min(MIN_MODELS)
      .max(MAX_MODELS)
      .refine((models) => new Set(models).size === models.length, "names a model more than once")
      .describe(`${MIN_MODELS} to ${MAX_MODELS} models of GET /api/models.`),
    endpoint: z
      .enum(ENDPOINTS)
      .default("/v1/chat/completions")
      .describe("The OpenAI endpoint `body` is for."),
    body: z
      .looseObject({})
      .refine((body) => !("model" in body), "must name no model: `models` does")
      .describe("The OpenAI request without its `model`."),
    priority: z.enum(PRIORITIES).default("standard").describe("Of each of its jobs."),
    deadline: unixSeconds.optional().describe("Unix seconds; what has not ended by then expires."),
    metadata,
  })
  .meta({ id: "ComparisonEnvelope", title: "What a comparison takes" });

const status = z.enum(["in_progress", "ended"]).describe("`ended`: all of its jobs have.");
const facts = {
  id: text("`cmp_` and 32 hex digits."),
  object: z.literal("comparison"),
  status,
  created_at: unixTime(),
  deadline: unixTime("What has not ended by then expires."),
  metadata: z.record(z.string(), z.string()).describe("As submitted; empty once it was deleted."),
};
const counts = z
  .object({
    total: whole("Its jobs."),
    completed: whole("Those that completed."),
    failed: whole("Those that ended otherwise."),
  })
  .describe("Of its jobs.");
const cost = costSchema
  .nullable()
  .describe("All jobs together, as far as it is known; null: nothing is, or they are of several currencies.");
const comparisonSchema = z
  .object({
    ...facts,
    jobs: z
      .array(
        z.object({
          model: text("The model."),
          job: jobSchema.nullable().describe("As in GET /api/jobs/{id}; null: it was never made."),
          latency_ms: whole(
            "From its first call to its end; null: it has not ended, or was not called.",
          ).nullable(),
          holds_schema: z
            .boolean()
            .nullable()
            .describe(
              "Whether the answer holds the JSON schema of the body; null: none was asked for, or there is no answer.",
            ),
        }),
      )
      .describe("One for each model, in their order."),
    request_counts: counts,
    cost,
  })
  .meta({ id: "Comparison", title: "A comparison" });
const listedSchema = z
  .object({
    ...facts,
    jobs: z
      .array(z.object({ model: text("The model."), id: text("The id of its job.") }))
      .describe("One for each model, in their order."),
    request_counts: counts.nullable().describe("Null: it has not ended."),
    cost,
  })
  .meta({ id: "ListedComparison", title: "A comparison, in a list" });

const COMPARISON_ID = /^cmp_[0-9a-f]{32}$/;
const inPath = {
  schema: z.object({
    id: z
      .string()
      .regex(COMPARISON_ID, "There is no such comparison: an id is `cmp_` and 32 hex digits.")
      .describe("The comparison's id."),
  }),
  absent: "comparison_not_found",
} as const;
const keyOf = ({ id: tenant_id }: Tenant, { id: job_id }: { readonly id: string }): JobKey => ({
  ...{ tenant_id, job_id },
});

function factsOf(comparison: Comparison, isOver: boolean) {
  return {
    ...{ id: comparison.job_id, object: "comparison" as const, status: isOver ? "ended" : "in_progress" },
    ...{ created_at: secondsOf(comparison.created_at_ms), deadline: secondsOf(comparison.deadline_ms) },
    metadata: comparison.metadata,
  };
}

/** Answers are put in as they came, as in a job's own JSON. */
function comparisonJson(
  comparison: Comparison,
  found: readonly (EndedJob | undefined)[],
  nowMs: number,
): string {
  const jobs = found.map((each) => each?.job.value);
  const rows = comparison.models.map((model, at) => {
    const each = found[at];
    const value = each?.job.value;
    const ended = value !== undefined && isEnded(value) ? value : undefined;
    const started = ended?.started_at_ms ?? null;
    const latency_ms = ended === undefined || started === null ? null : ended.completed_at_ms - started;
    const { validation } = ended ?? {};
    const holds_schema =
      validation === undefined || validation === "validation_unavailable" ? null : validation === "valid";
    const job = each === undefined ? "null" : jobJson(each.job.value, each.response, nowMs);
    return `{"model":${JSON.stringify(model)},"latency_ms":${latency_ms},"holds_schema":${holds_schema},"job":${job}}`;
  });
  const isOver = comparison.end !== undefined || jobs.every((job) => job !== undefined && isEnded(job));
  const rest = { request_counts: { total: comparison.models.length, ...countsOf(jobs) }, cost: costOf(jobs) };
  const head = JSON.stringify(factsOf(comparison, isOver)).slice(0, -1);
  return `${head},"jobs":[${rows.join(",")}],${JSON.stringify(rest).slice(1)}`;
}

/** Its jobs as they are now, or as they are once all have ended, if that happens within the wait. */
function seen(deps: EndDeps, comparison: Comparison, seconds: number, signal?: AbortSignal) {
  return Promise.all(
    comparison.models.map((model) => {
      const key = { ...memberKey(comparison, model), model };
      return awaitEnd(deps, key, seconds, signal);
    }),
  );
}

async function answerOf<Status extends number>(
  status: Status,
  deps: ComparisonRoutesDeps,
  comparison: Stored<Comparison>,
  found: readonly (EndedJob | undefined)[],
): Promise<Answer<Status>> {
  const body = comparisonJson(comparison.value, found, deps.clock.now());
  return jsonText(status, body, { etag: etagFor(comparison, found) });
}

function etagFor(comparison: Stored<Comparison>, found: readonly (EndedJob | undefined)[]): string {
  const etags = [comparison.etag, ...found.map((each) => each?.job.etag ?? "")];
  return etagOf(sha256Hex(JSON.stringify(etags)).slice(0, 32));
}

const submit = route({
  name: "create-comparison",
  method: "POST",
  path: "api/comparisons",
  who: "tenant",
  summary: "Send one body to several models, as one thing",
  isSubmit: true,
  headers: z.object({
    "Idempotency-Key": idempotencyKey
      .optional()
      .describe("The same key and envelope give the same comparison."),
  }),
  body: { schema: envelopeSchema, maxBytes: MAX_REQUEST_BYTES },
  untimely: ({ clock, comparing }: ComparisonRoutesDeps, { deadline }) =>
    timeFaults(
      { notBeforeMs: null, deadlineMs: msOf(deadline) },
      clock.now(),
      comparing.intake.settings.maxDeadlineSeconds,
    ).map(({ about, message }) => ({ path: `/${about}`, message })),
  answers: {
    202: {
      description: "Accepted: it is stored, and will end.",
      schema: comparisonSchema,
      headers: { Location: "Where the comparison is.", ETag: "The version of all of it." },
    },
  },
  errors: ["stream_not_supported", "budget_exceeded", "idempotency_key_reused"],
  handle: async (deps: ComparisonRoutesDeps, { body: envelope, headers, sent, untimely }, by, visit) => {
    const { models, endpoint, body, priority } = envelope;
    refuseModes(body);
    if (sent.bodyText === undefined) throw new TypeError("a valid envelope has a body");
    const asked: Compare = {
      ...{ models, endpoint, body, priority, metadata: envelope.metadata, bodyText: sent.bodyText },
      ...{ deadlineMs: msOf(envelope.deadline), refusal: untimely },
      envelopeSha256: sha256Hex((canonicalize(sent.value) ?? "") + JSON.stringify(sent.lostNumbers)),
      idempotencyKey: headers["Idempotency-Key"] ?? null,
    };
    const intake = { ...deps.comparing.intake, log: visit.log };
    const comparison = await compare({ ...deps.comparing, intake }, asked, by);
    const answer = await answerOf(202, deps, comparison, await seen(deps, comparison.value, 0));
    return {
      ...answer,
      headers: { ...answer.headers, location: `/api/comparisons/${comparison.value.job_id}` },
    };
  },
});

const msOf = (seconds: number | undefined) => (seconds === undefined ? null : Math.round(seconds * 1000));

const get = route({
  name: "get-comparison",
  method: "GET",
  path: "api/comparisons/{id}",
  who: "tenant",
  summary: "Get a comparison, with its answers side by side",
  params: inPath,
  headers: z.object({
    "If-None-Match": text("An ETag: 304 while nothing of it has changed.").optional(),
    Prefer: prefer.describe(`\`wait=N\` holds the answer until it ends, up to ${MAX_WAIT_SECONDS} s.`),
  }),
  answers: {
    200: {
      description: "The comparison.",
      schema: comparisonSchema,
      headers: {
        ETag: "The version of all of it; send it back in If-None-Match.",
        "Preference-Applied": "`wait=N`, where the answer was held for at most so long.",
      },
    },
    304: { description: "Unchanged." },
  },
  errors: ["comparison_not_found"],
  handle: async (deps: ComparisonRoutesDeps, { path, headers: asked }, { tenant }, visit) => {
    const key = keyOf(tenant, path);
    const comparison = await deps.comparing.comparisons.read(key);
    if (comparison === undefined) throw comparisonNotFound(key);
    const { Prefer: seconds, "If-None-Match": known } = asked;
    const found = await held(deps, tenant, comparison.value, seconds, heldCallsOf(deps.throttle, visit));
    const applied = seconds > 0 ? { "preference-applied": `wait=${seconds}` } : {};
    const etag = etagFor(comparison, found);
    if (matchesEtag(known, etag)) return { status: 304, headers: { etag, ...applied } };
    const answer = await answerOf(200, deps, comparison, found);
    return { ...answer, headers: { ...answer.headers, ...applied } };
  },
});

async function held(
  deps: ComparisonRoutesDeps,
  tenant: Tenant,
  comparison: Comparison,
  seconds: number,
  calls: ReturnType<typeof heldCallsOf>,
) {
  if (seconds === 0) return seen(deps, comparison, 0);
  const early = new AbortController();
  const endWait = calls.beginWait(tenant, () => early.abort());
  return seen(deps, comparison, seconds, early.signal).finally(endWait);
}

const list = route({
  name: "list-comparisons",
  method: "GET",
  path: "api/comparisons",
  who: "tenant",
  summary: "List comparisons, newest first, without their answers",
  query: z.object({
    limit,
    after: z
      .string()
      .regex(COMPARISON_ID, "must be the id of a comparison, as in `last_id`")
      .optional()
      .describe("The `last_id` of the page before."),
  }),
  answers: { 200: { description: "A page.", schema: pageSchema(listedSchema) } },
  handle: async ({ comparing }: ComparisonRoutesDeps, { query }, { tenant }) => {
    const { comparisons } = comparing;
    const key = query.after === undefined ? undefined : keyOf(tenant, { id: query.after });
    const after = key && (await comparisons.read(key))?.value;
    if (key !== undefined && after === undefined)
      throw invalidRequest([{ path: "after", message: "must be the id of a comparison of this tenant" }]);
    const page = await comparisons.list(tenant.id, { limit: query.limit, after });
    return json(200, pageOf(page.comparisons.map(listed), page.hasMore));
  },
});

function listed(comparison: Comparison) {
  const { models, end } = comparison;
  const counted = end && { total: models.length, completed: end.completed, failed: end.failed };
  return {
    ...factsOf(comparison, end !== undefined),
    jobs: models.map((model) => ({ model, id: memberKey(comparison, model).job_id })),
    ...{ request_counts: counted ?? null, cost: end?.cost ?? null },
  };
}

const cancel = route({
  name: "cancel-comparison",
  method: "POST",
  path: "api/comparisons/{id}/cancel",
  who: "tenant",
  summary: "Cancel what has not ended of a comparison; a second time is no error",
  params: inPath,
  answers: { 200: { description: "The comparison.", schema: comparisonSchema } },
  errors: ["comparison_not_found", "comparison_ended"],
  handle: async (deps: ComparisonRoutesDeps, { path }, { tenant, actor }, { log }) => {
    const { comparing } = deps;
    const all = { ...comparing, intake: { ...comparing.intake, log } };
    const comparison = await cancelComparison(all, keyOf(tenant, path), actor);
    return answerOf(200, deps, comparison, await seen(deps, comparison.value, 0));
  },
});

const remove = route({
  name: "delete-comparison",
  method: "DELETE",
  path: "api/comparisons/{id}",
  who: "tenant",
  summary: "Erase an ended comparison's request, answers and metadata; the audit trails of its jobs stay",
  params: inPath,
  answers: { 204: { description: "Erased, now or before." } },
  errors: ["comparison_not_found", "comparison_not_ended"],
  handle: async ({ comparing }: ComparisonRoutesDeps, { path }, { tenant, actor }, { log }) => {
    const all = { ...comparing, intake: { ...comparing.intake, log } };
    await eraseComparison(all, keyOf(tenant, path), actor);
    return { status: 204, headers: {} };
  },
});

export const comparisonRoutes: readonly Route<ComparisonRoutesDeps>[] = [submit, list, get, cancel, remove];
