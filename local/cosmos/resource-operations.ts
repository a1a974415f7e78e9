import type { Answer, Answers } from "./answers.ts";
import { withDefaults } from "./container-defaults.ts";
import { checkName, containerDefinition } from "./container-definition.ts";
import type { ContainerStore } from "./container-store.ts";
import { badRequest, CosmosError, notFound } from "./cosmos-error.ts";
import { RANGE_ID } from "./key-scope.ts";
import { offerResource, type Provisioned, provisionedIn, provisionedOf } from "./offers.ts";
import type { OperationsOptions } from "./operations-options.ts";
import { parseQuery } from "./query/parser.ts";
import { prepare } from "./query/prepare.ts";
import type { QueryRequest } from "./query/run-query.ts";
import { quotaHeaders } from "./quota.ts";
import { type CosmosRequest, is, isQuery, parseObject } from "./request.ts";
import { databaseRid } from "./rid.ts";
import type { CosmosStore } from "./store.ts";

const DATABASE_RU = 5;

/** What the service's query engine takes, as it says so itself: the .NET SDK cannot query without. */
const QUERY_ENGINE = JSON.stringify({
  ...{ maxSqlQueryInputLength: 262_144, maxJoinsPerSqlQuery: 5, maxUdfRefPerSqlQuery: 10 },
  ...{ maxLogicalAndPerSqlQuery: 2_000, maxLogicalOrPerSqlQuery: 2_000, maxInExpressionItemsCount: 16_000 },
  ...{ queryMaxInMemorySortDocumentCount: 500, queryMaxGroupByTableCellCount: 500_000 },
  ...{ maxQueryRequestTimeoutFraction: 0.9, sqlAllowNonFiniteNumbers: false, sqlAllowTop: true },
  ...{ sqlAllowAggregateFunctions: true, sqlAllowSubQuery: true, sqlAllowScalarSubQuery: true },
  ...{ allowNewKeywords: true, sqlAllowLike: true, sqlAllowGroupByClause: true },
  ...{ enableSpatialIndexing: true, maxSpatialQueryCells: 12, spatialMaxGeometryPointCount: 256 },
  ...{ sqlDisableQueryILOptimization: false, sqlDisableFilterPlanOptimization: false },
});

/** The partition key ranges of a container never change here: a client need not read them twice. */
const RANGES_ETAG = '"1"';

/** Requests about the account, its databases and containers. */
export class ResourceOperations {
  readonly #store: CosmosStore;
  readonly #answers: Answers;
  readonly #consistency: string;
  readonly #address: () => { port: number };
  readonly #nowMs: () => number;

  constructor(answers: Answers, { store, consistency, address, clock }: OperationsOptions) {
    this.#store = store;
    this.#answers = answers;
    this.#consistency = consistency;
    this.#address = address;
    this.#nowMs = () => clock.now();
  }

