import type { Answer, Answers } from "./answers.ts";
import { sessionHeaders } from "./answers.ts";
import { type BatchResult, bulk, onlyReads, readBatch, transactionalBatch } from "./batch.ts";
import { batchCharge, batchText } from "./batch-answer.ts";
import { feedPage } from "./change-feed.ts";
import type { Prices } from "./charges.ts";
import type { ContainerStore } from "./container-store.ts";
import type { ContainerView } from "./container-view.ts";
import { badRequest, CosmosError } from "./cosmos-error.ts";
import {
  createItem,
  deleteItem,
  fullKey,
  type ItemResult,
  patchItem,
  readItem,
  replaceItem,
  type SentItem,
  upsertItem,
} from "./items.ts";
import { scopeOf } from "./key-scope.ts";
import { keyOfHeader } from "./partition-key.ts";
import { type QueryRequest, RunningQuery } from "./query/run-query.ts";
import { QUERY_METRICS, queryMetrics } from "./query-metrics.ts";
import { queryPage } from "./query-page.ts";
import { type CosmosRequest, conditionsOf, header, is, isQuery, parseJson, parseObject } from "./request.ts";
import type { CosmosStore } from "./store.ts";

/** The items of a partition key are deleted behind the scenes: what is charged is the order to. */
const PURGE_RU = 1;

/** What is read, as of now or, where a fault wants it, as of a while ago. Called when the read happens. */
export type Look = (container: ContainerStore) => ContainerView;

const QUERY_PLAN = JSON.stringify({
  partitionedQueryExecutionInfoVersion: 2,
  queryInfo: {
    ...{ distinctType: "None", top: null, offset: null, limit: null, orderBy: [], orderByExpressions: [] },
    ...{ groupByExpressions: [], groupByAliases: [], aggregates: [], groupByAliasToAggregateType: {} },
    ...{ rewrittenQuery: "", hasSelectValue: false, hasNonStreamingOrderBy: false },
  },
  queryRanges: [{ min: "", max: "FF", isMinInclusive: true, isMaxInclusive: false }],
});

/** Requests about items. Answers are given only once what they say is stored. */
export class ItemOperations {
  readonly #store: CosmosStore;
  readonly #prices: Prices;
  readonly #answers: Answers;

  constructor(store: CosmosStore, prices: Prices, answers: Answers) {
    this.#store = store;
    this.#prices = prices;
    this.#answers = answers;
  }

