import { z } from "zod";
import { type Overrides, SWITCH_KINDS, type SwitchKind } from "../../control/overrides.ts";
import { Problem } from "../../errors.ts";
import { MAX_OPS_REASON_CHARS } from "../../limits.ts";
import { type Catalogue, limitsSchema } from "../../model/catalogue.ts";

const reason = z.string().min(1).max(MAX_OPS_REASON_CHARS).optional().describe("For the audit trail.");

/** What the PUT routes under /api/ops take. */
export const switchBody = z.strictObject({
  state: z
    .enum(["on", "off", "drained"])
    .describe("`off`: no new calls, running ones are aborted. `drained`: no new calls, running ones end."),
  mode: z
    .enum(["park", "fail_over"])
    .optional()
    .describe(
      "`park`: jobs whose turn it is wait. `fail_over` (default): they go to the next target, and wait where there is none. A route can only be parked.",
    ),
  reason,
});
export const limitsBody = z.strictObject({
  ...limitsSchema.shape,
  reason,
});
export const routeWeightsBody = z.strictObject({
  weights: z.record(z.string(), z.number().positive()).describe("By deployment; others keep the file's."),
  reason,
});
export const tenantWeightBody = z.strictObject({
  weight: z.number().positive().max(1000).describe("Its share of quota beside others'."),
  reason,
});

/**
 * Of a path: which switch is meant.
 * @throws Problem setting_not_found for a kind there is not
 */
export function switchKindOf(text: string): SwitchKind {
  const kind = SWITCH_KINDS.find((each) => each === text);
  if (kind === undefined) throw notFound(`There are switches for ${SWITCH_KINDS.join(", ")} only.`);
  return kind;
}

/** @throws Problem setting_not_found: a switch for what is not there would do nothing, and look as if it did */
export function checkNamed(catalogue: Catalogue, kind: SwitchKind, name: string): void {
  const known =
    kind === "route"
      ? catalogue.model(name) !== undefined
      : catalogue.deployments.some((d) => (kind === "provider" ? d.provider : d.name) === name);
  if (!known) throw notFound(`The catalogue has no ${kind} ${name}.`);
}

/** @throws Problem setting_not_found, invalid_request */
export function checkWeights(
  catalogue: Catalogue,
  route: string,
  weights: Readonly<Record<string, number>>,
): void {
  if (!catalogue.routes.some((each) => each.model === route))
    throw notFound(`The catalogue has no route ${route}.`);
  const targets = catalogue.targets(route).map((d) => d.name);
  const faults = Object.keys(weights)
    .filter((name) => !targets.includes(name))
    .map((name) => ({ path: `/weights/${name}`, message: `is no target of ${route}` }));
  if (faults.length > 0) throw new Problem("invalid_request", "The weights are not valid.", { faults });
}

export function notFound(detail: string): Problem {
  return new Problem("setting_not_found", detail);
}

/** All that operators have set, as they see it. */
export function overridesJson(overrides: Overrides) {
  const made = ({ at_ms, actor, reason: why }: { at_ms: number; actor: string; reason: string | null }) => ({
    since: Math.floor(at_ms / 1000),
    actor,
    reason: why,
  });
  return {
    object: "overrides",
    revision: overrides.revision,
    switches: overrides.switches.map((each) => ({
      kind: each.kind,
      name: each.name,
      state: each.state,
      mode: each.mode,
      ...made(each),
    })),
    limits: overrides.limits.map((each) => ({
      deployment: each.deployment,
      limits: each.limits,
      ...made(each),
    })),
    route_weights: overrides.route_weights.map((each) => ({
      route: each.route,
      weights: each.weights,
      ...made(each),
    })),
    tenant_weights: overrides.tenant_weights.map((each) => ({
      tenant: each.tenant,
      weight: each.weight,
      ...made(each),
    })),
  };
}
