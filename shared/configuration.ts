import { ConfigurationError } from "./errors.ts";
import { reasonOf } from "./log.ts";
import { type Catalogue, parseCatalogue } from "./model/catalogue.ts";
import { type Environment, parseSettings, type Settings } from "./settings.ts";
import { parseTenants, type Tenants } from "./tenant/tenants.ts";

export interface Configuration {
  readonly settings: Settings;
  readonly catalogue: Catalogue;
  readonly tenants: Tenants;
}

/**
 * Settings, catalogue and tenants together, so that one failed start tells all that is wrong.
 * @param readText a file's text, by the name a setting gives
 * @param random names the instance where the cloud does not
 * @throws ConfigurationError with every fault of all three
 */
export function loadConfiguration(
  environment: Environment,
  readText: (file: string) => string,
  random: () => string,
): Configuration {
  const parsed = parseSettings(environment, random);
  const faults = "faults" in parsed ? [...parsed.faults] : [];
  const settings = "settings" in parsed ? parsed.settings : undefined;
  const modelsFile = settings?.modelsFile ?? (environment.MODELS_FILE || "models.json");
  const tenantsFile = settings?.tenantsFile ?? (environment.TENANTS_FILE || "tenants.json");
  const catalogue = fromFile(modelsFile, readText, faults, (json) =>
    parseCatalogue(json, { settings: environment }),
  );
  // Where the settings are broken it is not known whether this is the local stack: do not add faults by guessing.
  const local = settings?.local ?? true;
  const tenants = fromFile(tenantsFile, readText, faults, (json) => parseTenants(json, { local }));
  if (settings === undefined || catalogue === undefined || tenants === undefined || faults.length > 0) {
    throw new ConfigurationError(faults);
  }
  return { settings, catalogue: catalogue.catalogue, tenants: tenants.tenants };
}

function fromFile<T extends object>(
  file: string,
  readText: (file: string) => string,
  faults: string[],
  parse: (json: unknown) => T | { faults: string[] },
): T | undefined {
  let json: unknown;
  try {
    json = JSON.parse(readText(file));
  } catch (thrown) {
    faults.push(`${file}: cannot be read: ${reasonOf(thrown)}`);
    return undefined;
  }
  const parsed = parse(json);
  if (!("faults" in parsed)) return parsed;
  faults.push(...(parsed as { faults: string[] }).faults.map((fault) => `${file}: ${fault}`));
  return undefined;
}