  /** A request on the items of a container as a whole: `…/docs`. */
  async many(container: ContainerStore, request: CosmosRequest, look: Look): Promise<Answer> {
    const { headers, body, route } = request;
    if (route.verb === "get") return this.#feed(container, request, look);
    if (route.verb !== "post") throw new CosmosError(405, `${route.verb} is not an operation on items.`);
    if (is(headers["x-ms-cosmos-is-query-plan-request"])) return this.#plan(container, request);
    if (headers["a-im"] !== undefined)
      throw badRequest("A change feed with a query is not served by this emulator: the feed as it is, is.");
    if (isQuery(headers)) return this.#query(container, request, look);
    if (is(headers["x-ms-cosmos-is-batch-request"])) return this.#batch(container, request, look);
    const key = keyOfHeader(header(headers, "x-ms-documentdb-partitionkey"));
    const sent: SentItem = { value: parseObject(body), text: body };
    const upsert = is(headers["x-ms-documentdb-is-upsert"]);
    const result = await this.#store.commits.run(() =>
      upsert ? upsertItem(container, key, sent, conditionsOf(headers)) : createItem(container, key, sent),
    );
    return this.#written(upsert ? "upsert" : "create", result, container, request);
  }

  /** A request on one item: `…/docs/{id}`. */
  async one(container: ContainerStore, request: CosmosRequest, look: Look): Promise<Answer> {
    const { headers, body, route } = request;
    const id = route.item ?? "";
    const key = keyOfHeader(header(headers, "x-ms-documentdb-partitionkey"));
    const conditions = conditionsOf(headers);
    const { commits } = this.#store;
    switch (route.verb) {
      case "get": {
        const { result, session } = await commits.read(() => {
          const view = look(container);
          return { result: readItem(view, key, id, conditions), session: sessionHeaders(view) };
        });
        const { status, item, work } = result;
        const more = { etag: item?.etag ?? "", ...session };
        return this.#answers.of(
          "read",
          this.#prices.of(work),
          status,
          status === 304 ? undefined : item?.text,
          more,
        );
      }
      case "put": {
        const sent = { value: parseObject(body), text: body };
        const result = await commits.run(() => replaceItem(container, key, id, sent, conditions));
        return this.#written("replace", result, container, request);
      }
      case "patch": {
        const patch = parseJson(body); // the bare list of operations, or an object with a condition
        const result = await commits.run(() => patchItem(container, key, id, patch, conditions));
        return this.#written("patch", result, container, request);
      }
      case "delete": {
        const { work } = await commits.run(() => deleteItem(container, key, id, conditions));
        return this.#answers.of("delete", this.#prices.of(work), 204, undefined, sessionHeaders(container));
      }
      default:
        throw new CosmosError(405, `${route.verb} is not an operation on an item.`);
    }
  }

  /** All items of one partition key go. */
  async purge(container: ContainerStore, { headers, route }: CosmosRequest): Promise<Answer> {
    if (route.verb !== "post") throw new CosmosError(405, "Items of a partition key are deleted by a POST.");
    const key = fullKey(container, keyOfHeader(header(headers, "x-ms-documentdb-partitionkey")));
    await this.#store.commits.run(() => container.deletePartition(key));
    return this.#answers.of("purge", PURGE_RU, 200, undefined, sessionHeaders(container));
  }

  #written(operation: string, result: ItemResult, container: ContainerStore, request: CosmosRequest): Answer {
    const { status, item, work } = result;
    const minimal = header(request.headers, "prefer") === "return=minimal";
    const more = { etag: item?.etag ?? "", ...sessionHeaders(container) };
    return this.#answers.of(
      operation,
      this.#prices.of(work),
      minimal ? 204 : status,
      minimal ? undefined : item?.text,
      more,
    );
  }

  /** The plan of any query: run it as it stands, over the one range there is. */
  #plan(container: ContainerStore, { headers, body }: CosmosRequest): Answer {
    new RunningQuery(container, parseObject(body) as unknown as QueryRequest, scopeOf(container, headers));
    return this.#answers.of("plan", 1, 200, QUERY_PLAN);
  }

  async #query(container: ContainerStore, { headers, body }: CosmosRequest, look: Look): Promise<Answer> {
    const { page, session } = await this.#store.commits.read(() => {
      const view = look(container);
      return { page: queryPage(view, parseObject(body), headers), session: sessionHeaders(view) };
    });
    const more: Record<string, string> = { "x-ms-item-count": String(page.count), ...session };
    if (is(headers["x-ms-documentdb-populatequerymetrics"])) more[QUERY_METRICS] = queryMetrics(page);
    if (page.continuation !== undefined) more["x-ms-continuation"] = page.continuation;
    return this.#answers.of("query", this.#prices.query(page.looked, page.text), 200, page.text, more);
  }

  async #batch(container: ContainerStore, { headers, body }: CosmosRequest, look: Look): Promise<Answer> {
    const key = keyOfHeader(header(headers, "x-ms-documentdb-partitionkey"));
    const { commits, savepoint } = this.#store;
    const minimal = header(headers, "prefer") === "return=minimal";
    const answer = (name: string, result: BatchResult, view: ContainerView) => {
      const charge = batchCharge(result, this.#prices);
      const text = batchText(result, this.#prices, minimal);
      return this.#answers.of(name, charge, result.status, text, sessionHeaders(view));
    };
    const goesOn = header(headers, "x-ms-cosmos-batch-continue-on-error")?.toLowerCase() !== "false";
    if (!is(headers["x-ms-cosmos-batch-atomic"]))
      return answer("bulk", await commits.run(() => bulk(container, body, goesOn)), container);
    if (!onlyReads(body)) {
      const result = await commits.run(() => transactionalBatch(container, key, body, savepoint));
      return answer("batch", result, container);
    }
    return commits.read(() => {
      const view = look(container);
      return answer("read_batch", readBatch(view, key, body), view);
    });
  }

  async #feed(container: ContainerStore, { headers }: CosmosRequest, look: Look): Promise<Answer> {
    const { page, session } = await this.#store.commits.read(() => {
      const view = look(container);
      return { page: feedPage(view, headers), session: sessionHeaders(view) };
    });
    const { etag, continuation, count, text, texts } = page;
    const more: Record<string, string> = { "x-ms-item-count": String(count), ...session };
    if (etag !== undefined) more.etag = etag;
    if (continuation !== undefined) more["x-ms-continuation"] = continuation;
    const charge = this.#prices.feed(texts);
    if (count === 0 && etag !== undefined) return this.#answers.of("changes", charge, 304, undefined, more);
    return this.#answers.of("changes", charge, 200, text, more);
  }
}
