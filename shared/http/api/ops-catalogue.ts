import { z } from "zod";
import { type ChangeDeps, changeOverrides, type Setting } from "../../control/change-overrides.ts";
import { type CatalogueCheck, managedEntries, secretFaults } from "../../control/managed-catalogue.ts";
import { misspelt } from "../../control/misspelt.ts";
import type { Overrides } from "../../control/overrides.ts";
import type { OverridesWatch } from "../../control/watch-overrides.ts";
import { type Fault, Problem } from "../../errors.ts";
import { MAX_MANAGED_CATALOGUE_BYTES, MAX_OPS_BODY_BYTES } from "../../limits.ts";
import { type Catalogue, catalogueOf, deploymentSchema, routeSchema } from "../../model/catalogue.ts";
import { settingsSchema } from "../../settings.ts";
import type { Tenants } from "../../tenant/tenants.ts";
import { json } from "../answer.ts";
import { invalidRequest } from "../input.ts";
import { type Route, route } from "../route.ts";
import { changeHeaders, changeOf, setHeaders } from "./change.ts";
import { origin, originOf } from "./origin.ts";
import { listSchema } from "./page.ts";
import { named, operatorsReason } from "./parameters.ts";

export interface OpsCatalogueDeps extends ChangeDeps {
  readonly base: { readonly catalogue: () => Catalogue };
  /** Of file and store. */
  readonly written: () => Catalogue;
  readonly tenants: () => Tenants;
  readonly overridesWatch: OverridesWatch;
  readonly check: CatalogueCheck;
  readonly newId: () => string;
}

/** What is managed: entries of the catalogue by their name. */
interface Managed<
  List extends "deployments" | "routes",
  Entry extends z.ZodObject,
  Fields extends z.ZodObject,
> {
  readonly list: List;
  readonly object: "deployment" | "route";
  readonly nameOf: (entry: Catalogue[List][number]) => string;
  readonly entry: Entry;
  /** The entry without its name, which is in the path. */
  readonly fields: Fields;
  readonly entryOf: (name: string, fields: z.output<Fields>) => Catalogue[List][number];
  readonly madeIn: (overrides: Overrides, name: string) => Parameters<typeof originOf>[0];
}

function managed<
  List extends "deployments" | "routes",
  Entry extends z.ZodObject,
  Fields extends z.ZodObject,
>({
  list,
  object,
  nameOf,
  entry,
  fields,
  entryOf,
  madeIn,
}: Managed<List, Entry, Fields>): readonly Route<OpsCatalogueDeps>[] {
  const title = object === "route" ? "Route" : "Deployment";
  const schema = z
    .object({ ...origin, ...entry.shape, object: z.literal(object) })
    .meta({ id: `Catalogue${title}`, title: `A ${object} of the catalogue, and where it comes from` });
  const resource = ({ overridesWatch }: OpsCatalogueDeps, each: Catalogue[List][number]) => ({
    ...{ object, ...originOf(madeIn(overridesWatch.current(), nameOf(each))) },
    ...each,
  });
  const entries = (of: Pick<Catalogue, "deployments" | "routes">) =>
    of[list] as readonly Catalogue[List][number][];
  const find = (catalogue: Catalogue, name: string) =>
    entries(catalogue).find((each) => nameOf(each) === name);
  const found = async (deps: OpsCatalogueDeps, name: string) => {
    await deps.overridesWatch.look();
    const each = find(deps.written(), name);
    if (each === undefined) throw new Problem("setting_not_found", `The catalogue has no ${object} ${name}.`);
    return json(200, resource(deps, each));
  };
  const shared = {
    who: "operator",
    // Not `{*name}`, which would take the list too: a slash in a name is sent as %2F.
    path: `api/ops/${list}/{name}`,
    params: { schema: z.object({ name: named(object) }), absent: "setting_not_found" },
  } as const;
  return [
    route({
      ...shared,
      name: `get-ops-${object}`,
      method: "GET",
      summary: `Operators: a ${object} as it stands in the catalogue, and where it comes from`,
      answers: { 200: { description: `The ${object}.`, schema } },
      errors: ["setting_not_found"],
      handle: (deps: OpsCatalogueDeps, { path: { name } }) => found(deps, name),
    }),
    route({
      ...shared,
      name: `set-ops-${object}`,
      method: "PUT",
      summary: `Operators: set a ${object}, new or in the place of the file's; effective on all instances within 5 s`,
      headers: setHeaders,
      body: {
        schema: z
          .strictObject({ ...fields.shape, reason: operatorsReason })
          .meta({ id: `${title}Change`, title: `What setting a ${object} takes` }),
        maxBytes: MAX_OPS_BODY_BYTES,
      },
      answers: { 200: { description: `The ${object} as it is now.`, schema } },
      errors: ["setting_not_found", "exists_already"],
      handle: async (deps: OpsCatalogueDeps, input, caller) => {
        const { name } = input.path;
        const { reason, ...said } = input.body;
        const parsed = entry.safeParse(entryOf(name, said as z.output<Fields>));
        if (!parsed.success)
          throw invalidRequest(
            parsed.error.issues.map(({ path, message }) => ({ path: path.join("/"), message })),
          );
        const value = parsed.data as unknown as Catalogue[List][number];
        await changeCatalogue(
          deps,
          { list, name, value } as CatalogueSetting,
          changeOf(deps, "PUT", input, caller, reason as string | undefined),
        );
        return found(deps, name);
      },
    }),
    route({
      ...shared,
      name: `reset-ops-${object}`,
      method: "DELETE",
      summary: `Operators: take back what was set of a ${object}; the file applies again, or it is gone`,
      headers: changeHeaders,
      answers: { 204: { description: "It is taken back." } },
      errors: ["setting_not_found", "set_by_file", "invalid_request"],
      handle: async (deps: OpsCatalogueDeps, input, caller) => {
        const { name } = input.path;
        const setting = { list, name, value: undefined } as CatalogueSetting;
        const outcome = await changeCatalogue(deps, setting, changeOf(deps, "DELETE", input, caller));
        if (outcome.kind === "unchanged") {
          if (find(deps.base.catalogue(), name) !== undefined)
            throw new Problem("set_by_file", `The ${object} ${name} stands in the models file.`);
          throw new Problem("setting_not_found", `The catalogue has no ${object} ${name}.`);
        }
        await deps.overridesWatch.look();
        return { status: 204, headers: {} };
      },
    }),
  ];
}

