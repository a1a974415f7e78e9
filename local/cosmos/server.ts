import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { type Clock, systemClock } from "../clock.ts";
import { createAuthorization, EMULATOR_KEY } from "./authorization.ts";
import { refuseBinaryJson } from "./binary-json.ts";
import { CosmosError } from "./cosmos-error.ts";
import { createEntra, type EntraOptions } from "./entra.ts";
import type { CosmosFaultPlan } from "./fault-plan.ts";
import { FaultyOperations } from "./faulty-operations.ts";
import { answer, bodyOf, Gone, refuseGarbage } from "./http-io.ts";
import { inHybridRows, jsonBatch } from "./hybrid-batch.ts";
import { isHybridRow } from "./hybrid-row.ts";
import { Operations } from "./operations.ts";
import type { ContainerResource, CosmosResources } from "./resources.ts";
import { byName } from "./rid-route.ts";
import { routeOf } from "./route.ts";
import { CosmosStore } from "./store.ts";
import { storeFailure } from "./store-failure.ts";

export interface CosmosOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** A path, or `:memory:`. */
  readonly databaseFile: string;
  /** Base64; the well-known emulator key where it is left out. */
  readonly key?: string;
  /** Entra tokens are taken besides the key. */
  readonly entra?: EntraOptions;
  /** Made at the start where they are not there yet. */
  readonly resources?: CosmosResources;
  readonly clock?: Clock;
  /** The file can grow no further, as on a full disk: for tests. */
  readonly maxDatabasePages?: number;
  readonly log?: (line: string) => void;
  readonly faults?: CosmosFaultPlan;
}

export interface RunningCosmos {
  readonly port: number;
  /** Operations and request units by kind, since the start. */
  counters(): Record<string, number>;
  /** Takes the place of the plan before; its operations are those of `FAULT_OPERATIONS`. */
  setFaults(plan: CosmosFaultPlan): void;
  close(): Promise<void>;
}

const KEEP_ALIVE_MS = 120_000;
const NO_BODY = Buffer.alloc(0);

/** Cosmos DB's REST interface on this machine, for the official SDK. */
export async function startCosmos(options: CosmosOptions): Promise<RunningCosmos> {
  const clock = options.clock ?? systemClock;
  const log = options.log ?? (() => undefined);
  const consistency = options.resources?.consistency ?? "Session";
  const store = new CosmosStore(options.databaseFile, clock, options.maxDatabasePages);
  if (options.resources !== undefined) await makeResources(store, options.resources);
  const operations = new Operations({ store, clock, consistency, address: () => address(server) });
  const verifyToken = options.entra === undefined ? undefined : createEntra(options.entra);
  const authorize = createAuthorization(options.key ?? EMULATOR_KEY, verifyToken);
  const expiry = sweepWhenDue(store, clock, log);
  const faulty = new FaultyOperations(operations, clock, (keep) => store.keepHistory(keep));
  if (options.faults !== undefined) faulty.set(options.faults);

  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true }, (request, response) => {
    serve(request, response).catch((thrown: unknown) => {
      if (thrown instanceof Gone) return void response.destroy();
      answer(request, response, operations.answers.refusal(asCosmosError(thrown, request, log)));
    });
  });
  server.on("clientError", (error, socket) => refuseGarbage(error, socket as Socket, log));

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers } = request;
    const route = byName(routeOf(request.method ?? "", request.url ?? "/"), store);
    const pending = authorize(route, headers.authorization, String(headers["x-ms-date"] ?? ""));
    if (pending !== undefined) await pending;
    const bytes = request.method === "GET" || request.method === "DELETE" ? NO_BODY : await bodyOf(request);
    refuseBinaryJson(bytes);
    const inRows = isHybridRow(bytes);
    const body = inRows ? jsonBatch(bytes) : String(bytes);
    const answered = await faulty.run({ route, headers, body });
    expiry.look();
    if (answered === undefined) request.socket.destroy();
    else answer(request, response, inRows ? inHybridRows(answered) : answered);
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", resolve);
  });
  return {
    port: address(server).port,
    counters: () => ({ ...operations.answers.counters(), faults: faulty.injected }),
    setFaults: (plan) => faulty.set(plan),
    async close() {
      expiry.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      store.close();
    },
  };
}

const address = (server: Server): AddressInfo => server.address() as AddressInfo;

/** Makes what is missing; a container that is there keeps its items, and gets the indexes it should have by now. */
async function makeResources(store: CosmosStore, resources: CosmosResources): Promise<void> {
  await store.commits.run(() => {
    if (!store.hasDatabase(resources.database)) store.createDatabase(resources.database);
    const there = new Map(
      store.containers(resources.database).map(({ definition }) => [definition.id, definition]),
    );
    for (const resource of resources.containers) {
      const wanted = definitionOf(resource);
      const found = there.get(wanted.id);
      if (found === undefined) store.createContainer(resources.database, wanted);
      else if (!isDeepStrictEqual(found.indexingPolicy, wanted.indexingPolicy))
        store.replaceContainer(resources.database, { ...found, indexingPolicy: wanted.indexingPolicy });
    }
  });
}

function definitionOf({ name, partition_key, default_ttl_seconds, indexing }: ContainerResource) {
  return {
    id: name,
    partitionKey: {
      paths: partition_key,
      kind: partition_key.length > 1 ? "MultiHash" : "Hash",
      version: 2,
    },
    ...(default_ttl_seconds === null ? {} : { defaultTtl: default_ttl_seconds }),
    indexingPolicy: {
      includedPaths: indexing.included.map((path) => ({ path })),
      excludedPaths: indexing.excluded.map((path) => ({ path })),
      compositeIndexes: indexing.composite,
    },
  };
}

/** Expired items are hidden at once by every read; they are removed when the next one is due. */
function sweepWhenDue(store: CosmosStore, clock: Clock, log: (line: string) => void) {
  let cancel: (() => void) | undefined;
  let due = Number.POSITIVE_INFINITY;
  let stopped = false;
  const sweep = () => {
    cancel = undefined;
    due = Number.POSITIVE_INFINITY;
    store.commits
      .run(() => store.sweep())
      .then(arm, (thrown) => log(`cosmos: expired items stay: ${String(thrown)}`));
  };
  const arm = (at: number | undefined) => {
    if (stopped || at === undefined || at >= due) return;
    cancel?.();
    due = at;
    cancel = clock.after(at - clock.now(), sweep);
  };
  sweep();
  return {
    look: () => arm(store.takeNextExpiry()),
    stop: () => {
      stopped = true;
      cancel?.();
    },
  };
}

/** What went wrong inside is said and logged: a full disk, a damaged file. */
function asCosmosError(thrown: unknown, request: IncomingMessage, log: (line: string) => void): CosmosError {
  if (thrown instanceof CosmosError) return thrown;
  const failure = storeFailure(thrown);
  const why = thrown instanceof Error && failure === undefined ? thrown.stack : failure;
  log(`cosmos: ${request.method} ${request.url}: ${why ?? String(thrown)}`);
  return new CosmosError(500, failure ?? `The emulator failed: ${String(thrown)}`);
}
