import { z } from "zod";
import { AUDIT_EVENTS } from "../../audit/record.ts";
import { jobNotFound } from "../../job/ending/cancel.ts";
import type { JobStore } from "../../job/ports.ts";
import { json } from "../answer.ts";
import { route } from "../route.ts";
import { flag, text, unixTime, whole } from "./fields.ts";
import { callUsage, costSchema } from "./job-resource.ts";
import { listSchema } from "./page.ts";
import { jobInPath } from "./parameters.ts";

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const auditRecordSchema = z
  .object({
    format: whole("Only in `accepted`, as the fields after it: 2. Absent in old trails.").optional(),
    tenant_id: text("Whose job it is.").optional(),
    audit_until: unixTime("When the whole trail goes; null: never.").nullable().optional(),
    content_until: unixTime("When request and response go.").optional(),
    body_sha256: hash.optional().describe("Hash of the stored request."),
    job_id: text("Whose history it is."),
    seq: whole("1 for the first, then without gaps."),
    at: unixTime(),
    event: z.enum(AUDIT_EVENTS).describe("What happened: see the table of audit events."),
    actor: text("Who did it: `team-a/key:1f2e3d4c`, `worker:…`, `sweeper:…`."),
    attempt: whole("Which attempt it is about.").nullable(),
    deployment: text("Which deployment was called, or will be.").nullable(),
    provider: text("The lab that made its model.").nullable(),
    simulated: flag("True: the deployment makes its answers up.").nullable(),
    outcome: text(
      "How the call ended: `completed`, `rejected`, `retry`, `rate_limited`, … or `lost`.",
    ).nullable(),
    reason: text(
      "In `attempt_started` and `waiting`: why this target, and why others were passed over, for models with several.",
    ).nullable(),
    usage: callUsage.nullable(),
    cost: costSchema.nullable().describe("Cost of this call."),
    cost_unknown: text(
      "Why nobody can say what the call cost, where it may have been billed: see docs/answers.md.",
    ).optional(),
    lab_cost: costSchema.optional().describe("What the lab itself says that the call costs."),
    message: text(
      "The lab's words about a call that did not succeed, shortened, without what they repeat of the request; a code where they are the operator's affair.",
    ).optional(),
    estimate: costSchema
      .nullable()
      .optional()
      .describe(
        "Only in `attempt_lost`, whose `cost` nobody knows: what the call may have cost, by the estimate it was let in with.",
      ),
    latency_ms: whole("How long the call took, as the worker saw it.").nullable(),
    request_sha256: hash
      .nullable()
      .describe("Hash of the bytes sent to the deployment; in `accepted`, of the envelope."),
    response_sha256: hash.nullable().describe("Hash of the answer's bytes."),
    stored_sha256: hash
      .optional()
      .describe("Hash of the response as it is stored, where that is not the answer byte for byte."),
    prev_hash: hash.describe("The hash of the record before; 64 zeros for the first."),
    hash: hash.describe("SHA-256 of the record's RFC 8785 canonical JSON without `hash`."),
  })
  .meta({ id: "AuditRecord", title: "An audit record" });

export const auditTrailRoute = route({
  name: "list-audit",
  method: "GET",
  path: "api/jobs/{id}/audit",
  who: "tenant",
  summary: "A job's audit trail, oldest record first",
  params: jobInPath,
  answers: { 200: { description: "The whole trail.", schema: listSchema(auditRecordSchema) } },
  errors: ["job_not_found"],
  handle: async ({ store }: { readonly store: JobStore }, { path: { id: job_id } }, { tenant }) => {
    const key = { tenant_id: tenant.id, job_id };
    const data = await store.audit(key);
    // Every job has its `accepted` record as long as the trail is kept.
    if (data.length === 0) throw jobNotFound(key);
    return json(200, { object: "list", data });
  },
});
