import type { LimitHeaders } from "../../model/quota-headers.ts";
import type { WaitCause } from "../../model/wait-cause.ts";
import type { CallNews } from "../ports.ts";
import {
  afterCall,
  type Breaker,
  CLOSED,
  permits,
  permitsAtMs,
  probing,
  rampShare,
  shut,
} from "./breaker.ts";
import { MOST_WAIT_MS, UNKNOWN_WAIT_MS } from "./pool.ts";

/** A refusal of another tenant's call so lately shows that it is the deployment that refuses. */
const REFUSED_LATELY_MS = 10_000;
/** Tenants whose own calls fare badly, of a deployment: the one of longest ago is forgotten. */
const MOST_OWN = 1_000;

/** A call must wait: at `untilMs` (Unix ms, never before now) it is worth asking again. */
export interface Wait {
  readonly cause: WaitCause;
  readonly untilMs: number;
}

/** Less is left than a call needs that the limit would let in. */
function isUsedUp(told: LimitHeaders | null, amount: number): boolean {
  return told !== null && told.left < amount && amount <= (told.per_minute ?? Infinity);
}

/**
 * How well deployments are, and how each tenant's own calls fare there: what one tenant's calls meet while others are
 * served counts against that tenant's next calls, not against the deployment.
 */
export class Health {
  /** By deployment. */
  readonly breakers = new Map<string, Breaker>();
  /** By deployment, then tenant; absent: nothing is known against it. */
  readonly #own = new Map<string, Map<string, Breaker>>();
  /** By deployment: the last one, unless a call of another tenant was let in since. */
  readonly #refusals = new Map<string, { readonly tenant: string; readonly at_ms: number }>();

  /** By deployment, the last calls that were answered, of two jobs: whose, and when. */
  readonly #served = new Map<string, readonly { readonly jobId: string; readonly atMs: number }[]>();

  /** A call was answered. */
  served(deployment: string, jobId: string, nowMs: number): void {
    const before = (this.#served.get(deployment) ?? []).filter((each) => each.jobId !== jobId);
    this.#served.set(deployment, [...before.slice(-1), { jobId, atMs: nowMs }]);
  }

  /** Whether a call of another job was answered there since then. */
  hasServedOthers(deployment: string, jobId: string, sinceMs: number): boolean {
    const served = this.#served.get(deployment) ?? [];
    return served.some((each) => each.jobId !== jobId && each.atMs >= sinceMs);
  }

  heard(news: CallNews, nowMs: number): void {
    const { deployment, tenant_id, taken } = news;
    const failed = news.outcome === "failed";
    this.breakers.set(deployment, afterCall(this.breakers.get(deployment) ?? CLOSED, news, nowMs));
    if (tenant_id === undefined || news.outcome === "refused") return;
    const refusal = this.#refusals.get(deployment);
    const isAfter = refusal !== undefined && refusal.tenant !== tenant_id && taken.at_ms > refusal.at_ms;
    if (!failed && isAfter) this.#refusals.delete(deployment);
    const own = this.#own.get(deployment)?.get(tenant_id);
    // What shows only how well it is leaves nothing to be kept of it.
    if (!failed && own === undefined) return;
    const { tenants: _, ...after } = afterCall(own ?? CLOSED, news, nowMs);
    const isWell = !failed && after.state === "closed" && after.failures < 0.5;
    this.#keep(deployment, tenant_id, isWell ? undefined : after);
  }

  /**
   * A call was refused. True: that counts against its tenant alone, which is left out for as long as the refusal asks,
   * and longer each time. So it is where other tenants call there too, none of them was refused lately, and the
   * deployment does not say itself that its quota is used up.
   * @param othersWait whether jobs of other tenants wait for it
   */
  refused(news: CallNews, othersWait: boolean, nowMs: number): boolean {
    const { deployment, tenant_id: tenant, retry_after_ms, headers, taken } = news;
    if (tenant === undefined) return false;
    const waitMs = Math.min(retry_after_ms ?? UNKNOWN_WAIT_MS, MOST_WAIT_MS);
    const last = this.#refusals.get(deployment);
    this.#refusals.set(deployment, { tenant, at_ms: nowMs });
    const tenants = this.breakers.get(deployment)?.tenants ?? [];
    const others = othersWait || tenants.some(({ id }) => id !== tenant);
    const isShared =
      last !== undefined &&
      last.tenant !== tenant &&
      nowMs - last.at_ms < Math.max(waitMs, REFUSED_LATELY_MS);
    const own = this.#own.get(deployment)?.get(tenant) ?? CLOSED;
    const isSaid = isUsedUp(headers.requests, 1) || isUsedUp(headers.tokens, taken.tokens);
    const isAlone = others && !isShared && !isSaid;
    if (isAlone) this.#keep(deployment, tenant, shut(own, waitMs, MOST_WAIT_MS, nowMs));
    else if (own.state === "half_open") this.#keep(deployment, tenant, undefined);
    return isAlone;
  }

  #keep(deployment: string, tenant: string, breaker: Breaker | undefined): void {
    const own = this.#own.get(deployment) ?? new Map<string, Breaker>();
    this.#own.set(deployment, own);
    own.delete(tenant);
    if (breaker !== undefined) own.set(tenant, breaker);
    const [oldest] = own.keys();
    if (own.size > MOST_OWN && oldest !== undefined) own.delete(oldest);
  }

