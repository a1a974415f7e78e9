import type { Clock } from "../clock.ts";
import type { Endpoint } from "./endpoint.ts";

/** How long calls of each deployment took lately, as this process has measured it. */
export interface Latencies {
  /** Smoothed, ms; undefined where nothing was measured for a while. */
  latencyMs(deployment: string): number | undefined;
  /** So long nineteen of twenty of its recent calls of one endpoint took, ms; undefined as above. */
  p95Ms(deployment: string, endpoint: Endpoint): number | undefined;
  /** A call that gave an answer, or ran out of time. A quick refusal says nothing of speed. */
  measured(deployment: string, endpoint: Endpoint, ms: number): void;
}

/** The newest call's share: some ten calls make the figure. */
const NEWEST = 0.2;
/** A figure older than this is forgotten, so that a deployment that was slow once is tried again. */
const FORGET_MS = 300_000;
/** Calls of an endpoint that are remembered one by one. */
const RECENT = 40;

interface Call {
  readonly ms: number;
  readonly at: number;
}

export function createLatencies(clock: Pick<Clock, "monotonic">): Latencies {
  const known = new Map<string, Call>();
  const recent = new Map<string, Call[]>();
  const isFresh = ({ at }: Call) => clock.monotonic() - at < FORGET_MS;
  return {
    latencyMs(deployment) {
      const figure = known.get(deployment);
      return figure !== undefined && isFresh(figure) ? figure.ms : undefined;
    },
    p95Ms(deployment, endpoint) {
      const calls = recent.get(`${deployment} ${endpoint}`)?.filter(isFresh) ?? [];
      const sorted = calls.map(({ ms }) => ms).sort((a, b) => a - b);
      return sorted[Math.ceil(sorted.length * 0.95) - 1];
    },
    measured(deployment, endpoint, ms) {
      const before = this.latencyMs(deployment);
      const at = clock.monotonic();
      known.set(deployment, { ms: before === undefined ? ms : before + (ms - before) * NEWEST, at });
      const name = `${deployment} ${endpoint}`;
      recent.set(name, [...(recent.get(name) ?? []), { ms, at }].slice(-RECENT));
    },
  };
}
