import type { EventType } from "../event-type.ts";
import type { OutboxItem } from "../job/ending/outbox.ts";
import type { JobKey, Stored, WriteResult } from "../store.ts";
import type { Delivery, DeliveryStatus } from "./delivery.ts";
import type { Endpoints } from "./endpoint.ts";

/** A message that says «look at this»; ids only. */
export interface DeliveryNudge extends JobKey {
  readonly v: number;
  /** An outbox item's. Absent: it is a comparison or an operation whose turn has come. */
  readonly event?: EventType;
  /** One delivery of it; absent: nobody has sent the event on yet. */
  readonly endpoint_id?: string;
  /** When that is due, as its sender knows it: where another time is stored, another message comes. */
  readonly due_ms?: number;
}

/**
 * How long after its time something is nudged again by the sweeper: longer than a try and its message take, since one
 * that is under way would be sent twice.
 */
export const TURN_GRACE_MS = 60_000;

export interface DeliveryQueue {
  /** Sends now, or to be delivered at `atMs`. Throws when Service Bus does not take it. */
  send(nudge: DeliveryNudge, options?: { atMs?: number }): Promise<void>;
}

export interface DeliveryFilter {
  readonly endpoint?: string | undefined;
  readonly status?: DeliveryStatus | undefined;
  readonly limit: number;
  /** Only those that come after this one in the list. */
  readonly after?: string | undefined;
}

/** What lies in a store to be delivered. Every method throws StoreUnavailable, those that read one item UnreadableItem. */
export interface DeliveryStore {
  outbox(key: JobKey, event: EventType): Promise<Stored<OutboxItem> | undefined>;
  /** One batch: the outbox item goes, and its deliveries are there. */
  fanOut(
    key: JobKey,
    outbox: Stored<OutboxItem>,
    deliveries: readonly Delivery[],
  ): Promise<"done" | "superseded">;
  read(
    of: Pick<Delivery, "tenant_id" | "job_id" | "event" | "endpoint_id">,
  ): Promise<Stored<Delivery> | undefined>;
  write(delivery: Delivery, etag: string): Promise<WriteResult>;
  find(tenantId: string, id: string): Promise<Stored<Delivery> | undefined>;
  /** A tenant's, the newest first. */
  list(
    tenantId: string,
    filter: DeliveryFilter,
  ): Promise<{ readonly deliveries: readonly Delivery[]; readonly hasMore: boolean }>;
}

/** Things that have a turn of their own: outbox items and deliveries, or comparisons. */
export interface Turns {
  /** Those that are overdue, the longest first, as the messages that nobody has sent or that were lost. */
  overdue(nowMs: number, limit: number): Promise<readonly Stored<DeliveryNudge & { readonly id: string }>[]>;
  /** Its next turn is later. False: it has changed since it was read. */
  moveOn(turn: Stored<DeliveryNudge & { readonly id: string }>, atMs: number): Promise<boolean>;
}

export interface EndpointStore {
  read(tenantId: string): Promise<Stored<Endpoints> | undefined>;
  write(tenantId: string, endpoints: Endpoints, etag: string | undefined): Promise<WriteResult>;
}

/** What each tenant's endpoints want to hear; no entry: it has none, and never had. */
export type Heard = Readonly<Record<string, readonly EventType[]>>;

/** The one item that tells all instances who listens. */
export interface HeardStore {
  /** `unchanged` while it is still as at `etag`. */
  readHeard(etag: string | undefined): Promise<Stored<Heard> | "unchanged" | undefined>;
  writeHeard(heard: Heard, etag: string | undefined): Promise<WriteResult>;
}