  async run(request: CosmosRequest): Promise<Answer> {
    switch (request.route.kind) {
      case "account":
        return this.#account();
      case "databases":
        return this.#databases(request);
      case "database":
        return this.#database(request);
      case "containers":
        return this.#containers(request);
      case "container":
        return this.#container(request);
      case "ranges":
        return this.#ranges(request);
      case "offers":
        return this.#offers(request);
      default:
        throw new CosmosError(405, "This is no operation on a resource.");
    }
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
      queryEngineConfiguration: QUERY_ENGINE,
    };
    return this.#answers.of("account", 1, 200, JSON.stringify(account));
  }

  #databaseResource(id: string) {
    const rid = databaseRid(this.#store.databaseNumber(id));
    const self = this.#store.databaseSelf(id);
    return { id, _rid: rid, _self: self, _etag: '"0"', _colls: "colls/", _users: "users/", _ts: 0 };
  }

  async #databases({ route, headers, body }: CosmosRequest): Promise<Answer> {
    if (route.verb === "get" || isQuery(headers)) {
      const all = this.#store.databases().map((name) => this.#databaseResource(name));
      return this.#feed("Databases", all, isQuery(headers) ? body : undefined);
    }
    if (route.verb !== "post") throw new CosmosError(405, "Databases can be listed and created.");
    const { id } = parseObject(body);
    checkName(id, "database");
    const provisioned = provisionedOf(headers);
    await this.#store.commits.run(() => {
      this.#store.createDatabase(id);
      this.#provision(this.#store.databaseSelf(id), provisioned);
    });
    return this.#resource("create_database", DATABASE_RU, 201, this.#databaseResource(id));
  }

  #provision(resource: string, provisioned: Provisioned | undefined): void {
    if (provisioned === undefined) return;
    this.#store.offers.set(resource, provisioned.throughput, provisioned.autoscale);
  }

  async #offers({ route, headers, body }: CosmosRequest): Promise<Answer> {
    const all = this.#store.allOffers();
    if (route.item === undefined)
      return this.#feed("Offers", all.map(offerResource), isQuery(headers) ? body : undefined);
    const offer = all.find((each) => each.id === route.item);
    if (offer === undefined) throw notFound(`offer ${route.item}`);
    if (route.verb === "get") return this.#resource("offers", 1, 200, offerResource(offer));
    if (route.verb !== "put") throw new CosmosError(405, "An offer can be read and replaced.");
    const { throughput, autoscale } = provisionedIn(parseObject(body));
    const replaced = await this.#store.commits.run(() =>
      this.#store.offers.set(offer.resource, throughput, autoscale),
    );
    return this.#resource("offers", DATABASE_RU, 200, offerResource(replaced));
  }

  async #database({ route }: CosmosRequest): Promise<Answer> {
    const name = route.database ?? "";
    if (!this.#store.hasDatabase(name)) throw notFound(`database ${name}`);
    if (route.verb === "get") return this.#resource("read_database", 1, 200, this.#databaseResource(name));
    if (route.verb !== "delete") throw new CosmosError(405, "A database can be read and deleted.");
    await this.#store.commits.run(() => this.#store.deleteDatabase(name));
    return this.#answers.of("delete_database", DATABASE_RU, 204);
  }

  #containerResource(container: ContainerStore) {
    const { definition, rid, self } = container;
    const more = { _rid: rid, _ts: 0, _self: self, _etag: '"0"', _docs: "docs/" };
    return { ...withDefaults(definition), ...more };
  }

  async #containers({ route, headers, body }: CosmosRequest): Promise<Answer> {
    const database = route.database ?? "";
    if (!this.#store.hasDatabase(database)) throw notFound(`database ${database}`);
    if (route.verb === "get" || isQuery(headers)) {
      const all = this.#store.containers(database).map((each) => this.#containerResource(each));
      return this.#feed("DocumentCollections", all, isQuery(headers) ? body : undefined);
    }
    if (route.verb !== "post") throw new CosmosError(405, "Containers can be listed and created.");
    const definition = containerDefinition(parseObject(body));
    const provisioned = provisionedOf(headers);
    const made = await this.#store.commits.run(() => {
      const container = this.#store.createContainer(database, definition);
      this.#provision(container.self, provisioned);
      return container;
    });
    return this.#resource("create_container", DATABASE_RU, 201, this.#containerResource(made));
  }

  async #container({ route, headers, body }: CosmosRequest): Promise<Answer> {
    const database = route.database ?? "";
    const container = this.#store.container(database, route.container ?? "");
    const { commits } = this.#store;
    switch (route.verb) {
      case "get": {
        const quota = is(headers["x-ms-documentdb-populatequotainfo"]) ? quotaHeaders(container) : {};
        return this.#resource("read_container", 1, 200, this.#containerResource(container), quota);
      }
      case "put": {
        const definition = containerDefinition(parseObject(body));
        if (definition.id !== container.definition.id)
          throw badRequest("The id of a container cannot be changed.");
        const replaced = await commits.run(() => this.#store.replaceContainer(database, definition));
        return this.#resource("replace_container", DATABASE_RU, 200, this.#containerResource(replaced));
      }
      case "delete":
        await commits.run(() => this.#store.deleteContainer(database, container.definition.id));
        return this.#answers.of("delete_container", DATABASE_RU, 204);
      default:
        throw new CosmosError(405, "A container can be read, replaced and deleted.");
    }
  }

  #resource(
    operation: string,
    charge: number,
    status: number,
    resource: { _etag: string },
    more: Record<string, string> = {},
  ): Answer {
    const headers = { etag: resource._etag, ...more };
    return this.#answers.of(operation, charge, status, JSON.stringify(resource), headers);
  }

  /** A feed of databases, containers or offers, or a query over it. */
  #feed(name: string, all: { id: string }[], query?: string): Answer {
    const found = query === undefined ? all : queried(all, query, this.#nowMs());
    return this.#answers.of(
      "feed",
      1,
      200,
      JSON.stringify({ _rid: "", [name]: found, _count: found.length }),
    );
  }

  /** One range: everything is in one physical partition here. Read as a change feed, it comes once. */
  #ranges({ route, headers }: CosmosRequest): Answer {
    const { rid } = this.#store.container(route.database ?? "", route.container ?? "");
    const range = {
      ...{ _rid: rid, id: RANGE_ID, _etag: '"0"', minInclusive: "", maxExclusive: "FF", ridPrefix: 0 },
      ...{ throughputFraction: 1, status: "online", parents: [], _ts: 0 },
    };
    const more = { etag: RANGES_ETAG };
    if (headers["a-im"] !== undefined && headers["if-none-match"] === RANGES_ETAG)
      return this.#answers.of("ranges", 1, 304, undefined, more);
    const body = JSON.stringify({ _rid: rid, PartitionKeyRanges: [range], _count: 1 });
    return this.#answers.of("ranges", 1, 200, body, more);
  }
}

function queried(all: readonly object[], body: string, nowMs: number): unknown[] {
  const { query, parameters = [] } = parseObject(body) as unknown as QueryRequest;
  const environment = { parameters: new Map(parameters.map(({ name, value }) => [name, value])), nowMs };
  const prepared = prepare(parseQuery(String(query)), new Set(), environment, true);
  return [...prepared.run(all.map((root) => ({ names: {}, root })))].map((row) => row.value);
}
