import type { Clock } from "../clock.ts";
import type { Secrets } from "../control/secrets.ts";
import type { Log } from "../log.ts";
import { STORED_VERSION, type Stored } from "../store.ts";
import type { Announcer } from "./announce.ts";
import {
  afterAttempt,
  bodyOf,
  type Delivery,
  type Event,
  eventOf,
  failed,
  isGone,
  isTaken,
  newDelivery,
  putOff,
} from "./delivery.ts";
import { type Endpoint, type Endpoints, healthAfter, secretsOf } from "./endpoint.ts";
import { openSecret, reseal } from "./endpoint-secrets.ts";
import type { DeliveryNudge, DeliveryStore, EndpointStore } from "./ports.ts";
import type { Attempt, Sender } from "./send.ts";
import { signedHeaders } from "./signature.ts";
import type { Slots } from "./slots.ts";

export interface DeliverDeps {
  readonly deliveries: DeliveryStore;
  readonly endpoints: EndpointStore;
  readonly announcer: Announcer;
  readonly sender: Sender;
  readonly slots: Slots;
  readonly secrets: Pick<Secrets, "seal" | "open">;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** Changes of an endpoint's health that meet others; the next try finds what is left to change. */
const HEALTH_TRIES = 4;

/**
 * What a message leads to: an event goes to all who want it, or one delivery is tried again. Whatever becomes of it is
 * stored; a crash before that repeats it, with the same id.
 * @throws StoreUnavailable, so that the message comes again
 */
export async function deliver(deps: DeliverDeps, nudge: DeliveryNudge): Promise<void> {
  if (nudge.endpoint_id === undefined) await fanOut(deps, nudge);
  else await tryAgain(deps, nudge, nudge.endpoint_id);
}

async function fanOut(deps: DeliverDeps, { event, ...key }: DeliveryNudge): Promise<void> {
  if (event === undefined) return;
  const outbox = await deps.deliveries.outbox(key, event);
  if (outbox === undefined) return; // it was sent on
  const told = eventOf(key, outbox.value);
  const endpoints = await deps.endpoints.read(key.tenant_id);
  const wanting = (endpoints?.value ?? []).filter(({ event_types }) => event_types.includes(event));
  const tried = await Promise.all(
    wanting.map((endpoint) => tryOnce(deps, newDelivery(told, endpoint.id, deps.clock.now()), endpoint)),
  );
  // Another has sent it on meanwhile: it knows what is left to do.
  if ((await deps.deliveries.fanOut(key, outbox, tried)) === "superseded") return;
  await stored(deps, tried, endpoints);
}

async function tryAgain(deps: DeliverDeps, nudge: DeliveryNudge, endpoint_id: string): Promise<void> {
  const { tenant_id, job_id, event, due_ms } = nudge;
  if (event === undefined) return;
  const found = await deps.deliveries.read({ tenant_id, job_id, event, endpoint_id });
  const delivery = found?.value;
  // It has moved on: its next message is on its way.
  if (found === undefined || delivery?.due_ms == null || delivery.due_ms !== (due_ms ?? delivery.due_ms))
    return;
  if (delivery.due_ms > deps.clock.now()) return nudgeAt(deps, delivery, delivery.due_ms);
  const endpoints = await deps.endpoints.read(tenant_id);
  const endpoint = endpoints?.value.find(({ id }) => id === endpoint_id);
  const tried = await tryOnce(deps, delivery, endpoint);
  const written = await deps.deliveries.write(tried, found.etag);
  if (written.kind === "written") await stored(deps, [tried], endpoints);
}

/** The delivery after one try, or after none where there can be none now. */
async function tryOnce(
  deps: DeliverDeps,
  delivery: Delivery,
  endpoint: Endpoint | undefined,
): Promise<Delivery> {
  const { slots, clock, random } = deps;
  if (endpoint === undefined) return failed(delivery, "endpoint_deleted");
  if (endpoint.disabled !== undefined) return failed(delivery, "endpoint_disabled");
  const leave = await slots.enter(delivery.tenant_id, endpoint.id);
  if (typeof leave === "string") return putOff(delivery, leave, clock.now(), random);
  let inTime = true;
  try {
    const attempt = await send(deps, delivery, endpoint);
    inTime = attempt.error !== "timeout";
    return afterAttempt(delivery, attempt, random);
  } finally {
    leave(inTime);
  }
}

/** One signed POST of an event. */
export async function send(
  { secrets, sender, clock }: Pick<DeliverDeps, "secrets" | "sender" | "clock">,
  event: Event,
  endpoint: Endpoint,
): Promise<Attempt> {
  const at_ms = clock.now();
  const sealed = secretsOf(endpoint, at_ms);
  const opened = await Promise.all(
    sealed.map((each) => openSecret(secrets, event.tenant_id, endpoint.id, each)),
  );
  const [newest, ...others] = opened;
  // Its owner rotates it: until then nothing can be signed that it would take.
  if (newest === undefined) return { at_ms, latency_ms: 0, status_code: null, error: "secret_lost" };
  const body = bodyOf(event);
  const texts = [newest, ...others].flatMap((each) => (each === undefined ? [] : [each.text]));
  const signed = { id: event.event_id, timestamp: Math.floor(at_ms / 1000), body };
  return sender.post(endpoint.url, { ...signedHeaders(signed, texts), "user-agent": "Switchyard/1.0" }, body);
}

/** Deliveries are stored as they are now: those that wait are nudged for their time, and their endpoints hear how they are. */
async function stored(
  deps: DeliverDeps,
  deliveries: readonly Delivery[],
  endpoints: Stored<Endpoints> | undefined,
): Promise<void> {
  for (const delivery of deliveries) if (delivery.due_ms !== null) nudgeAt(deps, delivery, delivery.due_ms);
  for (const delivery of deliveries) await health(deps, delivery, endpoints);
}

export function nudgeAt(
  { announcer }: Pick<DeliverDeps, "announcer">,
  delivery: Delivery,
  due_ms: number,
): void {
  const { tenant_id, job_id, event, endpoint_id } = delivery;
  announcer.send({ v: STORED_VERSION, tenant_id, job_id, event, endpoint_id, due_ms }, due_ms);
}

/** @param seen the tenant's endpoints, as far as they are known: mostly nothing is to be changed */
async function health(
  deps: DeliverDeps,
  { tenant_id, endpoint_id, attempts, tries }: Delivery,
  seen: Stored<Endpoints> | undefined,
): Promise<void> {
  const last = attempts.at(-1);
  if (last === undefined) return;
  const outcome = { kind: isTaken(last) ? "delivered" : isGone(last) ? "gone" : "failed", tries } as const;
  for (let n = 0; n < HEALTH_TRIES; n++) {
    const found = n === 0 ? seen : await deps.endpoints.read(tenant_id);
    const endpoint = found?.value.find(({ id }) => id === endpoint_id);
    if (found === undefined || endpoint === undefined) return;
    const next = healthAfter(endpoint, outcome, deps.clock.now());
    const changed = (await reseal(deps.secrets, tenant_id, next ?? endpoint)) ?? next;
    if (changed === undefined) return;
    const all = found.value.map((each) => (each === endpoint ? changed : each));
    if ((await deps.endpoints.write(tenant_id, all, found.etag)).kind === "superseded") continue;
    if (changed.disabled !== endpoint.disabled)
      deps.log.warn("webhook_endpoint_disabled", {
        endpoint: endpoint_id,
        reason: changed.disabled?.reason ?? null,
      });
    return;
  }
}
