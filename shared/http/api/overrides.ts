import { z } from "zod";
import { type ChangeDeps, changeOverrides, type Setting } from "../../control/change-overrides.ts";
import { type Overrides, SWITCH_KINDS, type SwitchKind } from "../../control/overrides.ts";
import type { OverridesStore, OverridesWatch } from "../../control/watch-overrides.ts";
import { Problem } from "../../errors.ts";
import { MAX_OPS_BODY_BYTES } from "../../limits.ts";
import { type Catalogue, limitsSchema, overSlots } from "../../model/catalogue.ts";
import type { Settings } from "../../settings.ts";
import type { Tenants } from "../../tenant/tenants.ts";
import { json } from "../answer.ts";
import { invalidRequest } from "../input.ts";
import { type Route, route } from "../route.ts";
import { changeHeaders, changeOf } from "./change.ts";
import { flag, secondsOf, text, unixTime, whole } from "./fields.ts";
import { named, operatorsReason } from "./parameters.ts";

export interface OverridesRoutesDeps extends ChangeDeps {
  readonly catalogue: () => Catalogue;
  readonly tenants: () => Tenants;
  readonly overrides: OverridesStore;
  readonly overridesWatch: OverridesWatch;
  readonly newId: () => string;
  readonly settings: Pick<Settings, "maxCalls">;
}

const made = {
  since: unixTime(),
  actor: text("Which operator's credential set it."),
  reason: text("As the operator gave it.").nullable(),
};

const overridesSchema = z
  .object({
    object: z.literal("overrides"),
    revision: whole("Counts up with each change."),
    switches: z
      .array(
        z.object({
          kind: z.enum(SWITCH_KINDS).describe("What is switched."),
          name: text("Its name in the catalogue."),
          state: z.enum(["off", "drained"]).describe("`off`: running calls are aborted too."),
          mode: z.enum(["park", "fail_over"]).describe("What its jobs do: wait, or go to the next target."),
          ...made,
        }),
      )
      .describe("Those that are not on."),
    limits: z
      .array(
        z.object({
          deployment: text("Its name in the catalogue."),
          limits: limitsSchema.describe("They replace all limits of the file."),
          ...made,
        }),
      )
      .describe("Limits that override the file's."),
    route_weights: z
      .array(
        z.object({
          route: text("Whose targets."),
          weights: z.record(z.string(), z.number()).describe("By deployment."),
          ...made,
        }),
      )
      .describe("Weights of routes' targets that override the file's."),
    tenant_weights: z
      .array(
        z.object({
          tenant: text("Its id."),
          weight: z.number().describe("Its share of quota beside others'."),
          ...made,
        }),
      )
      .describe("Tenants' weights that override the file's."),
    changed: flag("After a PUT or DELETE: whether it changed anything.").optional(),
  })
  .meta({ id: "Overrides", title: "Switches, limits and weights that are set" });

/** All that operators have set, as they see it. */
function overridesResource(overrides: Overrides) {
  const { revision, switches, limits, route_weights, tenant_weights } = overrides;
  // Field by field: what a later version stores besides is not this version's to show.
  const by = ({ actor, reason, at_ms }: { actor: string; reason: string | null; at_ms: number }) => ({
    ...{ actor, reason },
    since: secondsOf(at_ms),
  });
  return {
    object: "overrides" as const,
    revision,
    switches: switches.map((each) => {
      const { kind, name, state, mode } = each;
      return { kind, name, state, mode, ...by(each) };
    }),
    limits: limits.map((each) => ({
      deployment: each.deployment,
      limits: limitsSchema.strip().parse(each.limits),
      ...by(each),
    })),
    route_weights: route_weights.map((each) => ({ route: each.route, weights: each.weights, ...by(each) })),
    tenant_weights: tenant_weights.map((each) => ({ tenant: each.tenant, weight: each.weight, ...by(each) })),
  } satisfies z.input<typeof overridesSchema>;
}

