import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { bulk, transactionalBatch } from "./batch.ts";
import { batchCharge, batchText } from "./batch-answer.ts";
import { changeFeed } from "./change-feed.ts";
import type { Prices } from "./charges.ts";
import type { ContainerDefinition } from "./container-definition.ts";
import type { ContainerStore } from "./container-store.ts";
import { badRequest, CosmosError, notFound } from "./cosmos-error.ts";
import {
  type Conditions,
  createItem,
  deleteItem,
  type ItemResult,
  patchItem,
  readItem,
  replaceItem,
  type SentItem,
  upsertItem,
} from "./items.ts";
import { keyOfHeader } from "./partition-key.ts";
import { queryPage } from "./query-page.ts";
import type { Route } from "./route.ts";
import type { CosmosStore } from "./store.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | number>;
  readonly body?: string;
}

const is = (header: string | string[] | undefined) => String(header).toLowerCase() === "true";

/** What each request does and costs. Answers are given only once what they say is stored. */
export class Operations {
  readonly #store: CosmosStore;
  readonly #prices: Prices;
  readonly #consistency: string;
  readonly #address: () => { port: number };
  readonly #counters: Record<string, number> = {};

  constructor(store: CosmosStore, prices: Prices, consistency: string, address: () => { port: number }) {
    this.#store = store;
    this.#prices = prices;
    this.#consistency = consistency;
    this.#address = address;
  }

  counters(): Record<string, number> {
    return { ...this.#counters };
  }

  #answer(
    operation: string,
    charge: number,
    status: number,
    body?: string,
    more: Record<string, string> = {},
  ): Answer {
    this.#counters[operation] = (this.#counters[operation] ?? 0) + 1;
    this.#counters.request_units = (this.#counters.request_units ?? 0) + charge;
    const headers = { "x-ms-request-charge": charge.toFixed(2), "x-ms-activity-id": randomUUID(), ...more };
    return body === undefined ? { status, headers } : { status, headers, body };
  }

  refusal(error: CosmosError): Answer {
    const more: Record<string, string> = {};
    if (error.substatus !== undefined) more["x-ms-substatus"] = String(error.substatus);
    if (error.retryAfterMs !== undefined) more["x-ms-retry-after-ms"] = String(error.retryAfterMs);
    const body = JSON.stringify({ code: error.code, message: error.message });
    return this.#answer("refused", 1, error.status, body, more);
  }

  async run(route: Route, headers: IncomingHttpHeaders, body: string): Promise<Answer> {
    switch (route.kind) {
      case "account":
        return this.#account();
      case "databases":
      case "database":
        return this.#databases(route, headers, body);
      case "containers":
      case "container":
        return this.#containers(route, headers, body);
      case "ranges":
        return this.#ranges(route);
      case "offers":
        return this.#answer("offers", 1, 200, JSON.stringify({ _rid: "", Offers: [], _count: 0 }));
      case "items":
        return this.#items(this.#container(route), headers, body, route);
      case "item":
        return this.#item(this.#container(route), headers, body, route);
    }
  }

