import path from "node:path";
import { ConfigurationError } from "../../shared/errors.ts";
import { type CosmosConnection, cosmosOf, type Environment } from "../../shared/settings.ts";

/**
 * How to reach the store: as the app does, by COSMOS or COSMOS__accountEndpoint. Where neither is set it is the local
 * stack's, from local.settings.json or the sample, at the port its emulators wrote into DATA_DIR.
 * @param readText a file's text by its path, undefined where there is none
 * @throws ConfigurationError
 */
export function storeConnection(
  environment: Environment,
  folder: string,
  readText: (file: string) => string | undefined,
): CosmosConnection {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));
  const set = given.COSMOS !== undefined || given.COSMOS__accountEndpoint !== undefined;
  const env = set ? given : { COSMOS: localConnectionString(given, folder, readText) };
  const faults: string[] = [];
  const connection = cosmosOf(env, faults);
  if (connection === undefined) throw new ConfigurationError(faults);
  return connection;
}

function localConnectionString(
  environment: Environment,
  folder: string,
  readText: (file: string) => string | undefined,
): string | undefined {
  const values = (name: string) => {
    const text = readText(path.join(folder, name));
    return text === undefined ? {} : (JSON.parse(text) as { Values?: Record<string, string> }).Values;
  };
  const set = { ...values("local.settings.sample.json"), ...values("local.settings.json"), ...environment };
  const dataDir = path.resolve(folder, set.DATA_DIR ?? ".switchyard");
  const written = readText(path.join(dataDir, "emulators.json"));
  const port =
    written === undefined ? null : (JSON.parse(written) as { cosmos_port: number | null }).cosmos_port;
  return port === null
    ? set.COSMOS
    : set.COSMOS?.replace(/(AccountEndpoint=https?:\/\/[^:;/]+)(:\d+)?/i, `$1:${port}`);
}