const answers = { 200: { description: "All that is set now.", schema: overridesSchema } };
const getSwitches = route({
  name: "get-switches",
  method: "GET",
  path: "api/ops/switches",
  who: "operator",
  summary: "Operators: all that overrides the files: switches, limits, weights",
  answers,
  handle: async ({ overrides }: OverridesRoutesDeps) => {
    const found = await overrides.readOverrides(undefined);
    if (found === "unchanged") throw new TypeError("a read without an etag is never unchanged");
    return answer(overridesResource(found.overrides));
  },
});

function answer(resource: z.input<typeof overridesSchema>) {
  return json(200, resource);
}

/** Something that operators can set: `PUT` sets it, `DELETE` takes it back. */
interface Settable<Path extends z.ZodObject, Body extends z.ZodType> {
  /** `switch`: the functions are `set-switch` and `reset-switch`. */
  readonly name: string;
  readonly path: string;
  readonly what: string;
  readonly params: Path;
  readonly body: Body;
  /** @throws Problem setting_not_found, invalid_request */
  readonly set: (deps: OverridesRoutesDeps, path: z.output<Path>, body: z.output<Body>) => Setting;
  readonly reset: (path: z.output<Path>) => Setting;
}

function settable<Path extends z.ZodObject, Body extends z.ZodType<{ reason?: string | undefined }>>({
  name,
  path,
  what,
  params,
  body: schema,
  set,
  reset,
}: Settable<Path, Body>): readonly Route<OverridesRoutesDeps>[] {
  const shared = {
    who: "operator",
    path: `api/ops/${path}`,
    params: { schema: params, absent: "setting_not_found" },
    ...{ headers: changeHeaders, answers },
  } as const;
  return [
    route({
      ...shared,
      name: `set-${name}`,
      method: "PUT",
      summary: `Operators: set ${what}; effective on all instances within 5 s`,
      body: { schema, maxBytes: MAX_OPS_BODY_BYTES },
      errors: ["setting_not_found"],
      handle: async (deps: OverridesRoutesDeps, input, caller) => {
        const setting = set(deps, input.path, input.body);
        return make(deps, setting, changeOf(deps, "PUT", input, caller, input.body.reason));
      },
    }),
    route({
      ...shared,
      name: `reset-${name}`,
      method: "DELETE",
      summary: `Operators: take back ${what}; the file applies again`,
      errors: ["invalid_request", "setting_not_found"],
      handle: async (deps: OverridesRoutesDeps, input, caller) =>
        make(deps, reset(input.path), changeOf(deps, "DELETE", input, caller)),
    }),
  ];
}

async function make(deps: OverridesRoutesDeps, setting: Setting, by: Parameters<typeof changeOverrides>[2]) {
  const outcome = await changeOverrides(deps, setting, by);
  // This instance knows at once, the others within their next look.
  await deps.overridesWatch.look();
  const changed = outcome.kind === "changed" && !outcome.repeated;
  return answer({ ...overridesResource(deps.overridesWatch.current()), changed });
}

const reason = operatorsReason;
const switches = settable({
  name: "switch",
  path: "switches/{kind}/{*name}",
  what: "a switch",
  params: z.object({
    kind: z
      .enum(SWITCH_KINDS, `There are switches for ${SWITCH_KINDS.join(", ")} only.`)
      .describe("What it switches."),
    name: named("provider, deployment or route (any model's name)"),
  }),
  body: z
    .strictObject({
      state: z
        .enum(["on", "off", "drained"])
        .describe(
          "`off`: no new calls, running ones are aborted. `drained`: no new calls, running ones end.",
        ),
      mode: z
        .enum(["park", "fail_over"])
        .optional()
        .describe(
          "`park`: jobs whose turn it is wait. `fail_over` (default): they go to the next target, and wait where there is none. A route can only be parked.",
        ),
      reason,
    })
    .meta({ id: "SwitchChange", title: "What setting a switch takes" }),
  set: ({ catalogue }, { kind, name }, { state, mode }) => {
    if (state !== "on") checkNamed(catalogue(), kind, name);
    if (kind === "route" && mode === "fail_over") {
      const message = "must be park: a route has nothing to fail over to";
      throw invalidRequest([{ path: "/mode", message }]);
    }
    const value =
      state === "on" ? undefined : { state, mode: mode ?? (kind === "route" ? "park" : "fail_over") };
    return { list: "switches", kind, name, value };
  },
  reset: (path) => ({ list: "switches", ...path, value: undefined }),
});

