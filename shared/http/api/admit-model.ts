import { Problem } from "../../errors.ts";
import type { Endpoint } from "../../job/job.ts";
import type { Catalogue } from "../../model/catalogue.ts";
import { chooseDeployment } from "../../model/choice.ts";
import { readAsk } from "../../model/request-ask.ts";
import type { Tenant } from "../../tenant/tenants.ts";

/**
 * Whether some deployment could serve the request for this tenant; a quota that is used up, or a switch that is off, is no
 * reason to refuse.
 * @throws Problem model_not_found, model_not_allowed, endpoint_not_supported, capability_not_supported
 */
export function admitModel(
  catalogue: Catalogue,
  tenant: Tenant,
  request: { readonly model: string; readonly endpoint: Endpoint; readonly body: unknown },
): void {
  const { model, endpoint, body } = request;
  const choice = chooseDeployment({
    model: catalogue.model(model),
    ask: readAsk(endpoint, body),
    tenant,
    refusedBy: [],
    tried: [],
    waitCause: () => undefined,
    latencyMs: () => undefined,
    seed: "",
  });
  if (choice.kind !== "none") return;
  switch (choice.reason) {
    case "model_not_found":
      throw new Problem("model_not_found", `There is no model ${model}.`);
    case "model_not_allowed":
      throw new Problem("model_not_allowed", `${tenant.id} may not use ${model}.`);
    case "endpoint_not_supported":
      throw new Problem("endpoint_not_supported", `${model} does not serve ${endpoint}.`);
    default:
      throw new Problem(
        "capability_not_supported",
        `No deployment of ${model} can do all that the body asks for: ${choice.passedOver}.`,
      );
  }
}
