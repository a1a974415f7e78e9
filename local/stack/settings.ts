import { resolve } from "node:path";
import { type ModelEndpointSettings, modelEndpointSettings } from "../model-endpoints/settings.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/** What `npm start` and `npm run emulators` are told by settings; ports of 0 mean a free one. */
export interface StackSettings {
  readonly port: number;
  /** Absolute. */
  readonly dataDir: string;
  readonly serviceBusPort: number;
  readonly cosmosPort: number;
  readonly modelEndpointsPort: number;
  /** Nobody asked for that very port: when it is taken, a free one does. */
  readonly modelEndpointsPortIsDefault: boolean;
  readonly modelEndpoints: ModelEndpointSettings;
  /** Azurite's first port of three; `npm run emulators` alone starts it. */
  readonly azuritePort: number;
  /** A file in the official Service Bus emulator's format, absolute; else the queues are those of infra/. */
  readonly serviceBusConfigFile: string | undefined;
  /** Absolute. */
  readonly modelsFile: string;
  /** Absolute. */
  readonly tenantsFile: string;
  /** False where the user has named a Service Bus or Cosmos account of his own. */
  readonly emulateServiceBus: boolean;
  readonly emulateCosmos: boolean;
  readonly drainSeconds: number;
  /** All times of `--freeze` are multiplied by it. */
  readonly freezeTimeScale: number;
  /** Of each host process: the cloud's own setting of that name. */
  readonly nodeArguments: string[];
  /** Every setting, merged: what the child processes get besides what start adds. */
  readonly env: Readonly<Record<string, string>>;
}

/** Settings that cannot be used; the message lists every fault. */
export class SettingsInvalid extends Error {
  override readonly name = "SettingsInvalid";
}

export const DEFAULT_MODEL_ENDPOINTS_PORT = 7072;
export const DEFAULT_AZURITE_PORT = 10_000;

/** On one machine a lost worker should be noticed at once. */
const LOCAL_DEFAULTS: Readonly<Record<string, string>> = { LEASE_SECONDS: "3", SWEEP_SECONDS: "1" };

/** Any of them says that an account is the user's own. */
const SERVICE_BUS_SETTINGS = ["SERVICEBUS", "SERVICEBUS__fullyQualifiedNamespace"];
const COSMOS_SETTINGS = ["COSMOS", "COSMOS__accountEndpoint"];

/**
 * The environment first, then `Values` of local.settings.json, then those of local.settings.sample.json. The sample's
 * own connection strings are for `func start` beside `npm run emulators`: they, and unchanged copies of them, do not
 * count as the user's.
 */
export function readStackSettings(environment: Env, values: Env, sample: Env, folder: string): StackSettings {
  const own = { ...values };
  for (const name of [...SERVICE_BUS_SETTINGS, ...COSMOS_SETTINGS]) {
    if (own[name] === sample[name]) delete own[name];
  }
  const defaults = { ...LOCAL_DEFAULTS, ...sample };
  for (const name of [...SERVICE_BUS_SETTINGS, ...COSMOS_SETTINGS]) delete defaults[name];
  const env = present({ ...defaults, ...own, ...present(environment) });

  const file = (name: string, fallback: string) => resolve(folder, env[name] ?? fallback);
  const faults: string[] = [];
  const port = (name: string, fallback: number) => {
    const text = env[name];
    if (text === undefined) return fallback;
    const value = Number(text);
    if (/^\d+$/.test(text) && value <= 65_535) return value;
    faults.push(`${name} must be a port, 0 to 65535 (0 takes a free one); it is "${text}"`);
    return fallback;
  };
  const drainText = env.DRAIN_SECONDS ?? "10";
  for (const [name, text] of [
    ["DRAIN_SECONDS", drainText],
    ["HOST_CUT_SECONDS", env.HOST_CUT_SECONDS ?? "0"],
  ] as const) {
    if (!/^\d{1,5}$/.test(text)) faults.push(`${name} must be a whole number; it is "${text}"`);
  }
  const freezeTimeScale = Number(env.FREEZE_TIME_SCALE ?? "1");
  if (!(freezeTimeScale > 0 && freezeTimeScale <= 100)) {
    faults.push(`FREEZE_TIME_SCALE must be a number over 0, up to 100; it is "${env.FREEZE_TIME_SCALE}"`);
  }
  let modelEndpoints = modelEndpointSettings({});
  try {
    modelEndpoints = modelEndpointSettings(env);
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    faults.push(thrown.message);
  }
  const settings: StackSettings = {
    port: port("PORT", 7071),
    dataDir: file("DATA_DIR", ".switchyard"),
    serviceBusPort: port("SERVICEBUS_PORT", 5672),
    cosmosPort: port("COSMOS_PORT", 8081),
    modelEndpointsPort: port("MODEL_ENDPOINTS_PORT", DEFAULT_MODEL_ENDPOINTS_PORT),
    modelEndpointsPortIsDefault: env.MODEL_ENDPOINTS_PORT === undefined,
    modelEndpoints,
    azuritePort: port("AZURITE_PORT", DEFAULT_AZURITE_PORT),
    serviceBusConfigFile:
      env.SERVICEBUS_CONFIG === undefined ? undefined : resolve(folder, env.SERVICEBUS_CONFIG),
    modelsFile: file("MODELS_FILE", "models.json"),
    tenantsFile: file("TENANTS_FILE", "tenants.json"),
    emulateServiceBus: SERVICE_BUS_SETTINGS.every((name) => env[name] === undefined),
    emulateCosmos: COSMOS_SETTINGS.every((name) => env[name] === undefined),
    drainSeconds: Number(drainText),
    freezeTimeScale,
    nodeArguments: (env.languageWorkers__node__arguments ?? "").split(/\s+/).filter(Boolean),
    env,
  };
  if (faults.length > 0) {
    throw new SettingsInvalid(
      `The settings have ${faults.length} fault(s):\n${faults.map((fault) => `  - ${fault}`).join("\n")}`,
    );
  }
  return settings;
}

/** An empty value counts as absent, as it does for the app. */
function present(env: Env): Record<string, string> {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return Object.fromEntries(entries);
}