const limits = settable({
  name: "limits",
  path: "limits/{*name}",
  what: "a deployment's limits, all of them",
  params: z.object({ name: named("deployment") }),
  body: z
    .strictObject({ ...limitsSchema.shape, reason })
    .refine(({ reason: _, ...limits }) => Object.keys(limits).length > 0, {
      message: "names no limit: give at least one, or set the deployment without limits",
    })
    .meta({ id: "LimitsChange", title: "What setting a deployment's limits takes" }),
  set: ({ catalogue, settings }, { name }, { reason: _, ...value }) => {
    checkNamed(catalogue(), "deployment", name);
    const fault = overSlots(value, settings.maxCalls);
    if (fault !== undefined) throw invalidRequest([{ path: "/concurrency", message: fault }]);
    return { list: "limits", name, value };
  },
  reset: ({ name }) => ({ list: "limits", name, value: undefined }),
});

const routeWeights = settable({
  name: "route-weights",
  path: "weights/routes/{*name}",
  what: "the weights of a route's targets",
  params: z.object({ name: named("route") }),
  body: z
    .strictObject({
      weights: z.record(z.string(), z.number().positive()).describe("By deployment; others keep the file's."),
      reason,
    })
    .meta({ id: "RouteWeightsChange", title: "What setting a route's weights takes" }),
  set: ({ catalogue }, { name }, { weights: value }) => {
    checkWeights(catalogue(), name, value);
    return { list: "route_weights", name, value };
  },
  reset: ({ name }) => ({ list: "route_weights", name, value: undefined }),
});

const tenantWeight = settable({
  name: "tenant-weight",
  path: "weights/tenants/{name}",
  what: "a tenant's weight",
  params: z.object({ name: named("tenant") }),
  body: z
    .strictObject({
      weight: z.number().positive().max(1000).describe("Its share of quota beside others'."),
      reason,
    })
    .meta({ id: "TenantWeightChange", title: "What setting a tenant's weight takes" }),
  set: ({ tenants }, { name }, { weight: value }) => {
    if (tenants().get(name) === undefined) throw notFound(`There is no tenant ${name}.`);
    return { list: "tenant_weights", name, value };
  },
  reset: ({ name }) => ({ list: "tenant_weights", name, value: undefined }),
});

export const overridesRoutes: readonly Route<OverridesRoutesDeps>[] = [
  getSwitches,
  ...switches,
  ...limits,
  ...routeWeights,
  ...tenantWeight,
];

/** @throws Problem setting_not_found: a switch for what is not there would do nothing, and look as if it did */
function checkNamed(catalogue: Catalogue, kind: SwitchKind, name: string): void {
  const known =
    kind === "route"
      ? catalogue.model(name) !== undefined
      : catalogue.deployments.some((d) => (kind === "provider" ? d.provider : d.name) === name);
  if (!known) throw notFound(`The catalogue has no ${kind} ${name}.`);
}

/** @throws Problem setting_not_found, invalid_request */
function checkWeights(catalogue: Catalogue, route: string, weights: Readonly<Record<string, number>>): void {
  if (!catalogue.routes.some((each) => each.model === route))
    throw notFound(`The catalogue has no route ${route}.`);
  const targets = catalogue.targets(route).map((d) => d.name);
  const faults = Object.keys(weights)
    .filter((name) => !targets.includes(name))
    .map((name) => ({ path: `/weights/${name}`, message: `is no target of ${route}` }));
  if (faults.length > 0) throw invalidRequest(faults);
}

function notFound(detail: string): Problem {
  return new Problem("setting_not_found", detail);
}
