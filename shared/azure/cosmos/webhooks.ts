import type { OperationInput } from "@azure/cosmos";
import type { z } from "zod";
import type { EventType } from "../../event-type.ts";
import type { OutboxItem } from "../../job/ending/outbox.ts";
import type { JobKey, Stored, WriteResult } from "../../store.ts";
import type { Delivery } from "../../webhook/delivery.ts";
import type { Endpoint, Endpoints } from "../../webhook/endpoint.ts";
import {
  type DeliveryFilter,
  type DeliveryStore,
  type EndpointStore,
  type Heard,
  type HeardStore,
  TURN_GRACE_MS,
} from "../../webhook/ports.ts";
import {
  deliveryPlace,
  endpointsKey,
  endpointsPlace,
  ITEMS,
  listenersPlace,
  outboxPlace,
  partitionOf,
} from "./items.ts";
import { keptSeconds } from "./outbox.ts";
import type { StoredItems } from "./stored-items.ts";
import { isSuperseded, unexpected } from "./transaction.ts";

/** Events and deliveries, each beside what it is about. */
export class CosmosDeliveries implements DeliveryStore {
  readonly #jobs: StoredItems;
  readonly #clock: { now(): number };

  constructor(jobs: StoredItems, clock: { now(): number }) {
    this.#jobs = jobs;
    this.#clock = clock;
  }

  async outbox(key: JobKey, event: EventType): Promise<Stored<OutboxItem> | undefined> {
    const found = await this.#jobs.read(ITEMS.outbox, outboxPlace(key, { event }));
    if (found === undefined) return undefined;
    const { about = key.job_id, at_ms } = found.value;
    return { value: { event, about, at_ms }, etag: found.etag };
  }

  async fanOut(
    key: JobKey,
    { value }: Stored<OutboxItem>,
    deliveries: readonly Delivery[],
  ): Promise<"done" | "superseded"> {
    const { id } = outboxPlace(key, value);
    const operations: OperationInput[] = [
      { operationType: "Delete", id },
      ...deliveries.map((each) =>
        this.#jobs.writing(ITEMS.delivery, deliveryPlace(each), this.#fieldsOf(each)),
      ),
    ];
    const result = await this.#jobs.batch("fan out", partitionOf(key), operations);
    if (result.kind === "done") return "done";
    if (isSuperseded(result.status)) return "superseded";
    throw unexpected("fan out", result.status);
  }

  async read(of: Parameters<DeliveryStore["read"]>[0]): Promise<Stored<Delivery> | undefined> {
    const found = await this.#jobs.read(ITEMS.delivery, deliveryPlace(of));
    return found && { value: deliveryOf(found.value), etag: found.etag };
  }

  write(delivery: Delivery, etag: string): Promise<WriteResult> {
    return this.#jobs.write(ITEMS.delivery, deliveryPlace(delivery), this.#fieldsOf(delivery), etag);
  }

  async find(tenantId: string, id: string): Promise<Stored<Delivery> | undefined> {
    const query = { top: 1, where: "c.delivery.id = @id", parameters: { "@id": id } } as const;
    const [found] = await this.#find(tenantId, query);
    return found && this.read(found);
  }

  async list(
    tenantId: string,
    { endpoint, status, after, limit }: DeliveryFilter,
  ): Promise<{ readonly deliveries: readonly Delivery[]; readonly hasMore: boolean }> {
    const conditions = ["c.delivery.id >= ''"];
    const parameters: Record<`@${string}`, string> = {};
    for (const [condition, name, value] of [
      ["c.delivery.endpoint = @endpoint", "@endpoint", endpoint],
      ["c.delivery.status = @status", "@status", status],
      ["c.delivery.id < @after", "@after", after],
    ] as const) {
      if (value === undefined) continue;
      conditions.push(condition);
      parameters[name] = value;
    }
    const query = { where: conditions.join(" AND "), orderBy: "c.delivery.id DESC", parameters };
    // One more than asked for tells whether there are more.
    const found = await this.#find(tenantId, { ...query, top: limit + 1 });
    return { deliveries: found.slice(0, limit), hasMore: found.length > limit };
  }

  async #find(tenantId: string, query: Parameters<StoredItems["find"]>[1]): Promise<Delivery[]> {
    const where = { partition: [tenantId] };
    return (await this.#jobs.find(ITEMS.delivery, query, ITEMS.delivery.document, where)).map(deliveryOf);
  }

  #fieldsOf({ id, endpoint_id, status, ...delivery }: Delivery) {
    return {
      ...delivery,
      delivery: { id, endpoint: endpoint_id, status },
      ...(delivery.due_ms === null ? {} : { look_at_ms: delivery.due_ms + TURN_GRACE_MS }),
      ttl: keptSeconds(Math.max(delivery.at_ms, delivery.since_ms), this.#clock.now()),
    };
  }
}

function deliveryOf(item: z.infer<typeof ITEMS.delivery.document>): Delivery {
  const { tenant_id, job_id, event_id, event, about, at_ms } = item;
  const { failure, attempts, tries, put_off, due_ms, since_ms } = item;
  const { id, endpoint: endpoint_id, status } = item.delivery;
  return {
    ...{ tenant_id, job_id, event_id, event, about, at_ms, id, endpoint_id, status },
    ...{ failure, attempts, tries, put_off, due_ms, since_ms },
  };
}

/** Each tenant's endpoints are one item: few, and changed rarely. */
export class CosmosEndpoints implements EndpointStore {
  readonly #jobs: StoredItems;

  constructor(jobs: StoredItems) {
    this.#jobs = jobs;
  }

  async read(tenantId: string): Promise<Stored<Endpoints> | undefined> {
    const found = await this.#jobs.read(ITEMS.webhook_endpoints, endpointsPlace(tenantId));
    return found && { value: found.value.endpoints as readonly Endpoint[], etag: found.etag };
  }

  write(tenantId: string, endpoints: Endpoints, etag: string | undefined): Promise<WriteResult> {
    const fields = { ...endpointsKey(tenantId), endpoints };
    return this.#jobs.write(ITEMS.webhook_endpoints, endpointsPlace(tenantId), fields, etag);
  }
}

/** Who listens, in the `control` container; read with an etag, so that an unchanged one costs least. */
export class CosmosListeners implements HeardStore {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async readHeard(etag: string | undefined): Promise<Stored<Heard> | "unchanged" | undefined> {
    const found = await this.#control.readIfChanged(ITEMS.webhook_listeners, listenersPlace, etag);
    if (found === "unchanged" || found === undefined) return found;
    return { value: found.value.heard, etag: found.etag };
  }

  writeHeard(heard: Heard, etag: string | undefined): Promise<WriteResult> {
    return this.#control.write(ITEMS.webhook_listeners, listenersPlace, { heard }, etag);
  }
}