  #container(route: Route): ContainerStore {
    return this.#store.container(route.database ?? "", route.container ?? "");
  }

  #account(): Answer {
    // The id must not be `localhost`: the SDK would then read the account again for every request.
    const locations = [
      { name: "Local", databaseAccountEndpoint: `http://127.0.0.1:${this.#address().port}/` },
    ];
    const account = {
      _self: "",
      id: "switchyard-local",
      _rid: "switchyard-local",
      _dbs: "//dbs/",
      media: "//media/",
      addresses: "//addresses/",
      writableLocations: locations,
      readableLocations: locations,
      enableMultipleWriteLocations: false,
      userReplicationPolicy: { asyncReplication: false, minReplicaSetSize: 1, maxReplicasetSize: 1 },
      userConsistencyPolicy: { defaultConsistencyLevel: this.#consistency },
      systemReplicationPolicy: { minReplicaSetSize: 1, maxReplicasetSize: 1 },
      readPolicy: { primaryReadCoefficient: 1, secondaryReadCoefficient: 1 },
      queryEngineConfiguration: "{}",
    };
    return this.#answer("account", 1, 200, JSON.stringify(account));
  }

  async #databases(route: Route, headers: IncomingHttpHeaders, body: string): Promise<Answer> {
    const { commits } = this.#store;
    const resource = (id: string) => ({
      id,
      _rid: id,
      _self: `dbs/${id}/`,
      _etag: '"0"',
      _colls: "colls/",
      _users: "users/",
      _ts: 0,
    });
    const name = route.database ?? "";
    if (route.kind === "databases" && route.verb === "post") {
      if (isQuery(headers)) return this.#feed("Databases", this.#store.databases().map(resource), body);
      const { id } = parseObject(body) as { id?: unknown };
      if (typeof id !== "string" || id === "") throw badRequest("A database needs an id.");
      await commits.run(() => this.#store.createDatabase(id));
      return this.#answer("create_database", 5, 201, JSON.stringify(resource(id)), { etag: '"0"' });
    }
    if (route.kind === "databases") return this.#feed("Databases", this.#store.databases().map(resource));
    if (!this.#store.hasDatabase(name)) throw notFound(`database ${name}`);
    if (route.verb === "get")
      return this.#answer("read_database", 1, 200, JSON.stringify(resource(name)), { etag: '"0"' });
    if (route.verb !== "delete") throw new CosmosError(405, "A database can be read and deleted.");
    await commits.run(() => this.#store.deleteDatabase(name));
    return this.#answer("delete_database", 5, 204);
  }

  async #containers(route: Route, headers: IncomingHttpHeaders, body: string): Promise<Answer> {
    const { commits } = this.#store;
    const database = route.database ?? "";
    const resource = ({ definition, number }: ContainerStore) => ({
      indexingPolicy: {
        indexingMode: "consistent",
        automatic: true,
        includedPaths: [{ path: "/*" }],
        excludedPaths: [],
      },
      ...definition,
      _rid: `c${number}`,
      _ts: 0,
      _self: `dbs/${database}/colls/${definition.id}/`,
      _etag: '"0"',
      _docs: "docs/",
    });
    const etag = { etag: '"0"' };
    if (!this.#store.hasDatabase(database)) throw notFound(`database ${database}`);
    if (route.kind === "containers" && route.verb === "post" && !isQuery(headers)) {
      const definition = containerDefinition(parseObject(body));
      const made = await commits.run(() => this.#store.createContainer(database, definition));
      return this.#answer("create_container", 5, 201, JSON.stringify(resource(made)), etag);
    }
    if (route.kind === "containers") {
      return this.#feed(
        "DocumentCollections",
        this.#store.containers(database).map(resource),
        isQuery(headers) ? body : undefined,
      );
    }
    const container = this.#container(route);
    if (route.verb === "get")
      return this.#answer("read_container", 1, 200, JSON.stringify(resource(container)), etag);
    if (route.verb === "put") {
      const definition = containerDefinition(parseObject(body));
      const replaced = await commits.run(() => this.#store.replaceContainer(database, definition));
      return this.#answer("replace_container", 5, 200, JSON.stringify(resource(replaced)), etag);
    }
    await commits.run(() => this.#store.deleteContainer(database, container.definition.id));
    return this.#answer("delete_container", 5, 204);
  }

  /** A feed of databases or containers; of queries only those by id are known to the SDK's own use. */
  #feed(name: string, all: { id: string }[], query?: string): Answer {
    const id =
      query === undefined
        ? undefined
        : (parseObject(query).parameters as { value?: unknown }[] | undefined)?.[0]?.value;
    const found = id === undefined ? all : all.filter((each) => each.id === id);
    return this.#answer("feed", 1, 200, JSON.stringify({ _rid: "", [name]: found, _count: found.length }));
  }

  #ranges(route: Route): Answer {
    const { number } = this.#container(route);
    const range = {
      _rid: `c${number}`,
      id: "0",
      _etag: '"0"',
      minInclusive: "",
      maxExclusive: "FF",
      ridPrefix: 0,
      throughputFraction: 1,
      status: "online",
      parents: [],
      _ts: 0,
    };
    return this.#answer(
      "ranges",
      1,
      200,
      JSON.stringify({ _rid: `c${number}`, PartitionKeyRanges: [range], _count: 1 }),
    );
  }

  async #items(
    container: ContainerStore,
    headers: IncomingHttpHeaders,
    body: string,
    route: Route,
  ): Promise<Answer> {
    if (route.verb === "get") return this.#changes(container, headers);
    if (is(headers["x-ms-cosmos-is-query-plan-request"]))
      throw badRequest("Query plans are not served: run the query as it stands.");
    if (isQuery(headers)) return this.#query(container, headers, body);
    if (is(headers["x-ms-cosmos-is-batch-request"])) return this.#batch(container, headers, body);
    const key = keyOfHeader(header(headers, "x-ms-documentdb-partitionkey"));
    const sent: SentItem = { value: parseObject(body), text: body };
    const upsert = is(headers["x-ms-documentdb-is-upsert"]);
    const result = await this.#store.commits.run(() =>
      upsert ? upsertItem(container, key, sent, conditionsOf(headers)) : createItem(container, key, sent),
    );
    return this.#written(upsert ? "upsert" : "create", result, headers);
  }

  async #item(
    container: ContainerStore,
    headers: IncomingHttpHeaders,
    body: string,
    route: Route,
  ): Promise<Answer> {
    const id = route.item ?? "";
    const key = keyOfHeader(header(headers, "x-ms-documentdb-partitionkey"));
    const conditions = conditionsOf(headers);
    const { commits } = this.#store;
    switch (route.verb) {
      case "get": {
        const { status, item } = await commits.read(() => readItem(container, key, id, conditions));
        const charge = this.#prices.read(item?.text.length);
        const etag = { etag: item?.etag ?? "" };
        return status === 304
          ? this.#answer("read", charge, 304, undefined, etag)
          : this.#answer("read", charge, 200, item?.text, etag);
      }
      case "put": {
        const sent = { value: parseObject(body), text: body };
        return this.#written(
          "replace",
          await commits.run(() => replaceItem(container, key, id, sent, conditions)),
          headers,
        );
      }
      case "patch": {
        const patch = parseJson(body); // the bare list of operations, or an object with a condition
        return this.#written(
          "patch",
          await commits.run(() => patchItem(container, key, id, patch, conditions)),
          headers,
        );
      }
      case "delete":
        await commits.run(() => deleteItem(container, key, id, conditions));
        return this.#answer("delete", this.#prices.write(0, false), 204);
      default:
        throw new CosmosError(405, `${route.verb} is not an operation on an item.`);
    }
  }

  #written(operation: string, result: ItemResult, headers: IncomingHttpHeaders): Answer {
    const { status, item } = result;
    const charge = this.#prices.write(item?.text.length ?? 0, status === 200);
    const minimal = header(headers, "prefer") === "return=minimal";
    return this.#answer(operation, charge, minimal ? 204 : status, minimal ? undefined : item?.text, {
      etag: item?.etag ?? "",
    });
  }

  async #query(container: ContainerStore, headers: IncomingHttpHeaders, body: string): Promise<Answer> {
    const page = await this.#store.commits.read(() => queryPage(container, parseObject(body), headers));
    const more: Record<string, string> = { "x-ms-item-count": String(page.count) };
    if (page.continuation !== undefined) more["x-ms-continuation"] = page.continuation;
    return this.#answer("query", this.#prices.query(page.looked, page.text.length), 200, page.text, more);
  }

  async #batch(container: ContainerStore, headers: IncomingHttpHeaders, body: string): Promise<Answer> {
    const key = keyOfHeader(header(headers, "x-ms-documentdb-partitionkey"));
    const { commits } = this.#store;
    const atomic = is(headers["x-ms-cosmos-batch-atomic"]);
    const work = () =>
      atomic ? transactionalBatch(container, key, body, this.#store.savepoint) : bulk(container, body);
    const readsOnly = atomic && !/"operationType":"(?!Read")/.test(body);
    const result = await (readsOnly ? commits.read(work) : commits.run(work));
    const charge = batchCharge(result, this.#prices);
    return this.#answer(
      readsOnly ? "read_batch" : atomic ? "batch" : "bulk",
      charge,
      result.status,
      batchText(result, this.#prices, header(headers, "prefer") === "return=minimal"),
    );
  }

  async #changes(container: ContainerStore, headers: IncomingHttpHeaders): Promise<Answer> {
    const page = await this.#store.commits.read(() => changeFeed(container, headers));
    const more = { etag: page.etag, "x-ms-item-count": String(page.count) };
    if (page.count === 0 && page.incremental) return this.#answer("changes", 1, 304, undefined, more);
    return this.#answer("changes", this.#prices.query(page.count, page.text.length), 200, page.text, more);
  }
}

