import type { Catalogue, Deployment } from "../model/catalogue.ts";
import type { PoolLimits } from "./belief/pool.ts";

/** A deployment, as far as its quota matters. */
export interface Limited {
  readonly name: string;
  /** Its quota's name; several deployments may share one. */
  readonly pool: string;
  readonly limits: PoolLimits & {
    /** Calls at the same time, over all instances. */
    readonly concurrency?: number | undefined;
  };
  /** The same where its limits name none, as long as jobs wait for it; absent: however many. */
  readonly concurrency?: number;
  /** Switched off wherever it is a target: nothing is let go to it. */
  readonly off?: boolean;
}

export function limitedOf({ name, limits }: Pick<Deployment, "name" | "limits">): Limited {
  return { name, pool: limits.pool ?? name, limits };
}

/** Calls at the same time, as far as they are bounded at all. */
export function concurrencyOf({ limits, concurrency }: Limited): number | undefined {
  return limits.concurrency ?? concurrency;
}

/** All of a catalogue's. @param concurrency of those whose limits name none */
export function limitedIn({ deployments, models }: Catalogue, concurrency: number): Limited[] {
  const targets = models.flatMap((model) => model.targets);
  const on = new Set(targets.flatMap(({ deployment, off }) => (off === undefined ? [deployment.name] : [])));
  const used = new Set(targets.map(({ deployment }) => deployment.name));
  return deployments.map((each) => ({
    ...limitedOf(each),
    concurrency,
    off: used.has(each.name) && !on.has(each.name),
  }));
}
