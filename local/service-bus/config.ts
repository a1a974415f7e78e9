import { checkQueues } from "./config-check.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { type QueueSettings, queueSettings } from "./queue-settings.ts";

/** The configuration asks for what is unknown or cannot be had; every fault is in the message. */
export class ConfigInvalid extends Error {
  override readonly name = "ConfigInvalid";
  readonly faults: readonly string[];

  constructor(what: string, faults: readonly string[]) {
    super(`${what}:\n${faults.map((fault) => `  - ${fault}`).join("\n")}`);
    this.faults = faults;
  }
}

type Read = (value: unknown, where: string, faults: string[]) => Partial<QueueSettings>;

const bool =
  (key: keyof QueueSettings): Read =>
  (value, where, faults) => {
    if (typeof value === "boolean") return { [key]: value };
    faults.push(`${where} must be true or false`);
    return {};
  };
const duration =
  (key: keyof QueueSettings): Read =>
  (value, where, faults) => {
    const ms = typeof value === "string" ? parseDuration(value) : undefined;
    if (ms !== undefined) return { [key]: ms };
    faults.push(`${where} must be an ISO 8601 duration such as "PT1M"`);
    return {};
  };
const count =
  (key: keyof QueueSettings): Read =>
  (value, where, faults) => {
    if (typeof value === "number" && Number.isInteger(value)) return { [key]: value };
    faults.push(`${where} must be a whole number`);
    return {};
  };
/** "" means "none" in the official file. */
const queueName =
  (key: keyof QueueSettings): Read =>
  (value, where, faults) => {
    if (typeof value === "string") return value === "" ? {} : { [key]: value };
    faults.push(`${where} must be the name of a queue`);
    return {};
  };
const seconds =
  (key: keyof QueueSettings): Read =>
  (value, where, faults) => {
    if (value === null) return {};
    if (typeof value === "number" && value > 0) return { [key]: value * 1_000 };
    faults.push(`${where} must be a number of seconds, or null`);
    return {};
  };

const CONFIG_PROPERTIES: Record<string, Read> = {
  DeadLetteringOnMessageExpiration: bool("deadLetteringOnExpiration"),
  DefaultMessageTimeToLive: duration("defaultTtlMs"),
  DuplicateDetectionHistoryTimeWindow: duration("duplicateWindowMs"),
  ForwardDeadLetteredMessagesTo: queueName("forwardDeadLetteredTo"),
  ForwardTo: queueName("forwardTo"),
  LockDuration: duration("lockDurationMs"),
  MaxDeliveryCount: count("maxDeliveryCount"),
  RequiresDuplicateDetection: bool("requiresDuplicateDetection"),
  RequiresSession: bool("requiresSession"),
};

const RESOURCE_PROPERTIES: Record<string, Read> = {
  lock_duration_seconds: seconds("lockDurationMs"),
  max_delivery_count: count("maxDeliveryCount"),
  default_ttl_seconds: seconds("defaultTtlMs"),
  requires_duplicate_detection: bool("requiresDuplicateDetection"),
  duplicate_detection_window_seconds: seconds("duplicateWindowMs"),
  requires_session: bool("requiresSession"),
  dead_lettering_on_expiration: bool("deadLetteringOnExpiration"),
  forward_to: queueName("forwardTo"),
  forward_dead_lettered_to: queueName("forwardDeadLetteredTo"),
};