  /** Whether a tenant's own calls leave it a turn there, whatever the deployment's health. */
  mayCall(deployment: string, tenant: string, nowMs: number): boolean {
    const own = this.#own.get(deployment)?.get(tenant);
    return own === undefined || permits(own, nowMs) !== "no";
  }

  permits(deployment: string, tenant: string, nowMs: number): "yes" | "probe" | "no" {
    if (!this.mayCall(deployment, tenant, nowMs)) return "no";
    return permits(this.breakers.get(deployment) ?? CLOSED, nowMs, tenant);
  }

  /** Why a tenant's call must wait there; as a deployment recovers the dispatcher lets calls go, few at first. */
  waits(deployment: string, tenant: string, nowMs: number): Wait | undefined {
    const breaker = this.breakers.get(deployment) ?? CLOSED;
    if (this.permits(deployment, tenant, nowMs) !== "no" && rampShare(breaker, nowMs) === 1) return undefined;
    const isOwn = !this.mayCall(deployment, tenant, nowMs);
    const { fault } = (isOwn ? this.#own.get(deployment)?.get(tenant) : undefined) ?? breaker;
    const cause = fault?.illness ?? (isOwn ? "rate_limited" : "deployment_failing");
    return { cause, untilMs: Math.max(this.permitsAtMs(deployment, nowMs, tenant), nowMs + 1) };
  }

  /** When it is worth asking again, for a tenant or, without one, for any that is left out. */
  permitsAtMs(deployment: string, nowMs: number, tenant?: string): number {
    const own = this.#own.get(deployment);
    if (tenant === undefined) {
      const times = [...(own?.values() ?? [])].map((each) => permitsAtMs(each, nowMs));
      return Math.min(...times.filter((atMs) => atMs > nowMs));
    }
    const atMs = permitsAtMs(this.breakers.get(deployment) ?? CLOSED, nowMs);
    return Math.max(atMs, permitsAtMs(own?.get(tenant) ?? CLOSED, nowMs));
  }

  /** A call goes: where it is a probe, no other goes meanwhile. */
  begins(deployment: string, tenant: string, nowMs: number): void {
    const breaker = this.breakers.get(deployment);
    if (breaker !== undefined && permits(breaker, nowMs, tenant) === "probe")
      this.breakers.set(deployment, probing(breaker, nowMs));
    const own = this.#own.get(deployment)?.get(tenant);
    if (own !== undefined && permits(own, nowMs) === "probe")
      this.#keep(deployment, tenant, probing(own, nowMs));
  }
}
