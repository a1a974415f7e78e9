import { z } from "zod";
import {
  type Catalogue,
  catalogueFrom,
  type Deployment,
  limitsSchema,
  type SwitchedOff,
} from "../model/catalogue.ts";
import { document } from "../store.ts";

/**
 * What operators have set over the files: switches, limits, weights. One item in `control`, so that an instance
 * learns all of it with one conditional read.
 */
export const SWITCH_KINDS = ["provider", "deployment", "route"] as const;
export type SwitchKind = (typeof SWITCH_KINDS)[number];

const setting = {
  /** Unix ms. */
  at_ms: z.number(),
  actor: z.string(),
  reason: z.string().nullable(),
};
const switchSchema = z.looseObject({
  kind: z.enum(SWITCH_KINDS),
  name: z.string(),
  /** `off`: no new calls, running ones are aborted; `drained`: no new calls, running ones end. */
  state: z.enum(["off", "drained"]),
  /** What jobs do whose turn it is: wait for it, or go to the next target. */
  mode: z.enum(["park", "fail_over"]),
  ...setting,
});
const limitsOverride = z.looseObject({ deployment: z.string(), limits: limitsSchema.loose(), ...setting });
const routeWeights = z.looseObject({
  route: z.string(),
  weights: z.record(z.string(), z.number()),
  ...setting,
});
const tenantWeight = z.looseObject({ tenant: z.string(), weight: z.number(), ...setting });
/** Entries of the catalogue as they were set: each is checked where it is used, for a later version may have set it. */
const managedDeployment = z.looseObject({ name: z.string(), deployment: z.looseObject({}), ...setting });
const managedRoute = z.looseObject({ model: z.string(), route: z.looseObject({}), ...setting });

/** Which tenants' items operators changed, the newest last: whoever knows an older revision reads those again. */
const tenantChanges = z.looseObject({
  revision: z.number().int(),
  recent: z.array(z.looseObject({ id: z.string(), gone: z.boolean() })),
});

/**
 * The stored form. What a later version adds is kept. A switch that this version does not understand makes all of it
 * unreadable, because the switch may say that nothing may be called.
 */
const overridesSchema = z.looseObject({
  /** Counts up with each change: who holds a lower number knows less. */
  revision: z.number().int(),
  switches: z.array(switchSchema),
  limits: z.array(limitsOverride),
  route_weights: z.array(routeWeights),
  tenant_weights: z.array(tenantWeight),
  deployments: z.array(managedDeployment).default([]),
  routes: z.array(managedRoute).default([]),
  tenant_changes: tenantChanges.default({ revision: 0, recent: [] }),
});
export const overridesDocument = document("overrides", { scope: z.string(), ...overridesSchema.shape });
export type Overrides = Readonly<z.infer<typeof overridesSchema>>;
export type Switch = Readonly<z.infer<typeof switchSchema>>;

export const NO_OVERRIDES: Overrides = {
  revision: 0,
  switches: [],
  limits: [],
  route_weights: [],
  tenant_weights: [],
  deployments: [],
  routes: [],
  tenant_changes: { revision: 0, recent: [] },
};

/** The catalogue of the file as operators have changed it. What they named and the file no longer has is passed over. */
export function effectiveCatalogue(file: Catalogue, overrides: Overrides): Catalogue {
  if (overrides === NO_OVERRIDES) return file;
  const limits = new Map(overrides.limits.map((each) => [each.deployment, each.limits]));
  const changed = new Map<string, Deployment>(
    file.deployments.map((d) => [d.name, { ...d, limits: limits.get(d.name) ?? d.limits }]),
  );
  const models = file.models.map((model) => {
    const weights = overrides.route_weights.find((each) => each.route === model.id)?.weights ?? {};
    const targets = model.targets.map((target) => {
      const deployment = changed.get(target.deployment.name) ?? target.deployment;
      const off = switchedOff(overrides, model.id, deployment);
      const weight = weights[deployment.name] ?? target.weight;
      return { deployment, weight, ...(off === undefined ? {} : { off }) };
    });
    return { ...model, targets };
  });
  return catalogueFrom([...changed.values()], file.routes, models, overrides.revision);
}

/** The narrowest switch that keeps calls from a deployment: its own, its provider's, then the route's. */
function switchedOff(overrides: Overrides, route: string, deployment: Deployment): SwitchedOff | undefined {
  const of = (kind: SwitchKind, name: string) =>
    overrides.switches.find((each) => each.kind === kind && each.name === name);
  const found =
    of("deployment", deployment.name) ?? of("provider", deployment.provider) ?? of("route", route);
  return found === undefined ? undefined : { mode: found.mode, by: `${found.kind} ${found.name}` };
}

/** Whether a call that runs is to be aborted: its deployment, provider or model was switched off, not only drained. */
export function abortsCall(
  overrides: Overrides,
  call: { readonly deployment: string; readonly provider: string; readonly model: string },
): boolean {
  return overrides.switches.some(
    ({ state, kind, name }) =>
      state === "off" &&
      ((kind === "deployment" && name === call.deployment) ||
        (kind === "provider" && name === call.provider) ||
        (kind === "route" && name === call.model)),
  );
}
