import { parseSettings } from "../../shared/settings.ts";
import type { Evaluated, Resource } from "./template.ts";

/** What the template must hold to, whatever its parameters: each check answers its faults in words, none: it holds. */

const of = (template: Evaluated, type: string): Resource[] =>
  template.resources.filter((resource) => resource.type === type);

/** Words that only stand in a template that hands out keys. */
const KEY_WORDS = /listKeys|connectionstrings|AccountKey|SharedAccessKey|listConnectionStrings|primaryKey/i;

export function keys(template: Evaluated): string[] {
  const faults: string[] = [];
  const words = KEY_WORDS.exec(template.text.replaceAll("APPLICATIONINSIGHTS_CONNECTION_STRING", ""));
  if (words !== null) faults.push(`a key is handed out: ${words[0]}`);
  for (const type of [
    "Microsoft.ServiceBus/namespaces",
    "Microsoft.DocumentDB/databaseAccounts",
    "Microsoft.CognitiveServices/accounts",
  ])
    for (const { name, properties } of of(template, type))
      if (properties.disableLocalAuth !== true) faults.push(`${name} takes keys`);
  for (const { name, properties } of of(template, "Microsoft.Storage/storageAccounts"))
    if (properties.allowSharedKeyAccess !== false) faults.push(`${name} takes keys`);
  for (const { name, properties } of of(template, "Microsoft.Insights/components"))
    if (properties.DisableLocalAuth !== true) faults.push(`${name} takes keys`);
  return faults;
}

const ROLES: Readonly<Record<string, string>> = {
  "090c5cfd-751d-490a-894a-3ce6f1109419": "Microsoft.ServiceBus/namespaces",
  "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Microsoft.Storage/storageAccounts",
  "a97b65f3-24c7-4388-baec-2e87135dc908": "Microsoft.CognitiveServices/accounts",
  "3913510d-42f4-4e42-8a64-420c390055eb": "Microsoft.Insights/components",
};
const COSMOS_CONTRIBUTOR = "00000000-0000-0000-0000-000000000002";

/** The resource that a role assignment is about, by its type. */
function scopeOf(assignment: Resource): string {
  const inside = /providers\/((?:Microsoft\.[A-Za-z]+)\/[A-Za-z]+)\//.exec(assignment.id);
  return inside?.[1] ?? "?";
}

/** Each role that is needed is there, for the one identity, and no other is. */
export function assignments(template: Evaluated): string[] {
  const faults: string[] = [];
  const found = of(template, "Microsoft.Authorization/roleAssignments").map((each) => ({
    role: String(each.properties.roleDefinitionId).split("/").at(-1) ?? "",
    scope: scopeOf(each),
    isIdentity: String(each.properties.principalId).includes("userAssignedIdentities"),
  }));
  for (const { role, scope, isIdentity } of found) {
    if (ROLES[role] !== scope) faults.push(`the role ${role} on ${scope} is not one of the allowed`);
    if (!isIdentity) faults.push(`the role ${role} is for another than the app's identity`);
  }
  for (const [role, scope] of Object.entries(ROLES))
    if (!found.some((each) => each.role === role && each.scope === scope))
      faults.push(`the role ${role} on ${scope} is missing`);
  const cosmos = of(template, "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments");
  if (!cosmos.some(({ properties }) => String(properties.roleDefinitionId).endsWith(COSMOS_CONTRIBUTOR)))
    faults.push("the app's identity may not use Cosmos DB");
  return faults;
}

/** Settings of the host and of Azure's own SDKs: the app does not read them. */
const OF_THE_PLATFORM =
  /^(AzureWebJobs|APPLICATIONINSIGHTS_|languageWorkers__|FUNCTIONS_REQUEST_BODY_SIZE_LIMIT|AZURE_CLIENT_ID|SERVICEBUS__credential$)/;
/** On Flex Consumption these are refused, or ignored. */
const NOT_ON_FLEX = [
  "FUNCTIONS_WORKER_RUNTIME",
  "FUNCTIONS_EXTENSION_VERSION",
  "WEBSITE_RUN_FROM_PACKAGE",
  "WEBSITE_NODE_DEFAULT_VERSION",
];