type CatalogueSetting = Extract<Setting, { list: "deployments" | "routes" }>;

const OWN_SETTINGS = new Set(Object.keys(settingsSchema.shape));

/**
 * Changes an entry, if the whole catalogue and the tenants would be accepted so.
 * @throws Problem invalid_request, exists_already
 */
async function changeCatalogue(
  deps: OpsCatalogueDeps,
  setting: CatalogueSetting,
  by: Parameters<typeof changeOverrides>[2],
) {
  const file = deps.base.catalogue();
  const at = ({ deployments, routes }: Pick<Catalogue, "deployments" | "routes">) =>
    setting.list === "deployments"
      ? deployments.findIndex(({ name }) => name === setting.name)
      : routes.findIndex(({ model }) => model === setting.name);
  const faultsOf = (set: Overrides): Fault[] => {
    const entries = managedEntries(file, set);
    const { deployments, routes } = entries;
    const catalogue = catalogueOf(deployments, routes);
    return [...deps.check(deployments, routes), ...misspelt(deps.tenants().all, catalogue)].map((fault) =>
      faultAt(fault, `/${setting.list}/${at(entries)}`),
    );
  };
  const refuseOld = (isThere: boolean) => {
    if (by.isOnlyNew === true && isThere)
      throw new Problem("exists_already", `The catalogue has ${setting.name} already.`);
  };
  const check = (after: Overrides, before: Overrides) => {
    refuseOld(at(managedEntries(file, before)) >= 0);
    // What is wrong already is not this change's fault: the file may have changed under what was set.
    const known = new Set(faultsOf(before).map((fault) => JSON.stringify(fault)));
    const faults = faultsOf(after).filter((fault) => !known.has(JSON.stringify(fault)));
    if (setting.list === "deployments" && setting.value !== undefined)
      faults.push(
        ...secretFaults(setting.value, file, OWN_SETTINGS).map((message) => ({ path: "/auth", message })),
      );
    if (JSON.stringify(after).length > MAX_MANAGED_CATALOGUE_BYTES)
      faults.push({ path: "", message: "more would be set than is kept: move some of it to the files" });
    if (faults.length > 0) throw invalidRequest(faults);
  };
  const outcome = await changeOverrides(deps, setting, by, check, file[setting.list][at(file)] ?? null);
  refuseOld(outcome.kind === "unchanged");
  return outcome;
}

/** A fault of the catalogue, by its path; in the entry itself from there. @param own the path of that entry */
function faultAt(fault: string, own: string): Fault {
  const [, path = "", message = fault] = /^(\/\S*): (.*)$/s.exec(fault) ?? [];
  return { path: path === own || path.startsWith(`${own}/`) ? path.slice(own.length) : path, message };
}

const { name: deploymentName, ...ofDeployment } = deploymentSchema.shape;
const { model: routeModel, ...ofRoute } = routeSchema.shape;

const listRoutes = route({
  name: "list-ops-routes",
  method: "GET",
  path: "api/ops/routes",
  who: "operator",
  summary: "Operators: every route of the catalogue, of the file and of the store",
  answers: {
    200: {
      description: "All of them.",
      schema: listSchema(z.object({ object: z.literal("route"), ...origin, ...routeSchema.shape })),
    },
  },
  handle: async (deps: OpsCatalogueDeps) => {
    await deps.overridesWatch.look();
    const set = deps.overridesWatch.current().routes;
    const data = deps.written().routes.map((each) => ({
      ...{ object: "route", ...originOf(set.find(({ model }) => model === each.model)) },
      ...each,
    }));
    return json(200, { object: "list", data });
  },
});

export const opsCatalogueRoutes: readonly Route<OpsCatalogueDeps>[] = [
  ...managed({
    ...{ list: "deployments", object: "deployment", entry: deploymentSchema },
    nameOf: ({ name }) => name,
    fields: z.object(ofDeployment),
    entryOf: (name, fields) => ({ ...fields, name }),
    madeIn: ({ deployments }, name) => deployments.find((each) => each.name === name),
  }),
  listRoutes,
  ...managed({
    ...{ list: "routes", object: "route", entry: routeSchema },
    nameOf: ({ model }) => model,
    fields: z.object(ofRoute),
    entryOf: (model, fields) => ({ ...fields, model }),
    madeIn: ({ routes }, name) => routes.find(({ model }) => model === name),
  }),
];