/** Queues of the official Service Bus emulator's Config.json. Throws ConfigInvalid with every fault. */
export function queuesFromConfig(json: unknown): QueueSettings[] {
  const faults: string[] = [];
  const queues: QueueSettings[] = [];
  const root = members(json, "the file", ["UserConfig"], faults);
  const user = members(root.UserConfig, "UserConfig", ["Namespaces", "Logging"], faults);
  if (user.Logging !== undefined) {
    const logging = members(user.Logging, "UserConfig.Logging", ["Type"], faults);
    if (!["File", "Console", "File,Console", "Console,File"].includes(String(logging.Type))) {
      faults.push(`UserConfig.Logging.Type must be "File", "Console" or "Console,File"`);
    }
  }
  const namespaces = list(user.Namespaces, "UserConfig.Namespaces", faults);
  if (namespaces.length > 1) faults.push("UserConfig.Namespaces: one namespace only");
  for (const [n, value] of namespaces.entries()) {
    const where = `UserConfig.Namespaces[${n}]`;
    const namespace = members(value, where, ["Name", "Queues", "Topics"], faults);
    if (list(namespace.Topics ?? [], `${where}.Topics`, faults).length > 0) {
      faults.push(`${where}.Topics: topics are not supported`);
    }
    for (const [q, queue] of list(namespace.Queues ?? [], `${where}.Queues`, faults).entries()) {
      const here = `${where}.Queues[${q}]`;
      const { Name, Properties = {} } = members(queue, here, ["Name", "Properties"], faults);
      queues.push(read(Name, Properties, CONFIG_PROPERTIES, here, `${here}.Properties`, faults));
    }
  }
  return checked("Service Bus Config.json", queues, faults);
}

/** Queues of infra/resources.json (`service_bus.queues`). Throws ConfigInvalid with every fault. */
export function queuesFromResources(json: unknown): QueueSettings[] {
  const faults: string[] = [];
  const serviceBus = isObject(json) ? json.service_bus : undefined;
  const declared = list(isObject(serviceBus) ? serviceBus.queues : undefined, "service_bus.queues", faults);
  const queues = declared.map((value, q) => {
    const here = `service_bus.queues[${q}]`;
    const { name, ...properties } = isObject(value) ? value : {};
    return read(name, properties, RESOURCE_PROPERTIES, here, here, faults);
  });
  return checked("infra/resources.json", queues, faults);
}

/** The official emulator's Config.json for these queues. */
export function configFromQueues(queues: readonly QueueSettings[]): unknown {
  return {
    UserConfig: {
      Namespaces: [
        {
          Name: "sbemulatorns",
          Queues: queues.map((queue) => ({
            Name: queue.name,
            Properties: {
              DeadLetteringOnMessageExpiration: queue.deadLetteringOnExpiration,
              DefaultMessageTimeToLive: formatDuration(queue.defaultTtlMs),
              DuplicateDetectionHistoryTimeWindow: formatDuration(queue.duplicateWindowMs),
              ForwardDeadLetteredMessagesTo: queue.forwardDeadLetteredTo ?? "",
              ForwardTo: queue.forwardTo ?? "",
              LockDuration: formatDuration(queue.lockDurationMs),
              MaxDeliveryCount: queue.maxDeliveryCount,
              RequiresDuplicateDetection: queue.requiresDuplicateDetection,
              RequiresSession: queue.requiresSession,
            },
          })),
          Topics: [],
        },
      ],
      Logging: { Type: "File" },
    },
  };
}

function checked(what: string, queues: readonly QueueSettings[], faults: string[]): QueueSettings[] {
  faults.push(...checkQueues(queues));
  if (faults.length > 0) throw new ConfigInvalid(what, faults);
  return [...queues];
}

function read(
  name: unknown,
  properties: unknown,
  known: Record<string, Read>,
  here: string,
  where: string,
  faults: string[],
): QueueSettings {
  if (typeof name !== "string") faults.push(`${here}: the name is missing`);
  const changes: Partial<QueueSettings> = {};
  for (const [key, value] of Object.entries(members(properties, where, Object.keys(known), faults))) {
    const reader = Object.hasOwn(known, key) ? known[key] : undefined;
    if (reader !== undefined) Object.assign(changes, reader(value, `${where}.${key}`, faults));
  }
  return queueSettings(typeof name === "string" ? name : "", changes);
}

function members(
  value: unknown,
  where: string,
  known: readonly string[],
  faults: string[],
): Record<string, unknown> {
  if (!isObject(value)) {
    faults.push(`${where} must be an object`);
    return {};
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) faults.push(`${where}.${key}: this setting is not known here`);
  }
  return value;
}

function list(value: unknown, where: string, faults: string[]): unknown[] {
  if (Array.isArray(value)) return value;
  faults.push(`${where} must be a list`);
  return [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