const ITEM_VERBS: Readonly<Record<string, string>> = {
  get: "read",
  put: "replace",
  patch: "patch",
  delete: "delete",
};

/** What a request is called in counters and fault plans. */
export function operationOf(route: Route, headers: IncomingHttpHeaders): string {
  if (route.kind === "item") return ITEM_VERBS[route.verb] ?? route.verb;
  if (route.kind !== "items") return route.kind;
  if (route.verb === "get") return "changes";
  if (isQuery(headers)) return "query";
  if (is(headers["x-ms-cosmos-is-batch-request"]))
    return is(headers["x-ms-cosmos-batch-atomic"]) ? "batch" : "bulk";
  return is(headers["x-ms-documentdb-is-upsert"]) ? "upsert" : "create";
}

function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

const isQuery = (headers: IncomingHttpHeaders) =>
  is(headers["x-ms-documentdb-isquery"]) ||
  String(headers["content-type"]).startsWith("application/query+json");

function conditionsOf(headers: IncomingHttpHeaders): Conditions {
  return { ifMatch: header(headers, "if-match"), ifNoneMatch: header(headers, "if-none-match") };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw badRequest("The input content is invalid: it is no JSON.");
  }
}

function parseObject(body: string): Record<string, unknown> {
  const value = parseJson(body);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badRequest("The input content must be a JSON object.");
  return value as Record<string, unknown>;
}

function containerDefinition(json: Record<string, unknown>): ContainerDefinition {
  const { id, partitionKey } = json as { id?: unknown; partitionKey?: { paths?: unknown } };
  if (typeof id !== "string" || id === "") throw badRequest("A container needs an id.");
  const paths = partitionKey?.paths;
  if (!Array.isArray(paths) || paths.length === 0 || paths.length > 3)
    throw badRequest("A container needs a partition key of 1 to 3 paths.");
  return json as unknown as ContainerDefinition;
}
