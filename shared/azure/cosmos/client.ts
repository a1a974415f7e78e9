import { Agent } from "node:http";
import { CosmosClient, type Database, type TokenProvider } from "@azure/cosmos";
import type { TokenCredential } from "@azure/identity";
import { reasonOf } from "../../log.ts";
import type { CosmosConnection } from "../../settings.ts";
import { StoreUnavailable } from "../../store.ts";
import { keySigner } from "./key.ts";
import { type Charged, undiciHttpClient } from "./undici-http-client.ts";
import { withinTime } from "./within-time.ts";

/** Names as in infra/resources.json. */
export const DATABASE = "switchyard";
export const JOBS_CONTAINER = "jobs";
export const CONTROL_CONTAINER = "control";
export const FILES_CONTAINER = "files";

/**
 * One operation with all its retries. The SDK alone would try a refused connection for two minutes; a client that
 * submits, and a nudge, are better told.
 */
const OPERATION_TIMEOUT_MS = 5_000;

/** One client for the process: it holds the connections and, under Session consistency, the session tokens. */
export function openDatabase(
  connection: CosmosConnection,
  credential: (clientId: string | undefined) => TokenCredential,
  charged?: Charged,
): { database: Database; dispose: () => void } {
  const connectionPolicy = {
    requestTimeout: OPERATION_TIMEOUT_MS,
    retryOptions: {
      maxRetryAttemptCount: 9,
      fixedRetryIntervalInMilliseconds: 0,
      maxWaitTimeInSeconds: OPERATION_TIMEOUT_MS / 1000,
    },
  };
  const { httpClient, close } = undiciHttpClient(charged);
  // Nobody uses the agent. Without one the SDK parses the URL of each request, to choose one of its own.
  const options = { connectionPolicy, httpClient, agent: new Agent() };
  const client =
    connection.kind === "connection_string"
      ? new CosmosClient({ ...endpointAndSigner(connection.connectionString), ...options })
      : new CosmosClient({
          endpoint: connection.accountEndpoint,
          aadCredentials: credential(connection.clientId),
          ...options,
        });
  const dispose = () => {
    client.dispose();
    void close();
  };
  return { database: client.database(DATABASE), dispose };
}

function endpointAndSigner(connectionString: string): { endpoint: string; tokenProvider: TokenProvider } {
  const part = (name: string) => new RegExp(`(?:^|;)${name}=([^;]+)`, "i").exec(connectionString)?.[1] ?? "";
  return { endpoint: part("AccountEndpoint"), tokenProvider: keySigner(part("AccountKey")) };
}

/** Statuses that say the program is wrong, not the cloud: these are thrown as they come. */
const BUGS = new Set([400, 413]);

/** The HTTP status in whatever the SDK threw; undefined for a connection that failed or timed out. */
export function statusOf(thrown: unknown): number | undefined {
  for (let error = thrown; error instanceof Object; error = (error as { cause?: unknown }).cause) {
    const code = Number((error as { code?: unknown }).code);
    if (Number.isInteger(code) && code >= 100) return code;
  }
  return undefined;
}

/** Runs one operation within its time. Whatever a cloud can do to it becomes StoreUnavailable. */
export async function storeOperation<T>(
  what: string,
  run: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    return await withinTime(OPERATION_TIMEOUT_MS, run);
  } catch (thrown) {
    const status = statusOf(thrown);
    if (status !== undefined && BUGS.has(status)) throw thrown;
    throw new StoreUnavailable(`${what}: ${status ?? ""} ${reasonOf(thrown)}`, { cause: thrown });
  }
}
