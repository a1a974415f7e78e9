import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "../clock.ts";
import type { Answer } from "./answers.ts";
import { createAuthorization, EMULATOR_KEY } from "./authorization.ts";
import { CosmosError } from "./cosmos-error.ts";
import type { CosmosFaultPlan } from "./fault-plan.ts";
import { FaultyOperations } from "./faulty-operations.ts";
import { Operations } from "./operations.ts";
import type { CosmosResources } from "./resources.ts";
import { routeOf } from "./route.ts";
import { CosmosStore } from "./store.ts";

export interface CosmosOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** A path, or `:memory:`. */
  readonly databaseFile: string;
  /** Base64; the well-known emulator key where it is left out. */
  readonly key?: string;
  /** Made at the start where they are not there yet. */
  readonly resources?: CosmosResources;
  readonly clock?: Clock;
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

/** A batch of 2 MB, with its envelope. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;
const KEEP_ALIVE_MS = 120_000;

/** Cosmos DB's REST interface on this machine, for the official SDK. */
export async function startCosmos(options: CosmosOptions): Promise<RunningCosmos> {
  const clock = options.clock ?? systemClock;
  const log = options.log ?? (() => undefined);
  const consistency = options.resources?.consistency ?? "Session";
  const store = new CosmosStore(options.databaseFile, clock);
  if (options.resources !== undefined) await makeResources(store, options.resources);
  const operations = new Operations({ store, clock, consistency, address: () => address(server) });
  const authorize = createAuthorization(options.key ?? EMULATOR_KEY);
  const expiry = sweepWhenDue(store, clock, log);
  const faulty = new FaultyOperations(operations, clock, (keep) => store.keepHistory(keep));
  if (options.faults !== undefined) faulty.set(options.faults);

  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true }, (request, response) => {
    serve(request, response).catch((thrown: unknown) => {
      const error = thrown instanceof CosmosError ? thrown : new CosmosError(500, String(thrown));
      if (error.status === 500)
        log(`cosmos: ${request.method} ${request.url}: ${thrown instanceof Error ? thrown.stack : thrown}`);
      answer(response, operations.answers.refusal(error));
    });
  });
  server.on("clientError", (error, socket) => {
    log(`cosmos: a request that is no HTTP: ${error.message}`);
    socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const route = routeOf(request.method ?? "", request.url ?? "/");
    authorize({
      verb: route.verb,
      resourceType: route.resourceType,
      resourceLink: route.resourceLink,
      date: String(request.headers["x-ms-date"] ?? ""),
      authorization: request.headers.authorization,
    });
    const body = request.method === "GET" || request.method === "DELETE" ? "" : await bodyOf(request);
    const answered = await faulty.run({ route, headers: request.headers, body });
    expiry.look();
    if (answered === undefined) request.socket.destroy();
    else answer(response, answered);
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

async function makeResources(store: CosmosStore, resources: CosmosResources): Promise<void> {
  await store.commits.run(() => {
    if (!store.hasDatabase(resources.database)) store.createDatabase(resources.database);
    const there = new Set(store.containers(resources.database).map((container) => container.definition.id));
    for (const { name, partition_key, default_ttl_seconds, indexing } of resources.containers) {
      if (there.has(name)) continue;
      store.createContainer(resources.database, {
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
      });
    }
  });
}

/** Expired items are hidden at once by every read; they are removed when the next one is due. */
function sweepWhenDue(store: CosmosStore, clock: Clock, log: (line: string) => void) {
  let cancel: (() => void) | undefined;
  let due = Number.POSITIVE_INFINITY;
  const sweep = () => {
    cancel = undefined;
    due = Number.POSITIVE_INFINITY;
    store.commits
      .run(() => store.sweep())
      .then(arm, (thrown) => log(`cosmos: expired items stay: ${String(thrown)}`));
  };
  const arm = (at: number | undefined) => {
    if (at === undefined || at >= due) return;
    cancel?.();
    due = at;
    cancel = clock.after(at - clock.now(), sweep);
  };
  sweep();
  return {
    look: () => arm(store.takeNextExpiry()),
    stop: () => cancel?.(),
  };
}

function bodyOf(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) {
        request.destroy();
        reject(new CosmosError(413, "Request size is too large."));
      } else chunks.push(chunk);
    });
    request.on("end", () =>
      resolve(chunks.length === 1 ? String(chunks[0]) : Buffer.concat(chunks).toString()),
    );
    request.on("error", reject);
  });
}

function answer(response: ServerResponse, { status, headers, body }: Answer): void {
  if (response.destroyed || response.headersSent) return;
  if (body === undefined) response.writeHead(status, headers).end();
  else {
    const bytes = Buffer.from(body);
    response
      .writeHead(status, { ...headers, "content-type": "application/json", "content-length": bytes.length })
      .end(bytes);
  }
}
