/**
 * Where the contract suites run besides the local emulators: real Azure, when the environment names an account that
 * may be used for tests. What they create there has a random name and is removed again.
 */
export const AZURE_SETTINGS = {
  /** Connection string of a Service Bus namespace (Standard), with Manage rights: the suite makes its queues. */
  "Service Bus": "AZURE_SERVICEBUS",
  /** Connection string of a Cosmos DB account: the suite makes its database. */
  "Cosmos DB": "AZURE_COSMOS",
} as const;

export type Service = keyof typeof AZURE_SETTINGS;
type Env = Readonly<Record<string, string | undefined>>;

/** The connection string to test a service with; undefined: its suite runs against the local emulator alone. */
export function azureConnection(service: Service, env: Env = process.env): string | undefined {
  return env[AZURE_SETTINGS[service]] || undefined;
}

/** What a run has to say about suites that it left out; a line each. */
export function notRun(env: Env = process.env): string[] {
  return Object.entries(AZURE_SETTINGS)
    .filter(([service]) => azureConnection(service as Service, env) === undefined)
    .map(
      ([service, setting]) =>
        `Not run: the ${service} contract suite against real Azure (${setting} is not set).`,
    );
}
