import { z } from "zod";
import type { ControlOutcome, ControlTrailStore } from "../../audit/control-trail.ts";
import { requireFormat, TRAIL_FORMAT } from "../../audit/require-format.ts";
import { rotateRoot } from "../../control/secrets.ts";
import { MAX_OPS_BODY_BYTES, MAX_OPS_REASON_CHARS } from "../../limits.ts";
import { json } from "../answer.ts";
import { type Route, route } from "../route.ts";
import { controlRecord } from "./control-audit.ts";
import { idempotencyKey } from "./parameters.ts";

export interface ProofRoutesDeps {
  readonly trail: ControlTrailStore;
  readonly clock: { now(): number };
  readonly newId: () => string;
  readonly randomHex: (bytes: number) => string;
}

const headers = z.object({
  "Idempotency-Key": idempotencyKey.optional().describe("The same key on the same route is one change."),
});
const reason = z.string().min(1).max(MAX_OPS_REASON_CHARS).optional().describe("For the audit trail.");
const shared = {
  who: "operator",
  headers,
  answers: { 200: { description: "The record of the change.", schema: controlRecord } },
} as const;

const requireFormatRoute = route({
  ...shared,
  name: "require-audit-format",
  method: "PUT",
  path: "api/ops/audit/format",
  summary:
    "Operators: from now on a trail of an older format is a fault; once no host of the version before runs",
  body: {
    schema: z
      .strictObject({ required: z.literal(TRAIL_FORMAT).describe("The format of new trails."), reason })
      .meta({ id: "AuditFormatChange", title: "What requiring a format takes" }),
    maxBytes: MAX_OPS_BODY_BYTES,
  },
  handle: async (deps: ProofRoutesDeps, input, { actor }) =>
    changed(await requireFormat(deps, { ...by(deps, "PUT", input), actor })),
});

const rotateSecretsRoute = route({
  ...shared,
  name: "rotate-secrets",
  method: "POST",
  path: "api/ops/secrets/rotate",
  summary: "Operators: a new root of secrets; what the one before made holds until the next",
  body: {
    schema: z.strictObject({ reason }).meta({ id: "SecretsRotation", title: "What a rotation takes" }),
    maxBytes: MAX_OPS_BODY_BYTES,
  },
  handle: async (deps: ProofRoutesDeps, input, { actor }) =>
    changed(await rotateRoot(deps, { ...by(deps, "POST", input), actor })),
});

function by(
  { newId }: ProofRoutesDeps,
  method: string,
  input: {
    readonly headers: z.output<typeof headers>;
    readonly pathname: string;
    readonly body: { readonly reason?: string | undefined };
  },
) {
  const key = input.headers["Idempotency-Key"];
  const changeId = key === undefined ? newId() : `${method} ${input.pathname} ${key}`;
  return { changeId, reason: input.body.reason ?? null };
}

function changed(outcome: ControlOutcome) {
  if (outcome.kind === "unchanged") throw new TypeError("such a change is always made");
  return json(200, outcome.record, { "cache-control": "no-store" });
}

export const proofRoutes: readonly Route<ProofRoutesDeps>[] = [requireFormatRoute, rotateSecretsRoute];
