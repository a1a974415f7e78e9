import { z } from "zod";
import { AUDIT_EVENTS } from "../../audit/record.ts";
import { ERRORS } from "../../errors.ts";
import { ENDPOINTS } from "../../job/job.ts";
import { CAPABILITIES } from "../../model/catalogue.ts";
import { PRIORITIES } from "../../priority.ts";
import { STATUSES } from "../../status.ts";

/** Shapes of what the service answers; what it takes is `envelopeSchema`, the one that validates. */
const unixSeconds = z.int().describe("Unix time, seconds.");
const name = (meaning: string) => z.string().describe(meaning);

const parts = {
  cached_input_tokens: z.int().optional().describe("Of the input: read from the lab's cache."),
  cache_write_tokens: z.int().optional().describe("Of the input: written to the lab's cache."),
  audio_input_tokens: z.int().optional().describe("Of the input: sound."),
  image_input_tokens: z.int().optional().describe("Of the input: pictures."),
  audio_output_tokens: z.int().optional().describe("Of the output: sound."),
  reasoning_tokens: z.int().optional().describe("Of the output: reasoning."),
};
export const tokenCounts = z
  .object({
    input_tokens: z.int().describe("Of the prompt."),
    output_tokens: z.int().describe("Of the answer, reasoning tokens included."),
    total_tokens: z.int().describe("Both together."),
    ...parts,
  })
  .describe("As the deployments counted them, as far as they did.");
const callUsage = z
  .object({
    input_tokens: z.int().nullable().describe("Of the prompt, the parts below included; null: not told."),
    output_tokens: z.int().nullable().describe("Of the answer, reasoning included; null: not told."),
    total_tokens: z.int().nullable().describe("Both together; null: not told."),
    ...parts,
    service_tier: z
      .string()
      .optional()
      .describe("The tier that served it, where it is not the ordinary one."),
    raw: z.looseObject({}).optional().describe("The deployment's own object, where it is small."),
  })
  .describe("As the deployment counted them; a part that is absent was not told.");
export const costSchema = z
  .object({ amount: name("Decimal, exact."), currency: name("ISO 4217.") })
  .describe("By the catalogue's prices.");

export const jobSchema = z.object({
  id: z
    .string()
    .regex(/^job_[0-9a-f]{32}$/)
    .describe("Follows from tenant and idempotency key; random without a key."),
  object: z.literal("job"),
  status: z
    .enum(STATUSES)
    .describe(
      "`queued` whenever no worker holds it: new, scheduled, waiting, between attempts. The last four are ends.",
    ),
  endpoint: z.enum(ENDPOINTS).describe("The OpenAI endpoint that is called."),
  model: name("The model the job asked for."),
  priority: z.enum(PRIORITIES).describe("As submitted."),
  deployment: z.string().nullable().describe("The deployment that answered, or was called last."),
  provider: z.string().nullable().describe("The lab that made its model."),
  simulated: z.boolean().describe("True: the answer is made up."),
  attempts: z.int().describe("Calls of a deployment so far, those refused with 429 included."),
  created_at: unixSeconds.describe("When it was accepted, Unix time, seconds."),
  not_before: unixSeconds.nullable().describe("As submitted."),
  started_at: unixSeconds.nullable().describe("When it was first claimed for a call."),
  completed_at: unixSeconds.nullable().describe("When it ended, however it ended."),
  deadline: unixSeconds.describe("It expires if it has not ended by then."),
  usage: callUsage.nullable().describe("Of the call that ended the job."),
  cost: costSchema.nullable().describe("Of all known attempts together."),
  cost_unknown: z
    .string()
    .nullable()
    .describe("Why the lab may have billed more than `cost`, or some where that is null; null: it has not."),
  incomplete: z
    .string()
    .nullable()
    .describe("Why the answer is not whole, in the lab's word: `length`, `content_filter`, …; null: it is."),
  error: z
    .object({
      code: name("One of the error codes that are a job's."),
      message: name("For people; for a refused request the deployment's own words."),
    })
    .nullable()
    .describe("Why it failed or expired."),
  metadata: z.record(z.string(), z.string()).describe("As submitted."),
  redriven_from: z.string().nullable().describe("The ended job that an operator made this one of."),
  redriven_to: z
    .string()
    .nullable()
    .describe("The job that an operator made of this one after it had ended."),
  urls: z
    .object({ get: name("The job."), cancel: name("To POST to."), audit: name("Its audit trail.") })
    .describe("Paths on this service."),
  response: z
    .object({
      status_code: z.int().describe("The deployment's HTTP status."),
      request_id: z.string().nullable().describe("The deployment's own id of the call, where it gave one."),
      body: z
        .unknown()
        .describe("The deployment's answer, byte for byte; a refusal that is no JSON as a string."),
    })
    .nullable()
    .describe(
      "Null in lists, before the end, where no deployment's answer ended the job, and once deleted or lapsed. While a replica of the store lags behind a job's end, 503 `store_unavailable` is answered instead.",
    ),
});