/** The app's own parser takes the settings, and each is one that it or the platform knows. */
export function settings(template: Evaluated, known: readonly string[]): string[] {
  const [config] = of(template, "Microsoft.Web/sites/config");
  const values = Object.fromEntries(
    Object.entries((config?.properties ?? {}) as Record<string, string>).map(([name, value]) => [
      name,
      // What only Azure knows: any URL, any id will do for the parser.
      value.startsWith("[") ? (name.endsWith("Endpoint") ? "https://cosmos.example/" : "of-azure") : value,
    ]),
  );
  const faults = NOT_ON_FLEX.filter((name) => name in values).map(
    (name) => `${name} does not belong on Flex`,
  );
  for (const name of Object.keys(values))
    if (!OF_THE_PLATFORM.test(name) && !known.includes(name)) faults.push(`the app does not know ${name}`);
  const forNode = (values.languageWorkers__node__arguments ?? "").split(" ");
  if (!forNode.includes("--max-http-header-size=65536")) faults.push("its workers take less than the host");
  const parsed = parseSettings(values, () => "instance");
  if ("faults" in parsed) faults.push(...parsed.faults);
  return faults;
}

/** Queues and containers are those of infra/resources.json. */
export function stores(
  template: Evaluated,
  // biome-ignore lint/suspicious/noExplicitAny: the file as it stands
  resources: any,
): string[] {
  const faults: string[] = [];
  const containers = of(template, "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers");
  for (const wanted of resources.cosmos.containers) {
    const made = containers.find(({ name }) => name.endsWith(`/${wanted.name}`))?.properties.resource;
    const same =
      JSON.stringify(made?.partitionKey.paths) === JSON.stringify(wanted.partition_key) &&
      made.defaultTtl === wanted.default_ttl_seconds &&
      JSON.stringify(made.indexingPolicy.compositeIndexes) === JSON.stringify(wanted.indexing.composite) &&
      JSON.stringify(made.indexingPolicy.includedPaths.map((each: { path: string }) => each.path)) ===
        JSON.stringify(wanted.indexing.included);
    if (!same) faults.push(`the container ${wanted.name} is not as infra/resources.json has it`);
  }
  const queues = of(template, "Microsoft.ServiceBus/namespaces/queues");
  for (const wanted of resources.service_bus.queues)
    if (
      !queues.some(
        ({ name, properties }) =>
          name.endsWith(`/${wanted.name}`) && properties.maxDeliveryCount === wanted.max_delivery_count,
      )
    )
      faults.push(`the queue ${wanted.name} is not as infra/resources.json has it`);
  return faults;
}

/** With a network of its own: every data service by a private endpoint alone. */
export function isPrivate(template: Evaluated): string[] {
  const faults: string[] = [];
  const groups = of(template, "Microsoft.Network/privateEndpoints").flatMap(({ properties }) =>
    properties.privateLinkServiceConnections.flatMap(
      (each: { properties: { groupIds: string[] } }) => each.properties.groupIds,
    ),
  );
  for (const group of ["blob", "namespace", "Sql", "account"])
    if (!groups.includes(group)) faults.push(`there is no private endpoint of ${group}`);
  for (const resource of template.resources)
    if (resource.properties?.publicNetworkAccess === "Enabled") faults.push(`${resource.name} is public`);
  for (const { name, sku } of of(template, "Microsoft.ServiceBus/namespaces"))
    if (sku.name !== "Premium") faults.push(`${name} has no private endpoints: it is ${sku.name}`);
  return faults;
}

/** Each model deployment is one of the catalogue's, and says all that Foundry wants. */
export function models(template: Evaluated): string[] {
  const faults: string[] = [];
  const made = of(template, "Microsoft.CognitiveServices/accounts/deployments");
  for (const { name, sku, properties } of made) {
    const { format, name: model, version } = properties.model;
    if (![format, model, version, sku.name].every((each) => typeof each === "string" && each !== ""))
      faults.push(`${name} lacks format, name, version or sku`);
    if (properties.versionUpgradeOption !== "NoAutoUpgrade")
      faults.push(`${name} becomes another model by itself`);
  }
  const named = (template.outputs.CATALOGUE_DEPLOYMENTS as { name: string }[]).map(({ name }) => name).sort();
  const names = made.map(({ name }) => name.split("/").at(-1)).sort();
  if (JSON.stringify(named) !== JSON.stringify(names)) faults.push("catalogue and deployments differ");
  return faults;
}
