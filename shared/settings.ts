import { z } from "zod";
import type { FileLimits } from "./files/upload.ts";
import { nearMiss } from "./near-miss.ts";
import { type AddressPolicy, privateHost } from "./webhook/address.ts";

/** App settings: read from the environment once, at the start, by functions/index.ts alone. */
export interface Settings {
  readonly modelsFile: string;
  readonly tenantsFile: string;
  readonly serviceBus: ServiceBusConnection;
  readonly cosmos: CosmosConnection;
  /** Undefined: API keys only. */
  readonly entra: { readonly issuer: string; readonly audience: string } | undefined;
  /** SHA-256 of the first operator's key, in hex; undefined: operators stand in the tenants file alone. */
  readonly operatorKeySha256: string | undefined;
  readonly leaseSeconds: number;
  readonly sweepSeconds: number;
  readonly maxAttempts: number;
  /** Calls of deployments that one instance runs at once. */
  readonly maxCalls: number;
  /** Of one instance's memory, what requests' bodies may take at the door, and again those of running calls. */
  readonly bodyMemoryBytes: number;
  readonly defaultDeadlineSeconds: number;
  readonly maxDeadlineSeconds: number;
  readonly contentRetentionDays: number;
  /** 0: audit records are kept for ever. */
  readonly auditRetentionDays: number;
  /** Requests of tenants that one instance works on at once; more are answered 429. */
  readonly maxRequestsInFlight: number;
  /** Calls that one instance holds until a job's end, besides; one more ends the wait of another. */
  readonly maxHeldCalls: number;
  /** Of a tenant's files; `bytesPerSecond`: what one instance writes of all tenants'. */
  readonly files: FileLimits & { readonly bytesPerSecond: number };
  readonly maxBatchLines: number;
  /** Submits a second of a tenant without limits of its own, on one instance; 0: no limit. */
  readonly submitsPerSecond: number;
  /** Hosts on a private network that webhooks may go to; none, unless an operator names them. */
  readonly webhookPrivateHosts: AddressPolicy["privateHosts"];
  /** How this process is called in audit records, reports and logs. */
  readonly instance: string;
  /** Where telemetry goes, and the share of jobs that are traced, 0 to 1. */
  readonly telemetry: { readonly to: "nowhere" | "collector" | "lines"; readonly share: number };
  /** The console's own application in Entra; undefined: people sign in with keys alone. */
  readonly consoleClientId: string | undefined;
  /** Whether Service Bus and Cosmos DB are emulators, so that the local stack's well-known keys are accepted. */
  readonly local: boolean;
}

/** By connection string, or by identity. `clientId`: of a user-assigned managed identity. */
export type ServiceBusConnection =
  | { readonly kind: "connection_string"; readonly connectionString: string }
  | {
      readonly kind: "identity";
      readonly fullyQualifiedNamespace: string;
      readonly clientId: string | undefined;
    };
export type CosmosConnection =
  | { readonly kind: "connection_string"; readonly connectionString: string }
  | { readonly kind: "identity"; readonly accountEndpoint: string; readonly clientId: string | undefined };

/** A timer's NCRONTAB can say «every N seconds» only where N divides a minute, or «every N minutes» of an hour. */
function isTimerInterval(seconds: number): boolean {
  return seconds < 60 ? 60 % seconds === 0 : seconds % 60 === 0 && 3600 % seconds === 0;
}

const whole = (what: { min: number; max: number; default: number }) =>
  z
    .string()
    .regex(/^\d{1,9}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().min(what.min).max(what.max))
    .default(what.default);

const text = z.string().trim().min(1);

