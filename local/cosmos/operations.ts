import type { Clock } from "../clock.ts";
import { type Answer, Answers, REFUSAL_RU } from "./answers.ts";
import { onlyReads } from "./batch.ts";
import { pricesFor } from "./charges.ts";
import { CosmosError } from "./cosmos-error.ts";
import type { FaultEffect, FaultOperation } from "./fault-plan.ts";
import { ItemOperations, type Look } from "./item-operations.ts";
import { checkRange } from "./key-scope.ts";
import type { OperationsOptions } from "./operations-options.ts";
import { type CosmosRequest, header, is, isQuery, refuseUnserved, sessionLsn } from "./request.ts";
import { ResourceOperations } from "./resource-operations.ts";
import { staleView } from "./stale-view.ts";
import type { CosmosStore } from "./store.ts";

/** What each request does and costs. */
export class Operations {
  readonly answers = new Answers();
  readonly #store: CosmosStore;
  readonly #clock: Clock;
  readonly #items: ItemOperations;
  readonly #resources: ResourceOperations;

  constructor(options: OperationsOptions) {
    const { store, clock, consistency } = options;
    this.#store = store;
    this.#clock = clock;
    this.#items = new ItemOperations(store, pricesFor(consistency), this.answers);
    this.#resources = new ResourceOperations(this.answers, options);
  }

  /** `stale`: a read answers what was there a while ago. @throws CosmosError */
  async run(request: CosmosRequest, stale?: FaultEffect & { kind: "stale" }): Promise<Answer> {
    const { route } = request;
    const { kind } = route;
    if (kind !== "items" && kind !== "item" && kind !== "purge") return this.#resources.run(request);
    const container = this.#store.container(route.database ?? "", route.container ?? "");
    if (route.verb !== "get") refuseUnserved(request.headers);
    checkRange(container, request.headers);
    const look = this.#look(request, stale);
    const budget = this.#store.budget(container);
    budget?.admit();
    try {
      const items = this.#items;
      const answer = await (kind === "items"
        ? items.many(container, request, look)
        : kind === "item"
          ? items.one(container, request, look)
          : items.purge(container, request));
      budget?.spend(answer.charge);
      return answer;
    } catch (thrown) {
      budget?.spend(REFUSAL_RU);
      throw thrown;
    }
  }

  #look({ headers }: CosmosRequest, stale: (FaultEffect & { kind: "stale" }) | undefined): Look {
    if (headers["x-ms-session-token"] === undefined && stale === undefined) return (container) => container;
    const session = sessionLsn(headers);
    return (container) => {
      if (session !== undefined && session > container.lsn) {
        const message = "The read session is not available for the input session token.";
        throw new CosmosError(404, message, { substatus: 1002 });
      }
      if (stale === undefined) return container;
      return staleView(container, { writes: stale.writes, ms: stale.ms, session }, this.#clock);
    };
  }
}

const ITEM_VERBS: Readonly<Record<string, FaultOperation>> = {
  get: "read",
  put: "replace",
  patch: "patch",
  delete: "delete",
};

/** What a request is called in fault plans; undefined if it is not an operation. */
export function operationOf({ route, headers, body }: CosmosRequest): FaultOperation | undefined {
  if (route.kind === "item") return ITEM_VERBS[route.verb];
  if (route.kind !== "items") return route.kind;
  if (route.verb === "get") return "changes";
  if (isQuery(headers)) return "query";
  if (is(header(headers, "x-ms-cosmos-is-batch-request"))) {
    if (!is(header(headers, "x-ms-cosmos-batch-atomic"))) return "bulk";
    return onlyReads(body) ? "read_batch" : "batch";
  }
  return is(header(headers, "x-ms-documentdb-is-upsert")) ? "upsert" : "create";
}
