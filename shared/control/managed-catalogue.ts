import {
  type Catalogue,
  catalogueOf,
  type Deployment,
  deploymentSchema,
  type Route,
  routeSchema,
} from "../model/catalogue.ts";
import type { Overrides } from "./overrides.ts";

/** Every fault of deployments and routes together, each with where it is. */
export type CatalogueCheck = (deployments: readonly Deployment[], routes: readonly Route[]) => string[];

type Entries = Pick<Catalogue, "deployments" | "routes">;

/** Deployments and routes that operators set take the place of the file's of their name; new ones follow. Pure. */
export function managedEntries(file: Entries, set: Pick<Overrides, "deployments" | "routes">): Entries {
  return {
    deployments: over(file.deployments, deploymentsIn(set), ({ name }) => name),
    routes: over(file.routes, routesIn(set), ({ model }) => model),
  };
}

/**
 * The catalogue of file and store. The file may have changed under what was set, and a later version may have set what
 * this one does not know: an entry that does not go with the others is left out, and named in `leftOut`.
 */
export function withManagedCatalogue(
  file: Catalogue,
  set: Overrides,
  check: CatalogueCheck,
): { readonly catalogue: Catalogue; readonly leftOut: readonly string[] } {
  if (set.deployments.length === 0 && set.routes.length === 0) return { catalogue: file, leftOut: [] };
  const deployments = deploymentsIn(set);
  const routes = routesIn(set);
  const read = new Set([...deployments.map(({ name }) => name), ...routes.map(({ model }) => model)]);
  const named = [...set.deployments.map(({ name }) => name), ...set.routes.map(({ model }) => model)];
  const leftOut = named.filter((name) => !read.has(name));
  const whole = managedEntries(file, set);
  if (check(whole.deployments, whole.routes).length === 0)
    return { catalogue: catalogueOf(whole.deployments, whole.routes), leftOut };
  let entries: Entries = file;
  const add = (name: string, next: Entries) => {
    if (check(next.deployments, next.routes).length === 0) entries = next;
    else leftOut.push(name);
  };
  for (const each of deployments)
    add(each.name, { ...entries, deployments: over(entries.deployments, [each], ({ name }) => name) });
  for (const each of routes)
    add(each.model, { ...entries, routes: over(entries.routes, [each], ({ model }) => model) });
  return { catalogue: catalogueOf(entries.deployments, entries.routes), leftOut };
}

function over<T>(file: readonly T[], set: readonly T[], nameOf: (entry: T) => string): T[] {
  const byName = new Map(set.map((each) => [nameOf(each), each]));
  const known = new Set(file.map(nameOf));
  return [
    ...file.map((each) => byName.get(nameOf(each)) ?? each),
    ...set.filter((each) => !known.has(nameOf(each))),
  ];
}

/** Those that this version can read, without what only a later one knows. */
const deploymentsIn = (set: Pick<Overrides, "deployments">): Deployment[] =>
  set.deployments.flatMap(({ deployment }) => deploymentSchema.strip().safeParse(deployment).data ?? []);
const routesIn = (set: Pick<Overrides, "routes">): Route[] =>
  set.routes.flatMap(({ route }) => routeSchema.strip().safeParse(route).data ?? []);

/** The AI services of Azure: a token for them, sent to one of their hosts, is of use to nobody else. */
const FOUNDRY_SCOPES = new Set([
  "https://cognitiveservices.azure.com/.default",
  "https://ai.azure.com/.default",
]);
const FOUNDRY_HOST = /\.(openai|services\.ai|cognitiveservices|models\.ai)\.azure\.(com|us|cn)$/;
/** Settings of the app and of its platform. */
const OF_THE_PLATFORM =
  /^(azure|website|functions|identity|msi|cosmos|servicebus|applicationinsights|otel|scm|docker)/i;

/**
 * Why an operator may not set a deployment that the file could hold: it would have secrets of the service itself, or a
 * token of its identity, sent to a host of his choice.
 * @param own the app's own settings
 */
export function secretFaults(
  { auth, base_url }: Deployment,
  file: Catalogue,
  own: ReadonlySet<string>,
): string[] {
  if (auth.kind === "api_key" && (own.has(auth.setting) || OF_THE_PLATFORM.test(auth.setting)))
    return [`the setting ${auth.setting} is the service's own, and no deployment's key`];
  if (auth.kind !== "entra") return [];
  const { hostname } = new URL(base_url);
  const isKnown = file.deployments.some(
    (each) =>
      each.auth.kind === "entra" &&
      each.auth.scope === auth.scope &&
      new URL(each.base_url).hostname === hostname,
  );
  const isFoundry = FOUNDRY_SCOPES.has(auth.scope) && FOUNDRY_HOST.test(hostname);
  return isKnown || isFoundry
    ? []
    : [
        "a token of the service's identity goes to Azure's AI services, or where the models file sends the same",
      ];
}
