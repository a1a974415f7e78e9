import type { Clock } from "../clock.ts";

/** How long calls of each deployment took lately, as this process has measured it. */
export interface Latencies {
  /** Smoothed, ms; undefined where nothing was measured for a while. */
  latencyMs(deployment: string): number | undefined;
  /** A call that gave an answer, or ran out of time. A quick refusal says nothing of speed. */
  measured(deployment: string, ms: number): void;
}

/** The newest call's share: some ten calls make the figure. */
const NEWEST = 0.2;
/** A figure older than this is forgotten, so that a deployment that was slow once is tried again. */
const FORGET_MS = 300_000;

export function createLatencies(clock: Pick<Clock, "monotonic">): Latencies {
  const known = new Map<string, { readonly ms: number; readonly at: number }>();
  return {
    latencyMs(deployment) {
      const figure = known.get(deployment);
      return figure !== undefined && clock.monotonic() - figure.at < FORGET_MS ? figure.ms : undefined;
    },
    measured(deployment, ms) {
      const before = this.latencyMs(deployment);
      known.set(deployment, {
        ms: before === undefined ? ms : before + (ms - before) * NEWEST,
        at: clock.monotonic(),
      });
    },
  };
}
