import type { Catalogue, Deployment } from "../model/catalogue.ts";
import type { Outcome } from "../model/outcome.ts";
import type { WaitCause } from "../model/wait-cause.ts";
import type { Taken } from "./belief/pool.ts";
import type { Dispatcher } from "./dispatch/dispatcher.ts";
import type { CallNews } from "./dispatch/scheduler.ts";
import type { Grant } from "./grant.ts";
import type { InstanceQuota, Limited } from "./instance/instance-quota.ts";
import type { Reporter } from "./instance/reporter.ts";
import type { ParkedJob } from "./ports.ts";

/** How a worker asks for quota and tells what became of it. */
export interface QuotaDoor {
  /** Why a call must wait; undefined: it may go now. */
  waitCause(deployment: string, tokens: number): WaitCause | undefined;
  /** Tries to get room on one of these; true: it is there. */
  prepare(deployments: readonly string[], tokens: number): Promise<boolean>;
  take(deployment: string, tokens: number): Taken;
  /** What was taken is not used after all. */
  giveBack(deployment: string, taken: Taken): void;
  /** The dispatcher let the job go, and no call came of it. */
  unused(grant: Grant, jobId: string): void;
  /** A call begins. `sentMs` is this instance's clock. */
  started(deployment: string): void;
  /** Resolves once all who decide can know it, where it is bad news. */
  heard(call: HeardCall): Promise<void>;
  /** The job is in the dispatcher's line. */
  parked(job: ParkedJob): void;
}

export interface HeardCall {
  readonly deployment: string;
  readonly jobId: string;
  readonly taken: Taken;
  /** Whether the dispatcher took it. */
  readonly granted: boolean;
  readonly sentMs: number;
  readonly latencyMs: number;
  readonly outcome: Outcome;
}

export function limitedOf({ name, limits }: Pick<Deployment, "name" | "limits">): Limited {
  return { name, pool: limits.pool ?? name, limits };
}

/** Whether a deployment is switched off wherever it is a target. */
export function isSwitchedOff({ models }: Catalogue, name: string): boolean {
  const targets = models.flatMap((model) =>
    model.targets.filter(({ deployment }) => deployment.name === name),
  );
  return targets.length > 0 && targets.every(({ off }) => off !== undefined);
}

/** A deployment that the catalogue no longer has: whatever was taken for it needs no more counting. */
const GONE: Limited["limits"] = {};

export class InstanceDoor implements QuotaDoor {
  readonly #deps: {
    readonly catalogue: () => Catalogue;
    readonly quota: InstanceQuota;
    readonly dispatcher: Dispatcher;
    readonly reporter: Reporter;
  };

  constructor(deps: {
    catalogue: () => Catalogue;
    quota: InstanceQuota;
    dispatcher: Dispatcher;
    reporter: Reporter;
  }) {
    this.#deps = deps;
  }

  #limited(name: string): Limited {
    const deployment = this.#deps.catalogue().deployment(name);
    return deployment === undefined ? { name, pool: name, limits: GONE } : limitedOf(deployment);
  }

  waitCause(deployment: string, tokens: number): WaitCause | undefined {
    return this.#deps.quota.waitCause(this.#limited(deployment), tokens);
  }

  prepare(deployments: readonly string[], tokens: number): Promise<boolean> {
    return this.#deps.quota.prepare(
      deployments.map((name) => this.#limited(name)),
      tokens,
    );
  }

  take(deployment: string, tokens: number): Taken {
    return this.#deps.quota.take(this.#limited(deployment), tokens);
  }

  giveBack(deployment: string, taken: Taken): void {
    this.#deps.quota.giveBack(this.#limited(deployment), taken.tokens);
  }

  started(deployment: string): void {
    this.#deps.quota.started(this.#limited(deployment));
  }

  async heard(call: HeardCall): Promise<void> {
    const { quota, dispatcher, reporter } = this.#deps;
    const news = newsOf(call);
    const limited = this.#limited(call.deployment);
    const told = quota.heard(limited, news, call.granted);
    if (dispatcher.isLeading) dispatcher.heard(news, call.granted);
    else if (call.granted || news.outcome === "refused")
      await reporter.heard(news, limited.limits.concurrency !== undefined);
    await told;
  }

  unused({ deployment, taken }: Grant, jobId: string): void {
    const news: CallNews = {
      ...{ deployment, job_id: jobId, taken, outcome: "unused", latency_ms: 0, sent_ms: null },
      ...{ headers: NO_HEADERS, retry_after_ms: null },
    };
    const { dispatcher, reporter } = this.#deps;
    if (dispatcher.isLeading) dispatcher.heard(news, true);
    else void reporter.heard(news);
  }

  parked(job: ParkedJob): void {
    this.#deps.dispatcher.parkedHere(job);
    void this.#deps.dispatcher.ensure();
  }
}

const UNAUTHORIZED = 401;
const NO_HEADERS = { requests: null, tokens: null };

function newsOf({ deployment, jobId, taken, sentMs, latencyMs, outcome }: HeardCall): CallNews {
  return {
    ...{ deployment, job_id: jobId, taken },
    outcome: outcomeOf(outcome),
    latency_ms: Math.round(latencyMs),
    sent_ms: sentMs,
    headers: ("quota" in outcome ? outcome.quota : undefined) ?? NO_HEADERS,
    retry_after_ms: "retryAfterMs" in outcome ? outcome.retryAfterMs : null,
  };
}

function outcomeOf(outcome: Outcome): CallNews["outcome"] {
  switch (outcome.kind) {
    case "rate_limited":
      return "refused";
    case "retry":
      return "failed";
    case "aborted":
      return "aborted";
    case "turned_away":
      // Its key is refused: that is the deployment's fault. All else may be the request's own.
      return outcome.statusCode === UNAUTHORIZED ? "failed" : "ok";
    default:
      return "ok";
  }
}
