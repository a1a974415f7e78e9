import { findNodeAtLocation, type ParseError, parse as parseTolerantly, parseTree } from "jsonc-parser";
import type { CatalogueCheck } from "./control/managed-catalogue.ts";
import { misspelt } from "./control/misspelt.ts";
import { ConfigurationError } from "./errors.ts";
import { reasonOf } from "./log.ts";
import {
  type Catalogue,
  catalogueFaults,
  type Deployment,
  overSlots,
  parseCatalogue,
} from "./model/catalogue.ts";
import { type Environment, parseSettings, type Settings } from "./settings.ts";
import { parseTenants, type Tenants, type TenantsOptions } from "./tenant/tenants.ts";

export interface Configuration {
  readonly settings: Settings;
  readonly catalogue: Catalogue;
  readonly tenants: Tenants;
  /** The tenants file's text at the start, against which a later one counts as changed. */
  readonly tenantsText: string;
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
  const catalogue = fromFile(modelsFile, readText, faults, (text) =>
    parsedFile(modelsFile, text, (json) => {
      const parsed = parseCatalogue(json, { settings: environment });
      const { maxCalls = Infinity } = settings ?? {};
      const over = "faults" in parsed ? [] : overSlotsOf(parsed.catalogue.deployments, maxCalls);
      return over.length > 0 ? { faults: over } : parsed;
    }),
  );
  // Where the settings are broken it is not known whether this is the local stack: do not add faults by guessing.
  const options = { local: settings?.local ?? true, operatorKeySha256: settings?.operatorKeySha256 };
  const tenants = fromFile(tenantsFile, readText, faults, (text) => {
    const parsed = tenantsOf(tenantsFile, text, options);
    return "faults" in parsed ? parsed : { ...parsed, text };
  });
  if (catalogue !== undefined && tenants !== undefined)
    faults.push(
      ...misspelt(tenants.tenants.all, catalogue.catalogue).map((fault) => `${tenantsFile}: ${fault}`),
    );
  if (settings === undefined || catalogue === undefined || tenants === undefined || faults.length > 0) {
    throw new ConfigurationError(faults);
  }
  return { settings, catalogue: catalogue.catalogue, tenants: tenants.tenants, tenantsText: tenants.text };
}

/** What deployments and routes would be refused for, if they stood in the models file. */
export function catalogueCheck(environment: Environment, maxCalls: number): CatalogueCheck {
  return (deployments, routes) => [
    ...catalogueFaults(deployments, routes, environment),
    ...overSlotsOf(deployments, maxCalls),
  ];
}

function overSlotsOf(deployments: readonly Deployment[], maxCalls: number): string[] {
  return deployments.flatMap(({ limits }, n) => {
    const fault = overSlots(limits, maxCalls);
    return fault === undefined ? [] : [`/deployments/${n}/limits/concurrency: ${fault}`];
  });
}

/**
 * The tenants in a file's text, or every fault of it, each with the file's name.
 */
export function tenantsOf(
  file: string,
  text: string,
  options: TenantsOptions,
): { tenants: Tenants } | { faults: string[] } {
  return parsedFile(file, text, (json) => parseTenants(json, options));
}

function parsedFile<T extends object>(
  file: string,
  text: string,
  parse: (json: unknown) => T | { faults: string[] },
): T | { faults: string[] } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (thrown) {
    // The parser's own words may quote the file, and do not always say where.
    if (!(thrown instanceof SyntaxError)) throw thrown;
    const faults: ParseError[] = [];
    parseTolerantly(text, faults, { disallowComments: true });
    return { faults: [`${file}: is not valid JSON, at ${lineAt(text, faults[0]?.offset ?? text.length)}`] };
  }
  const parsed = parse(json);
  return "faults" in parsed
    ? { faults: parsed.faults.map((fault) => `${file}: ${fault}${placeOf(text, fault)}`) }
    : parsed;
}

/** Where a fault that begins with the path of a value is in the text: that value, or what it should be in. */
function placeOf(text: string, fault: string): string {
  const pointer = /^\/(\S*?):\s/.exec(fault)?.[1];
  const root = pointer === undefined ? undefined : parseTree(text);
  if (root === undefined || pointer === undefined) return "";
  const path =
    pointer === "" ? [] : pointer.split("/").map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  for (; path.length > 0; path.pop()) {
    const node = findNodeAtLocation(root, path);
    if (node !== undefined) return ` (${lineAt(text, node.offset)})`;
  }
  return ` (${lineAt(text, root.offset)})`;
}

function lineAt(text: string, offset: number): string {
  const lines = text.slice(0, offset).split("\n");
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
}

function fromFile<T extends object>(
  file: string,
  readText: (file: string) => string,
  faults: string[],
  parse: (text: string) => T | { faults: string[] },
): T | undefined {
  let text: string;
  try {
    text = readText(file);
  } catch (thrown) {
    faults.push(`${file}: cannot be read: ${reasonOf(thrown)}`);
    return undefined;
  }
  const parsed = parse(text);
  if (!("faults" in parsed)) return parsed;
  faults.push(...parsed.faults);
  return undefined;
}
