import { type Container, CosmosClient, type Database } from "@azure/cosmos";
import { ManualClock } from "../../../local/clock.ts";
import { EMULATOR_KEY } from "../../../local/cosmos/authorization.ts";
import { type CosmosOptions, type RunningCosmos, startCosmos } from "../../../local/cosmos/server.ts";

/** A local Cosmos DB and the official client for it. */
export interface World {
  readonly clock: ManualClock;
  readonly cosmos: RunningCosmos;
  readonly client: CosmosClient;
  readonly database: Database;
  /** A new container; keys `/t` and `/j` unless told otherwise. */
  container(paths?: string[], more?: object): Promise<Container>;
  close(): Promise<void>;
}

let names = 0;

export async function openWorld(options: Partial<CosmosOptions> = {}): Promise<World> {
  const clock = new ManualClock();
  const cosmos = await startCosmos({ port: 0, databaseFile: ":memory:", clock, ...options });
  const client = clientOf(cosmos.port);
  const { database } = await client.databases.createIfNotExists({ id: "test" });
  return {
    ...{ clock, cosmos, client, database },
    async container(paths = ["/t", "/j"], more = {}) {
      const partitionKey = { paths, kind: paths.length > 1 ? "MultiHash" : "Hash", version: 2 };
      const { container } = await database.containers.create({
        id: `c${++names}`,
        partitionKey,
        ...more,
      } as never);
      return container;
    },
    async close() {
      client.dispose();
      await cosmos.close();
    },
  };
}

export const clientOf = (port: number, key = EMULATOR_KEY, more: object = {}) =>
  new CosmosClient({
    endpoint: `http://127.0.0.1:${port}/`,
    key,
    connectionPolicy: {
      // With it, the SDK tries a request 120 times, a second apart, while the emulator is away.
      enableEndpointDiscovery: false,
      retryOptions: { maxRetryAttemptCount: 0, fixedRetryIntervalInMilliseconds: 1, maxWaitTimeInSeconds: 1 },
    },
    ...more,
  });

/** A client that keeps session tokens and sends them with its reads. */
export const sessionClientOf = (port: number) =>
  clientOf(port, EMULATOR_KEY, { consistencyLevel: "Session" });

/** The HTTP status a call ends with. */
export async function statusOf(
  call: Promise<{ statusCode?: number | undefined; code?: number | undefined }>,
): Promise<number | undefined> {
  try {
    const answer = await call;
    return answer.statusCode ?? answer.code;
  } catch (thrown) {
    // A refused batch is thrown as a plain Error, with the status in its cause.
    const { code, cause } = thrown as { code?: unknown; cause?: { code?: unknown } };
    return Number(code ?? cause?.code);
  }
}