/** Every setting of the app, with its default where it has one. An empty value counts as absent. */
export const settingsSchema = z.object({
  MODELS_FILE: text.default("models.json"),
  TENANTS_FILE: text.default("tenants.json"),
  SERVICEBUS: text.optional(),
  SERVICEBUS__fullyQualifiedNamespace: text.optional(),
  SERVICEBUS__clientId: text.optional(),
  COSMOS: text.optional(),
  COSMOS__accountEndpoint: z.url().optional(),
  COSMOS__clientId: text.optional(),
  AUTH_ISSUER: z.url().optional(),
  AUTH_AUDIENCE: text.optional(),
  CONSOLE_CLIENT_ID: text.optional(),
  OPERATOR_KEY_SHA256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in 64 lower-case hex digits")
    .optional(),
  LEASE_SECONDS: whole({ min: 1, max: 300, default: 20 }),
  SWEEP_SECONDS: whole({ min: 1, max: 1800, default: 5 }).refine(isTimerInterval, {
    message: "must divide 60, or be whole minutes that divide 60 minutes",
  }),
  MAX_ATTEMPTS: whole({ min: 1, max: 100, default: 5 }),
  MAX_CALLS: whole({ min: 1, max: 10_000, default: 512 }),
  BODY_MEMORY_MB: whole({ min: 32, max: 65_536, default: 256 }),
  DEFAULT_DEADLINE_SECONDS: whole({ min: 1, max: 31_536_000, default: 86_400 }),
  MAX_DEADLINE_SECONDS: whole({ min: 1, max: 31_536_000, default: 604_800 }),
  CONTENT_RETENTION_DAYS: whole({ min: 1, max: 3650, default: 30 }),
  AUDIT_RETENTION_DAYS: whole({ min: 0, max: 36_500, default: 0 }),
  MAX_REQUESTS_IN_FLIGHT: whole({ min: 1, max: 100_000, default: 400 }),
  MAX_HELD_CALLS: whole({ min: 1, max: 100_000, default: 600 }),
  MAX_BATCH_LINES: whole({ min: 1, max: 1_000_000, default: 100_000 }),
  MAX_FILE_MB: whole({ min: 1, max: 512, default: 200 }),
  FILES_PER_TENANT: whole({ min: 1, max: 100_000, default: 500 }),
  FILES_MB_PER_TENANT: whole({ min: 1, max: 1_000_000, default: 10_240 }),
  FILES_MB_PER_SECOND: whole({ min: 1, max: 1_000, default: 16 }),
  SUBMITS_PER_SECOND: whole({ min: 0, max: 1_000_000, default: 200 }),
  WEBHOOK_PRIVATE_HOSTS: text.default("").transform((list, context) =>
    list.split(",").flatMap((each) => {
      const host = each.trim() === "" ? undefined : privateHost(each.trim());
      if (host === undefined && each.trim() !== "")
        context.addIssue("must be hosts, each with its port unless that is 443, with commas between");
      return host === undefined ? [] : [host];
    }),
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  OTEL_TRACES_EXPORTER: text.optional(),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(0|1|0?\.\d{1,6}|[01]\.0*)$/, "must be a share, 0 to 1")
    .transform(Number)
    .default(0.1),
  OTEL_SDK_DISABLED: text.optional(),
  WEBSITE_INSTANCE_ID: text.optional(),
  WEBSITE_POD_NAME: text.optional(),
  CONTAINER_NAME: text.optional(),
});

export type Environment = Readonly<Record<string, string | undefined>>;

/** @param random hex digits that no other process has */
export function parseSettings(
  environment: Environment,
  random: () => string,
): { settings: Settings } | { faults: string[] } {
  const present = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));
  const parsed = settingsSchema.safeParse(present);
  const faults = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `setting ${issue.path.join(".")}: ${issue.message}`);
  faults.push(...misspelt(Object.keys(present)));
  const serviceBus = serviceBusOf(present, faults);
  const cosmos = cosmosOf(present, faults);
  const entra = entraOf(present, faults);
  const s = parsed.data;
  if (s !== undefined && s.DEFAULT_DEADLINE_SECONDS > s.MAX_DEADLINE_SECONDS) {
    faults.push("setting DEFAULT_DEADLINE_SECONDS: is over MAX_DEADLINE_SECONDS");
  }
  const auditDays = s?.AUDIT_RETENTION_DAYS ?? 0;
  if (s !== undefined && auditDays !== 0 && auditDays < s.CONTENT_RETENTION_DAYS) {
    faults.push(
      "setting AUDIT_RETENTION_DAYS: is below CONTENT_RETENTION_DAYS; the trail must outlive the content",
    );
  }
  if (s === undefined || serviceBus === undefined || cosmos === undefined || faults.length > 0) {
    return { faults };
  }
  const settings: Settings = {
    modelsFile: s.MODELS_FILE,
    tenantsFile: s.TENANTS_FILE,
    serviceBus,
    cosmos,
    entra,
    consoleClientId: present.CONSOLE_CLIENT_ID,
    operatorKeySha256: s.OPERATOR_KEY_SHA256,
    leaseSeconds: s.LEASE_SECONDS,
    sweepSeconds: s.SWEEP_SECONDS,
    maxAttempts: s.MAX_ATTEMPTS,
    maxCalls: s.MAX_CALLS,
    bodyMemoryBytes: s.BODY_MEMORY_MB * 1024 * 1024,
    defaultDeadlineSeconds: s.DEFAULT_DEADLINE_SECONDS,
    maxDeadlineSeconds: s.MAX_DEADLINE_SECONDS,
    contentRetentionDays: s.CONTENT_RETENTION_DAYS,
    auditRetentionDays: s.AUDIT_RETENTION_DAYS,
    maxRequestsInFlight: s.MAX_REQUESTS_IN_FLIGHT,
    maxHeldCalls: s.MAX_HELD_CALLS,
    files: {
      ...{ maxFileBytes: s.MAX_FILE_MB * 1e6, maxFiles: s.FILES_PER_TENANT },
      ...{ maxBytes: s.FILES_MB_PER_TENANT * 1e6, bytesPerSecond: s.FILES_MB_PER_SECOND * 1e6 },
    },
    maxBatchLines: s.MAX_BATCH_LINES,
    submitsPerSecond: s.SUBMITS_PER_SECOND,
    webhookPrivateHosts: s.WEBHOOK_PRIVATE_HOSTS,
    instance: instanceOf(s.WEBSITE_INSTANCE_ID ?? s.WEBSITE_POD_NAME ?? s.CONTAINER_NAME, random()),
    telemetry: {
      to: telemetryOf(s.OTEL_SDK_DISABLED, s.OTEL_TRACES_EXPORTER, s.OTEL_EXPORTER_OTLP_ENDPOINT),
      share: s.OTEL_TRACES_SAMPLER_ARG,
    },
    local: isEmulated(serviceBus, cosmos),
  };
  return { settings };
}

