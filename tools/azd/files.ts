import { z } from "zod";

/** One of the template's outputs CATALOGUE_DEPLOYMENTS: a model deployment, and where it is called. */
const deployedModel = z.object({
  name: z.string().min(1),
  model: z.string().min(1),
  provider: z.string().min(1),
  endpoints: z.array(z.string()).min(1),
  capabilities: z.array(z.string()),
  price: z.object({ inputPerMillion: z.string(), outputPerMillion: z.string() }),
  baseUrl: z.url(),
});

/** Tokens of Microsoft Entra for any lab's deployments in Foundry. */
const FOUNDRY_SCOPE = "https://ai.azure.com/.default";

/**
 * The catalogue of what the template has made: each deployment under its name, and a route `any-lab` over all of them.
 * @param outputs CATALOGUE_DEPLOYMENTS, JSON
 * @throws ZodError where it is not what the template writes
 */
export function catalogueOf(outputs: string): object {
  const models = z.array(deployedModel).parse(JSON.parse(outputs));
  return {
    deployments: models.map((each) => ({
      name: each.name,
      provider: each.provider,
      // In Foundry a call names the deployment, whatever model it is of.
      model: each.name,
      base_url: each.baseUrl,
      auth: { kind: "entra", scope: FOUNDRY_SCOPE },
      endpoints: each.endpoints,
      capabilities: each.capabilities,
      price: {
        currency: "USD",
        input_per_million: Number(each.price.inputPerMillion),
        output_per_million: Number(each.price.outputPerMillion),
      },
      simulated: false,
    })),
    routes:
      models.length === 0
        ? []
        : [
            {
              model: "any-lab",
              strategy: "ordered",
              targets: models.map(({ name }) => ({ deployment: name })),
            },
          ],
  };
}

/** The tenants file of a new environment: one tenant, which may use every model. */
export function firstTenants(tenantKeySha256: string): object {
  return { tenants: [{ id: "first-tenant", key_sha256: [tenantKeySha256] }], operators: [] };
}
