import { z } from "zod";
import { ERRORS } from "../../errors.ts";
import { jsonText } from "../answer.ts";
import type { Door } from "../door.ts";
import { openaiDoor, openaiRoutes } from "../openai/routes.ts";
import { type Route, route } from "../route.ts";
import { type AccountCorrectionDeps, accountCorrectionRoute } from "./account-corrections.ts";
import { auditTrailRoute } from "./audit-trail.ts";
import { type NativeBatchDeps, nativeBatchRoutes } from "./batches.ts";
import { type ComparisonRoutesDeps, comparisonRoutes } from "./comparisons.ts";
import { type ControlAuditDeps, controlAuditRoute } from "./control-audit.ts";
import { type DeadLetterRoutesDeps, deadLetterRoutes } from "./dead-letters.ts";
import { type HealthDeps, healthRoute } from "./health.ts";
import { jobRequestRoute } from "./job-request.ts";
import { type JobRoutesDeps, jobRoutes } from "./jobs.ts";
import { type ModelsDeps, modelsRoute } from "./models.ts";
import { openapiDocument } from "./openapi.ts";
import { type OpsBulkDeps, opsBulkRoutes } from "./ops-bulk.ts";
import { type OpsCatalogueDeps, opsCatalogueRoutes } from "./ops-catalogue.ts";
import { type OpsDeploymentsDeps, opsDeploymentRoutes } from "./ops-deployments.ts";
import { type OpsExportDeps, opsExportRoute } from "./ops-export.ts";
import { opsJobRoutes } from "./ops-jobs.ts";
import { type OpsMetricsDeps, opsMetricsRoute } from "./ops-metrics.ts";
import { type ProofRoutesDeps, proofRoutes } from "./ops-proof.ts";
import { type OpsSealsDeps, opsSealsRoute } from "./ops-seals.ts";
import { type OpsTenantsDeps, opsTenantRoutes } from "./ops-tenants.ts";
import { type OverridesRoutesDeps, overridesRoutes } from "./overrides.ts";
import { problemAnswer, problemSchema } from "./problem.ts";
import { type StatusDeps, statusRoute } from "./status.ts";
import { type SubmitRouteDeps, submitRoute } from "./submit.ts";
import { type UsageRoutesDeps, usageRoutes } from "./usage.ts";
import { type WebhookDeliveriesDeps, webhookDeliveryRoutes } from "./webhook-deliveries.ts";

/** The native door: JSON in snake_case, refusals as problem+json. */
export const apiDoor: Door = {
  prefixes: ["api"],
  hasEtags: true,
  refusal: problemAnswer,
  refusals: {
    type: "application/problem+json",
    schema: problemSchema,
    statusOf: (code) => ERRORS[code].status,
  },
};

/** What its handlers need, all together. */
export type ApiDeps = SubmitRouteDeps &
  NativeBatchDeps &
  JobRoutesDeps &
  ComparisonRoutesDeps &
  ModelsDeps &
  HealthDeps &
  StatusDeps &
  ControlAuditDeps &
  OpsSealsDeps &
  DeadLetterRoutesDeps &
  OverridesRoutesDeps &
  OpsDeploymentsDeps &
  OpsTenantsDeps &
  OpsExportDeps &
  OpsBulkDeps &
  OpsMetricsDeps &
  OpsCatalogueDeps &
  ProofRoutesDeps &
  UsageRoutesDeps &
  WebhookDeliveriesDeps &
  AccountCorrectionDeps;

let document: string | undefined;

const openapiRoute = route({
  name: "get-openapi",
  method: "GET",
  path: "api/openapi.json",
  who: "anyone",
  summary: "This document",
  answers: { 200: { description: "The document.", schema: z.looseObject({}) } },
  handle: async () => {
    document ??= JSON.stringify(apiDocument());
    return jsonText(200, document);
  },
});

/** Every route of the native door, in the order of its documentation. */
export const apiRoutes: readonly Route<ApiDeps>[] = [
  submitRoute,
  ...jobRoutes,
  jobRequestRoute,
  ...comparisonRoutes,
  auditTrailRoute,
  ...nativeBatchRoutes,
  modelsRoute,
  healthRoute,
  openapiRoute,
  statusRoute,
  ...opsJobRoutes,
  ...opsBulkRoutes,
  ...opsDeploymentRoutes,
  controlAuditRoute,
  opsSealsRoute,
  ...proofRoutes,
  ...deadLetterRoutes,
  ...overridesRoutes,
  ...opsTenantRoutes,
  ...opsCatalogueRoutes,
  opsExportRoute,
  opsMetricsRoute,
  ...usageRoutes,
  ...webhookDeliveryRoutes,
  accountCorrectionRoute,
];

/** The contract of both doors, as GET /api/openapi.json answers it. */
export function apiDocument() {
  return openapiDocument([
    { door: apiDoor, routes: apiRoutes },
    { door: openaiDoor, routes: openaiRoutes },
  ]);
}
