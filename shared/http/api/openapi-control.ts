import { z } from "zod";
import { SWITCH_KINDS } from "../../control/overrides.ts";
import { limitsSchema } from "../../model/catalogue.ts";
import { ALWAYS, json, parameter, plain, problems, ref, type Schema } from "./openapi-parts.ts";
import { limitsBody, routeWeightsBody, switchBody, tenantWeightBody } from "./overrides-json.ts";

/** Switches, limits and weights under /api/ops. */
const made = {
  since: z.int().describe("Unix time, seconds."),
  actor: z.string().describe("Which operator's credential set it."),
  reason: z.string().nullable().describe("As the operator gave it."),
};

const overrides = z.object({
  object: z.literal("overrides"),
  revision: z.int().describe("Counts up with each change."),
  switches: z
    .array(
      z.object({
        kind: z.enum(SWITCH_KINDS).describe("What is switched."),
        name: z.string().describe("Its name in the catalogue."),
        state: z.enum(["off", "drained"]).describe("`off`: running calls are aborted too."),
        mode: z.enum(["park", "fail_over"]).describe("What its jobs do: wait, or go to the next target."),
        ...made,
      }),
    )
    .describe("Those that are not on."),
  limits: z
    .array(
      z.object({
        deployment: z.string().describe("Whose."),
        limits: limitsSchema.describe("In the place of all of the file's."),
        ...made,
      }),
    )
    .describe("Limits set over the file's."),
  route_weights: z
    .array(
      z.object({
        route: z.string().describe("Whose targets."),
        weights: z.record(z.string(), z.number()).describe("By deployment."),
        ...made,
      }),
    )
    .describe("Weights of routes' targets set over the file's."),
  tenant_weights: z
    .array(
      z.object({
        tenant: z.string().describe("Whose."),
        weight: z.number().describe("Its share of quota beside others'."),
        ...made,
      }),
    )
    .describe("Tenants' weights set over the file's."),
  changed: z.boolean().optional().describe("After a PUT or DELETE: whether it changed anything."),
});

export const controlSchemas = {
  Overrides: plain(overrides, "output"),
  SwitchChange: plain(switchBody, "input"),
  LimitsChange: plain(limitsBody, "input"),
  RouteWeightsChange: plain(routeWeightsBody, "input"),
  TenantWeightChange: plain(tenantWeightBody, "input"),
};

const BODY = [
  "invalid_json",
  "invalid_request",
  "nesting_too_deep",
  "unsupported_media_type",
  "request_too_large",
  "setting_not_found",
] as const;

const key = parameter("header", "Idempotency-Key", "The same key on the same route is one change.", {
  type: "string",
});
const name = (of: string) => parameter("path", "name", `Of the ${of}.`, { type: "string" });

function change(what: string, id: string, body: string, parameters: readonly Schema[]) {
  const answer = { "200": json("All that is set now.", ref("Overrides")) };
  return {
    put: {
      operationId: `set${id}`,
      summary: `For operators: set ${what}; effective on all instances within 5 s`,
      parameters: [...parameters, key],
      requestBody: { required: true, content: { "application/json": { schema: ref(body) } } },
      responses: { ...answer, ...problems([...BODY, ...ALWAYS]) },
    },
    delete: {
      operationId: `reset${id}`,
      summary: `For operators: ${what} as in the file again`,
      parameters: [...parameters, key],
      responses: { ...answer, ...problems(["setting_not_found", ...ALWAYS]) },
    },
  };
}

export const controlPaths = {
  "/ops/switches": {
    get: {
      operationId: "getSwitches",
      summary: "For operators: all that is set over the files: switches, limits, weights",
      responses: { "200": json("All that is set.", ref("Overrides")), ...problems(ALWAYS) },
    },
  },
  "/ops/switches/{kind}/{name}": change("a switch", "Switch", "SwitchChange", [
    parameter("path", "kind", "What it switches.", { enum: SWITCH_KINDS }),
    name("provider, deployment or route (any model's name)"),
  ]),
  "/ops/limits/{name}": change("a deployment's limits, all of them", "Limits", "LimitsChange", [
    name("deployment"),
  ]),
  "/ops/weights/routes/{name}": change(
    "the weights of a route's targets",
    "RouteWeights",
    "RouteWeightsChange",
    [name("route")],
  ),
  "/ops/weights/tenants/{name}": change("a tenant's weight", "TenantWeight", "TenantWeightChange", [
    name("tenant"),
  ]),
};
