/** What the host takes from host.json; a setting it does not know is left to the cloud. */
export interface HostConfig {
  /** "api": what stands before every HTTP route; "" for none. */
  readonly routePrefix: string;
  /** An invocation that runs longer is given up; undefined: never. */
  readonly functionTimeoutMs: number | undefined;
  readonly logLevels: Readonly<Record<string, string>>;
  readonly serviceBus: {
    readonly maxConcurrentCalls: number;
    readonly autoComplete: boolean;
    readonly maxAutoLockRenewalMs: number;
  };
}

/** host.json cannot be used; the message names the setting. */
export class HostJsonInvalid extends Error {
  override readonly name = "HostJsonInvalid";
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** App settings of this name change host.json, in the cloud too: AzureFunctionsJobHost__extensions__http__routePrefix. */
const OVERRIDE_PREFIX = "AzureFunctionsJobHost__";

const DEFAULT_TIMEOUT_MS = 30 * 60_000;
const DEFAULT_CONCURRENT_CALLS = 16;
const DEFAULT_LOCK_RENEWAL_MS = 5 * 60_000;

export function readHostJson(text: string, env: Readonly<Record<string, string | undefined>>): HostConfig {
  let root: Json;
  try {
    root = JSON.parse(text) as Json;
  } catch (thrown) {
    throw new HostJsonInvalid(
      `host.json is not valid JSON: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    );
  }
  const at = (...path: string[]): Json | undefined => overridden(env, path) ?? valueAt(root, path);
  const logLevels: Record<string, string> = {};
  const levels = valueAt(root, ["logging", "logLevel"]);
  for (const [category, level] of Object.entries(
    levels !== null && typeof levels === "object" ? levels : {},
  )) {
    if (typeof level === "string") logLevels[category] = level;
  }
  return {
    routePrefix: string(
      at("extensions", "http", "routePrefix"),
      "extensions.http.routePrefix",
      "api",
    ).replace(/^\/+|\/+$/g, ""),
    functionTimeoutMs: timeSpan(at("functionTimeout"), "functionTimeout", DEFAULT_TIMEOUT_MS),
    logLevels,
    serviceBus: {
      maxConcurrentCalls: positiveInteger(
        at("extensions", "serviceBus", "maxConcurrentCalls"),
        "extensions.serviceBus.maxConcurrentCalls",
        DEFAULT_CONCURRENT_CALLS,
      ),
      autoComplete: at("extensions", "serviceBus", "autoCompleteMessages") !== false,
      maxAutoLockRenewalMs:
        timeSpan(
          at("extensions", "serviceBus", "maxAutoLockRenewalDuration"),
          "extensions.serviceBus.maxAutoLockRenewalDuration",
          DEFAULT_LOCK_RENEWAL_MS,
        ) ?? 0,
    },
  };
}

function valueAt(root: Json, path: readonly string[]): Json | undefined {
  let value: Json | undefined = root;
  for (const key of path) {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
    value = (value as { readonly [key: string]: Json })[key];
  }
  return value;
}

function overridden(
  env: Readonly<Record<string, string | undefined>>,
  path: readonly string[],
): Json | undefined {
  const text = env[OVERRIDE_PREFIX + path.join("__")];
  if (text === undefined) return undefined;
  return /^(true|false|\d+)$/.test(text) ? (JSON.parse(text) as Json) : text;
}

function string(value: Json | undefined, name: string, fallback: string): string {
  if (value === undefined) return fallback;
  if (typeof value !== "string") throw new HostJsonInvalid(`host.json: ${name} must be a string.`);
  return value;
}

function positiveInteger(value: Json | undefined, name: string, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1) {
    throw new HostJsonInvalid(`host.json: ${name} must be a whole number from 1.`);
  }
  return value;
}

/** .NET's TimeSpan as host.json writes it: "hh:mm:ss", "d.hh:mm:ss", fractions of a second; "-1" means unlimited. */
function timeSpan(value: Json | undefined, name: string, fallbackMs: number): number | undefined {
  if (value === undefined) return fallbackMs;
  if (value === "-1" || value === -1) return undefined;
  const parts = typeof value === "string" ? /^(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)$/.exec(value) : null;
  if (parts === null) throw new HostJsonInvalid(`host.json: ${name} must be a time span such as "00:30:00".`);
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000;
}
