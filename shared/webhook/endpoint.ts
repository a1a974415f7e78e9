import type { Sealed } from "../control/secrets.ts";
import type { EventType } from "../event-type.ts";

/** Where a tenant wants to be called back. Times in Unix ms. */
export interface Endpoint {
  /** `whe_` and 32 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly event_types: readonly EventType[];
  readonly secret: Sealed;
  /** What may be shown of the secret. */
  readonly secret_hint: string;
  /** The secret before, with which is signed as well; absent: none. */
  readonly previous_secret?: Sealed;
  readonly previous_secret_until_ms?: number;
  readonly created_at_ms: number;
  /** Of its configuration or secret. */
  readonly updated_at_ms: number;
  /** Since when its deliveries fail, each several times; absent: the last one succeeded, or failed once or twice. */
  readonly failing_since_ms?: number;
  /** Nothing is sent there any more; absent: it is. */
  readonly disabled?: Disabled;
}

export interface Disabled {
  readonly at_ms: number;
  readonly reason: DisabledReason;
}

/** `gone`: it answered 410. `failing`: nothing was taken there for days. */
export const DISABLED_REASONS = ["gone", "failing"] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

export const MAX_ENDPOINTS = 8;
/** For so long both secrets sign after a rotation that keeps the old one. */
export const BOTH_SECRETS_MS = 24 * 3_600_000;
/** After so many failed tries of one delivery the endpoint counts as failing: one bad answer costs no write. */
export const TRIES_BEFORE_FAILING = 3;
/** What has taken nothing for so long is disabled: no delivery is tried for longer either. */
export const FAILING_AT_MOST_MS = 70 * 3_600_000;

/** All of a tenant's endpoints: the newest first. */
export type Endpoints = readonly Endpoint[];

/** What all of them together want to hear; nothing is sent to one that is disabled, but what it missed is told. */
export function heardBy(endpoints: Endpoints): readonly EventType[] {
  return [...new Set(endpoints.flatMap(({ event_types }) => event_types))].sort();
}

/** Its configuration as a tenant may change it. */
export type Configuration = Pick<Endpoint, "name" | "url" | "event_types">;
/** What is not said stays as it is. */
export type ConfigurationChange = { readonly [K in keyof Configuration]?: Configuration[K] | undefined };

/** The endpoint as its tenant has changed it. An update says that it is in order again, so it is no longer disabled. */
export function updated(
  { disabled: _, failing_since_ms: _since, ...endpoint }: Endpoint,
  { name = endpoint.name, url = endpoint.url, event_types = endpoint.event_types }: ConfigurationChange,
  nowMs: number,
): Endpoint {
  const next = { ...endpoint, name, url, event_types };
  const isSame = (["name", "url", "event_types"] as const).every(
    (field) => JSON.stringify(next[field]) === JSON.stringify(endpoint[field]),
  );
  return { ...next, updated_at_ms: isSame ? endpoint.updated_at_ms : nowMs };
}

/** @param keepOld signs with the old one as well, for a day */
export function rotated(
  { previous_secret: _, previous_secret_until_ms: _until, ...endpoint }: Endpoint,
  secret: Pick<Endpoint, "secret" | "secret_hint">,
  keepOld: boolean,
  nowMs: number,
): Endpoint {
  const kept = keepOld
    ? { previous_secret: endpoint.secret, previous_secret_until_ms: nowMs + BOTH_SECRETS_MS }
    : {};
  return { ...endpoint, ...secret, ...kept, updated_at_ms: nowMs };
}

/** The secrets that sign at that time, the newest first. */
export function secretsOf(endpoint: Endpoint, nowMs: number): readonly Sealed[] {
  const { secret, previous_secret, previous_secret_until_ms = 0 } = endpoint;
  return previous_secret !== undefined && nowMs < previous_secret_until_ms
    ? [secret, previous_secret]
    : [secret];
}

/** What a try says of its endpoint; undefined: nothing that it does not say already. */
export function healthAfter(
  endpoint: Endpoint,
  outcome: { readonly kind: "delivered" | "failed" | "gone"; readonly tries: number },
  nowMs: number,
): Endpoint | undefined {
  const { failing_since_ms, ...rest } = endpoint;
  if (endpoint.disabled !== undefined) return undefined;
  if (outcome.kind === "delivered") return failing_since_ms === undefined ? undefined : rest;
  if (outcome.kind === "gone") return { ...endpoint, disabled: { at_ms: nowMs, reason: "gone" } };
  if (failing_since_ms === undefined)
    return outcome.tries < TRIES_BEFORE_FAILING ? undefined : { ...endpoint, failing_since_ms: nowMs };
  return nowMs - failing_since_ms < FAILING_AT_MOST_MS
    ? undefined
    : { ...endpoint, disabled: { at_ms: nowMs, reason: "failing" } };
}