const hash = z.string().regex(/^[0-9a-f]{64}$/);
export const auditRecordSchema = z.object({
  job_id: name("Whose history it is."),
  seq: z.int().describe("1 for the first, then without gaps."),
  at: unixSeconds,
  event: z.enum(AUDIT_EVENTS).describe("What happened: the table of audit events."),
  actor: name("Who did it: `team-a/key:1f2e3d4c`, `worker:…`, `sweeper:…`."),
  attempt: z.int().nullable().describe("Which attempt it is about."),
  deployment: z.string().nullable().describe("Which deployment was called, or will be."),
  provider: z.string().nullable().describe("The lab that made its model."),
  simulated: z.boolean().nullable().describe("True: the deployment makes its answers up."),
  outcome: z
    .string()
    .nullable()
    .describe("How the call ended: `completed`, `rejected`, `retry`, `rate_limited`, … or `lost`."),
  reason: z
    .string()
    .nullable()
    .describe(
      "In `attempt_started` and `waiting`: why this target, and why others were passed over, for models with several.",
    ),
  usage: callUsage.nullable(),
  cost: costSchema.nullable().describe("Of this call."),
  cost_unknown: z
    .string()
    .optional()
    .describe("Why nobody can say what the call cost, where it may have been billed: see docs/answers.md."),
  lab_cost: costSchema.optional().describe("What the lab itself says that the call costs."),
  message: z.string().optional().describe("Of a call that did not succeed: the lab's words, shortened."),
  estimate: costSchema
    .nullable()
    .optional()
    .describe(
      "In `attempt_lost` alone, whose `cost` nobody knows: what the call may have cost, by the estimate it was let in with.",
    ),
  latency_ms: z.int().nullable().describe("Of the call, as the worker saw it."),
  request_sha256: hash
    .nullable()
    .describe("Of the bytes sent to the deployment; in `accepted`, of the envelope."),
  response_sha256: hash.nullable().describe("Of the answer's bytes."),
  prev_hash: hash.describe("The hash of the record before; 64 zeros for the first."),
  hash: hash.describe("SHA-256 of the record's RFC 8785 canonical JSON without `hash`."),
});

export const modelSchema = z.object({
  id: name("What a job's `body.model` names."),
  object: z.literal("model"),
  owned_by: name("The lab; `switchyard` for a route over several."),
  endpoints: z.array(z.enum(ENDPOINTS)).describe("Of all its deployments together."),
  capabilities: z.array(z.enum(CAPABILITIES)).describe("Of all its deployments together."),
  served_by: z
    .array(
      z.object({
        deployment: name("Its name in the catalogue."),
        provider: name("The lab that made its model."),
        endpoints: z.array(z.enum(ENDPOINTS)).describe("Those it serves."),
        capabilities: z.array(z.enum(CAPABILITIES)).describe("Those it has."),
        context_tokens: z.int().nullable().describe("Prompt and answer; null: not declared."),
        max_output_tokens: z.int().nullable().describe("The longest answer; null: not declared."),
        available: z.boolean().describe("False: an operator has switched it off; jobs wait or go elsewhere."),
      }),
    )
    .describe("A request goes to one of these: it must support all that the body asks for by itself."),
});

export const problemSchema = z.object({
  type: name("A URI of the code: `urn:switchyard:problem:…`."),
  title: name("The code in words; always the same."),
  status: z.int().describe("The HTTP status."),
  detail: name("What is wrong this time."),
  code: z
    .enum(Object.keys(ERRORS) as [string, ...string[]])
    .describe("What a program looks at: the table of error codes."),
  faults: z
    .array(
      z.object({
        path: name("A JSON Pointer into the body, or a header's or parameter's name."),
        message: name("What is wrong there."),
      }),
    )
    .optional()
    .describe("Every fault of an invalid request."),
  request_id: name("Quote it to the operator: it is in the logs."),
});

const standing = z.enum(["ok", "unavailable"]);
export const healthSchema = z.object({
  status: standing.describe("`ok` when all dependencies are."),
  dependencies: z
    .array(
      z.object({
        name: name("`cosmos` or `service_bus`."),
        status: standing.describe("Whether it answered."),
        latency_ms: z.int().describe("How long its answer took."),
      }),
    )
    .describe("What the service needs."),
});
