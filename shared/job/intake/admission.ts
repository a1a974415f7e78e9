import { unitsOf } from "../../decimal.ts";
import { type Fault, Problem } from "../../errors.ts";
import type { Catalogue } from "../../model/catalogue.ts";
import { chooseDeployment } from "../../model/choice.ts";
import type { Endpoint } from "../../model/endpoint.ts";
import type { Unsayable } from "../../model/protocol/protocol.ts";
import { readAsk } from "../../model/protocol/protocols.ts";
import type { Tenant } from "../../tenant/tenants.ts";

/** What a request asks for, as far as the choice of a deployment depends on it. */
export interface Asked {
  readonly endpoint: Endpoint;
  readonly model: string;
  /** The parsed request. */
  readonly body: unknown;
  readonly maxCost?: string | undefined;
}

/**
 * Why no deployment could ever serve the request for this tenant; undefined: one could. The verdict is that of the very
 * choice a worker makes later. A quota that is used up, or a switch that is off, is no reason to refuse.
 * @returns model_not_found, model_not_allowed, endpoint_not_supported, capability_not_supported or max_cost_too_low
 */
export function modelRefusal(
  catalogue: Catalogue,
  tenant: Pick<Tenant, "id" | "allow_models" | "deny_providers" | "budget">,
  { endpoint, model, body, maxCost }: Asked,
): Problem | undefined {
  const choice = chooseDeployment({
    model: catalogue.model(model),
    ask: readAsk(endpoint, () => body),
    tenant,
    refusedBy: [],
    tried: [],
    waitCause: () => undefined,
    costLeft: maxCost === undefined ? undefined : unitsOf(maxCost),
    latencyMs: () => undefined,
    seed: "",
    nowMs: 0,
  });
  if (choice.kind !== "none") return undefined;
  switch (choice.reason) {
    case "model_not_found":
      return new Problem("model_not_found", `There is no model ${model}.`);
    case "model_not_allowed":
      return new Problem(
        "model_not_allowed",
        `${tenant.id} may not use ${model}${choice.passedOver && `: ${choice.passedOver}`}.`,
      );
    case "endpoint_not_supported":
      return new Problem("endpoint_not_supported", `${model} does not serve ${endpoint}.`);
    case "too_dear":
      return new Problem(
        "max_cost_too_low",
        `Each deployment of ${model} that can serve it may cost more than ${maxCost}: ${choice.passedOver}.`,
      );
    default:
      return new Problem(
        "capability_not_supported",
        `No deployment of ${model} can do all that the body asks for: ${choice.passedOver}.`,
        { faults: faultsOf(choice.unsayable) },
      );
  }
}

function faultsOf(unsayable: Unsayable | undefined): readonly Fault[] {
  return unsayable?.param === undefined ? [] : [{ path: unsayable.param, message: unsayable.why }];
}
