import type { EventType } from "../event-type.ts";
import type { OutboxItem } from "../job/ending/outbox.ts";
import { sha256Hex } from "../sha256.ts";
import type { JobKey } from "../store.ts";
import type { Attempt } from "./send.ts";
import type { Occupied } from "./slots.ts";

export const DELIVERY_STATUSES = ["pending", "delivered", "failed"] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** Why a delivery has failed for good. */
export const FAILURES = ["tries_used_up", "endpoint_gone", "endpoint_disabled", "endpoint_deleted"] as const;
export type Failure = (typeof FAILURES)[number];

/** What is told: one event, of a job or whatever else has an end. */
export interface Event extends JobKey {
  /** `evt_` and 32 hex digits, the same for all endpoints and at every try. */
  readonly event_id: string;
  readonly event: EventType;
  /** What it is about, as its owner knows it. */
  readonly about: string;
  /** When it happened, Unix ms. */
  readonly at_ms: number;
}

/** One event for one endpoint. Times in Unix ms. */
export interface Delivery extends Event {
  /** `whd_`, the time, and 20 hex digits: deliveries sort as their events happened. */
  readonly id: string;
  readonly endpoint_id: string;
  readonly status: DeliveryStatus;
  /** Null: it has not failed for good. */
  readonly failure: Failure | null;
  /** Its last tries, the oldest first. */
  readonly attempts: readonly Attempt[];
  /** Tries since it was made, or sent again. */
  readonly tries: number;
  /** Times in a row that the endpoint had no slot for it. */
  readonly put_off: number;
  /** When it is tried next; null: not any more. */
  readonly due_ms: number | null;
  /** Tries end so long after. */
  readonly since_ms: number;
}

/** Whatever is read again of the same end has the same id: who hears of it twice can tell. */
export function eventOf({ tenant_id, job_id }: JobKey, { event, about, at_ms }: OutboxItem): Event {
  const digest = sha256Hex(JSON.stringify([tenant_id, job_id, event]));
  return { tenant_id, job_id, event_id: `evt_${digest.slice(0, 32)}`, event, about, at_ms };
}

/** The body that is sent: as thin as OpenAI's. */
export function bodyOf({ event_id: id, event: type, about, at_ms }: Omit<Event, keyof JobKey>): string {
  return JSON.stringify({
    object: "event",
    id,
    type,
    created_at: Math.floor(at_ms / 1000),
    data: { id: about },
  });
}

const TIME_DIGITS = 12;

export function newDelivery(event: Event, endpointId: string, nowMs: number): Delivery {
  const digest = sha256Hex(JSON.stringify([event.event_id, endpointId]));
  return {
    ...event,
    id: `whd_${event.at_ms.toString(16).padStart(TIME_DIGITS, "0")}${digest.slice(0, 20)}`,
    endpoint_id: endpointId,
    ...{ status: "pending", failure: null, attempts: [], tries: 0, put_off: 0 },
    ...{ due_ms: nowMs, since_ms: nowMs },
  };
}

const HOUR_MS = 3_600_000;
/** Pauses after the first try, the second, …: Standard Webhooks' example, as far as 72 h allow. */
const PAUSES_MS = [
  ...[5_000, 5 * 60_000, 30 * 60_000],
  ...[2, 5, 10, 14, 20, 20].map((hours) => hours * HOUR_MS),
];
/** A delivery is tried for so long, and for the last time at its end. */
export const TRIED_FOR_MS = 72 * HOUR_MS;
const MAX_ATTEMPTS_KEPT = 12;
/** What does not answer has its tries time out first. */
const FIRST_PUT_OFF_MS = { busy: 1_000, slow: 15_000 } as const;
const MAX_PUT_OFF_MS = 60_000;

/** A pause spread over its last fifth: what failed together does not come back together. */
const spread = (ms: number, random: () => number) => Math.ceil(ms * (0.8 + 0.2 * random()));

export const failed = (delivery: Delivery, failure: Failure): Delivery => ({
  ...{ ...delivery, status: "failed", failure, due_ms: null },
});

/** The delivery after a try. */
export function afterAttempt(delivery: Delivery, attempt: Attempt, random: () => number): Delivery {
  const attempts = [...delivery.attempts, attempt].slice(-MAX_ATTEMPTS_KEPT);
  const tried = { ...delivery, attempts, tries: delivery.tries + 1, put_off: 0 };
  if (isTaken(attempt)) return { ...tried, status: "delivered", due_ms: null };
  if (isGone(attempt)) return failed(tried, "endpoint_gone");
  const nowMs = attempt.at_ms + attempt.latency_ms;
  const lastMs = delivery.since_ms + TRIED_FOR_MS;
  const pauseMs = spread(PAUSES_MS[tried.tries - 1] ?? TRIED_FOR_MS, random);
  const dueMs = nowMs + Math.max(pauseMs, attempt.retry_after_ms ?? 0);
  // The last try is at the end of its time, however the pauses fell.
  if (nowMs >= lastMs) return failed(tried, "tries_used_up");
  return { ...tried, due_ms: Math.min(dueMs, lastMs) };
}

export const isTaken = ({ status_code }: Attempt): boolean =>
  status_code !== null && status_code >= 200 && status_code < 300;
export const isGone = ({ status_code }: Attempt): boolean => status_code === 410;

/** The delivery where its endpoint has no slot now. */
export function putOff(
  delivery: Delivery,
  endpoint: Occupied,
  nowMs: number,
  random: () => number,
): Delivery {
  const pauseMs = Math.min(FIRST_PUT_OFF_MS[endpoint] * 2 ** delivery.put_off, MAX_PUT_OFF_MS);
  return { ...delivery, put_off: delivery.put_off + 1, due_ms: nowMs + spread(pauseMs, random) };
}

/** The delivery where its owner wants it sent again, whatever became of it. */
export function again(delivery: Delivery, nowMs: number): Delivery {
  const anew = { status: "pending", failure: null, tries: 0, put_off: 0 } as const;
  return { ...delivery, ...anew, due_ms: nowMs, since_ms: nowMs };
}