const ON_LOOPBACK = /(^|;)AccountEndpoint=https?:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?(\/|;|$)/i;

/** What is stored in an account of one's own is not for keys that anybody can read. */
function isEmulated(serviceBus: ServiceBusConnection, cosmos: CosmosConnection): boolean {
  if (serviceBus.kind !== "connection_string" || cosmos.kind !== "connection_string") return false;
  const isEmulator = /(^|;)UseDevelopmentEmulator=true(;|$)/.test(serviceBus.connectionString);
  return isEmulator && ON_LOOPBACK.test(cosmos.connectionString);
}

/** By OpenTelemetry's own settings: nowhere, unless one of them says where. */
function telemetryOf(disabled = "", exporter = "", endpoint = ""): Settings["telemetry"]["to"] {
  if (disabled.toLowerCase() === "true") return "nowhere";
  if (exporter === "console") return "lines";
  return endpoint === "" ? "nowhere" : "collector";
}

/** The platform's own variables are many: only what is like a setting of some length is taken for one misspelt. */
const LEAST_MISSPELT_CHARS = 10;

function misspelt(names: readonly string[]): string[] {
  const own = Object.keys(settingsSchema.shape);
  const long = own.filter((name) => name.length >= LEAST_MISSPELT_CHARS);
  return names.flatMap((name) => {
    const meant = own.includes(name) ? undefined : nearMiss(name, long);
    return meant === undefined ? [] : [`setting ${name}: there is none; is it ${meant}?`];
  });
}

/** One for each process: several may share the platform's name for their instance, at the same time or in turns. */
function instanceOf(platforms: string | undefined, random: string): string {
  return platforms === undefined ? random : `${platforms.slice(-12)}-${random.slice(0, 4)}`;
}

function serviceBusOf(env: Environment, faults: string[]): ServiceBusConnection | undefined {
  const { SERVICEBUS: connectionString, SERVICEBUS__fullyQualifiedNamespace: fullyQualifiedNamespace } = env;
  if (connectionString !== undefined && fullyQualifiedNamespace !== undefined) {
    faults.push("settings SERVICEBUS and SERVICEBUS__fullyQualifiedNamespace: set one of the two");
  } else if (connectionString !== undefined) {
    if (/(^|;)Endpoint=sb:\/\/[^;]+/i.test(connectionString))
      return { kind: "connection_string", connectionString };
    faults.push("setting SERVICEBUS: is not a connection string with Endpoint=sb://…");
  } else if (fullyQualifiedNamespace !== undefined) {
    return { kind: "identity", fullyQualifiedNamespace, clientId: env.SERVICEBUS__clientId };
  } else faults.push("setting SERVICEBUS or SERVICEBUS__fullyQualifiedNamespace: is missing");
  return undefined;
}

/** How to reach Cosmos DB; undefined after a fault, which is added to `faults`. */
export function cosmosOf(env: Environment, faults: string[]): CosmosConnection | undefined {
  const { COSMOS: connectionString, COSMOS__accountEndpoint: accountEndpoint } = env;
  if (connectionString !== undefined && accountEndpoint !== undefined) {
    faults.push("settings COSMOS and COSMOS__accountEndpoint: set one of the two");
  } else if (connectionString !== undefined) {
    const parts =
      /(^|;)AccountEndpoint=https?:\/\/[^;]+/i.test(connectionString) &&
      /(^|;)AccountKey=[^;]+/i.test(connectionString);
    if (parts) return { kind: "connection_string", connectionString };
    faults.push("setting COSMOS: is not a connection string with AccountEndpoint=http…;AccountKey=…");
  } else if (accountEndpoint !== undefined) {
    return { kind: "identity", accountEndpoint, clientId: env.COSMOS__clientId };
  } else faults.push("setting COSMOS or COSMOS__accountEndpoint: is missing");
  return undefined;
}

function entraOf(env: Environment, faults: string[]): Settings["entra"] {
  const { AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience } = env;
  if (issuer === undefined && audience === undefined) return undefined;
  if (issuer !== undefined && audience !== undefined) return { issuer, audience };
  faults.push("settings AUTH_ISSUER and AUTH_AUDIENCE: set both or neither");
  return undefined;
}

/** The sweeper's timer. @param seconds as SWEEP_SECONDS allows */
export function sweepSchedule(seconds: number): string {
  return seconds < 60 ? `*/${seconds} * * * * *` : `0 */${seconds / 60} * * * *`;
}

/** How long a nudge may take before the sweeper sends another: a sweep would only race a fresh one. */
export function nudgeGraceMs(settings: Pick<Settings, "leaseSeconds" | "sweepSeconds">): number {
  return 1000 * Math.max(settings.leaseSeconds, 2 * settings.sweepSeconds);
}
