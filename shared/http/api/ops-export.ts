import { z } from "zod";
import { exportedFiles } from "../../control/export.ts";
import type { OverridesWatch } from "../../control/watch-overrides.ts";
import { type Catalogue, catalogueSchema } from "../../model/catalogue.ts";
import type { Settings } from "../../settings.ts";
import { type Tenants, tenantsSchema } from "../../tenant/tenants.ts";
import { json, jsonText } from "../answer.ts";
import { route } from "../route.ts";

export interface OpsExportDeps {
  readonly catalogue: () => Catalogue;
  readonly tenants: () => Tenants;
  readonly overridesWatch: OverridesWatch;
  readonly settings: Pick<Settings, "operatorKeySha256">;
}

const FILES = ["models", "tenants"] as const;
const exportSchema = z
  .object({
    models: catalogueSchema.describe("As the file that MODELS_FILE names."),
    tenants: tenantsSchema.describe("As the file that TENANTS_FILE names."),
  })
  .meta({ id: "Export", title: "What is in force, as files" });

export const opsExportRoute = route({
  name: "get-ops-export",
  method: "GET",
  path: "api/ops/export",
  who: "operator",
  summary:
    "Operators: what is in force as the models and the tenants file, secrets as names of settings, keys as hashes; switches are no part of it",
  query: z.object({
    file: z
      .enum(FILES, `must be one of ${FILES.join(", ")}`)
      .optional()
      .describe("That file alone, to be stored as it is; without it both, as two members."),
  }),
  answers: {
    200: {
      description: "The files.",
      schema: z.union([exportSchema, exportSchema.shape.models, exportSchema.shape.tenants]),
    },
  },
  handle: async (deps: OpsExportDeps, { query: { file } }) => {
    await deps.overridesWatch.look();
    const { operatorKeySha256 } = deps.settings;
    const files = exportedFiles(deps.catalogue(), deps.tenants(), operatorKeySha256);
    return file === undefined ? json(200, files) : jsonText(200, `${JSON.stringify(files[file], null, 2)}\n`);
  },
});
