import { Problem } from "../errors.ts";
import type { EventType } from "../event-type.ts";
import { FRESH_MS } from "../fresh-copy.ts";
import { StoreUnavailable, type WriteResult } from "../store.ts";
import { type DeliverDeps, nudgeAt, send } from "./deliver.ts";
import { again, type Delivery, eventOf } from "./delivery.ts";
import {
  type Configuration,
  type ConfigurationChange,
  type Endpoint,
  type Endpoints,
  heardBy,
  MAX_ENDPOINTS,
  rotated,
  updated,
} from "./endpoint.ts";
import { newSecret } from "./endpoint-secrets.ts";
import type { Listeners } from "./listeners.ts";
import type { HeardStore } from "./ports.ts";
import type { Attempt } from "./send.ts";

export interface ManageDeps extends Omit<DeliverDeps, "log"> {
  readonly heard: HeardStore;
  readonly listeners: Listeners;
  readonly randomHex: (bytes: number) => string;
}

const MAX_TRIES = 8;
/** Every instance looks before an invocation that begins later than FRESH_MS; a look takes its own time. */
const HEARD_WITHIN_MS = FRESH_MS + 500;

export const endpointNotFound = (id: string): Problem =>
  new Problem("webhook_endpoint_not_found", `There is no webhook endpoint ${id}.`);

/** @throws StoreUnavailable */
export async function endpointsOf(
  { endpoints }: Pick<ManageDeps, "endpoints">,
  tenantId: string,
): Promise<Endpoints> {
  return (await endpoints.read(tenantId))?.value ?? [];
}

/** @throws Problem webhook_endpoint_not_found */
export async function endpointOf(deps: ManageDeps, tenantId: string, id: string): Promise<Endpoint> {
  const found = (await endpointsOf(deps, tenantId)).find((each) => each.id === id);
  if (found === undefined) throw endpointNotFound(id);
  return found;
}

export interface WithSecret {
  readonly endpoint: Endpoint;
  /** Shown this once. */
  readonly secret: string;
}

/** @throws Problem too_many_webhook_endpoints */
export async function createEndpoint(
  deps: ManageDeps,
  tenantId: string,
  configuration: Configuration,
): Promise<WithSecret> {
  const id = `whe_${deps.randomHex(16)}`;
  const { text, stored } = await newSecret(deps, tenantId, id);
  const nowMs = deps.clock.now();
  const endpoint: Endpoint = {
    ...{ id, ...configuration, ...stored, created_at_ms: nowMs, updated_at_ms: nowMs },
  };
  await change(deps, tenantId, (all) => {
    if (all.length < MAX_ENDPOINTS) return [endpoint, ...all];
    throw new Problem("too_many_webhook_endpoints", `There are ${all.length} webhook endpoints already.`);
  });
  return { endpoint, secret: text };
}

/** @throws Problem webhook_endpoint_not_found */
export async function updateEndpoint(
  deps: ManageDeps,
  tenantId: string,
  id: string,
  configuration: ConfigurationChange,
): Promise<Endpoint> {
  return changeOne(deps, tenantId, id, (endpoint) => updated(endpoint, configuration, deps.clock.now()));
}

/** @throws Problem webhook_endpoint_not_found */
export async function rotateEndpoint(
  deps: ManageDeps,
  tenantId: string,
  id: string,
  keepOld: boolean,
): Promise<WithSecret> {
  const { text, stored } = await newSecret(deps, tenantId, id);
  const endpoint = await changeOne(deps, tenantId, id, (each) =>
    rotated(each, stored, keepOld, deps.clock.now()),
  );
  return { endpoint, secret: text };
}

/** What waits to be delivered there stands as failed, when its time comes. @throws Problem webhook_endpoint_not_found */
export async function deleteEndpoint(deps: ManageDeps, tenantId: string, id: string): Promise<void> {
  await change(deps, tenantId, (all) => {
    if (!all.some((each) => each.id === id)) throw endpointNotFound(id);
    return all.filter((each) => each.id !== id);
  });
}

/** A made-up event, sent once and at once; nothing of it is stored. @throws Problem webhook_endpoint_not_found */
export async function testEndpoint(
  deps: ManageDeps,
  tenantId: string,
  id: string,
  event: EventType,
): Promise<Attempt> {
  const endpoint = await endpointOf(deps, tenantId, id);
  const about = `test_${deps.randomHex(16)}`;
  const key = { tenant_id: tenantId, job_id: about };
  return send(deps, eventOf(key, { event, about, at_ms: deps.clock.now() }), endpoint);
}

/** @throws Problem delivery_not_found, webhook_endpoint_not_found */
export async function redeliver(deps: ManageDeps, tenantId: string, id: string): Promise<Delivery> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const found = await deps.deliveries.find(tenantId, id);
    if (found === undefined) throw new Problem("delivery_not_found", `There is no delivery ${id}.`);
    await endpointOf(deps, tenantId, found.value.endpoint_id);
    const nowMs = deps.clock.now();
    const delivery = again(found.value, nowMs);
    if ((await deps.deliveries.write(delivery, found.etag)).kind === "superseded") continue;
    nudgeAt(deps, delivery, nowMs);
    return delivery;
  }
  throw new StoreUnavailable(`${id} changed ${MAX_TRIES} times while it was being written`);
}

async function changeOne(
  deps: ManageDeps,
  tenantId: string,
  id: string,
  make: (endpoint: Endpoint) => Endpoint,
): Promise<Endpoint> {
  let made: Endpoint | undefined;
  await change(deps, tenantId, (all) =>
    all.map((each) => {
      if (each.id !== id) return each;
      made = make(each);
      return made;
    }),
  );
  if (made === undefined) throw endpointNotFound(id);
  return made;
}

/** Changes a tenant's endpoints. Once it returns, every instance knows what they want to hear. */
async function change(
  deps: ManageDeps,
  tenantId: string,
  make: (all: Endpoints) => Endpoints,
): Promise<void> {
  await written(async () => {
    const found = await deps.endpoints.read(tenantId);
    const before = found?.value ?? [];
    const next = make(before);
    const isSame = next.length === before.length && next.every((each, at) => each === before[at]);
    if (isSame) return { kind: "written", etag: found?.etag ?? "" };
    return deps.endpoints.write(tenantId, next, found?.etag);
  });
  let heardMore = false;
  // Written whether or not anything is new: whoever read the endpoints before this change was made has to read again.
  await written(async () => {
    const found = await deps.heard.readHeard(undefined);
    const heard = found === undefined || found === "unchanged" ? undefined : found;
    const now = heardBy(await endpointsOf(deps, tenantId));
    const before = heard?.value[tenantId] ?? [];
    heardMore ||= now.some((event) => !before.includes(event));
    return deps.heard.writeHeard({ ...heard?.value, [tenantId]: now }, heard?.etag);
  });
  await deps.listeners.look();
  if (heardMore) await new Promise<void>((resolve) => deps.clock.after(HEARD_WITHIN_MS, resolve));
}

async function written(write: () => Promise<WriteResult>): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries++) if ((await write()).kind === "written") return;
  throw new StoreUnavailable(`webhook endpoints changed ${MAX_TRIES} times while they were being written`);
}
