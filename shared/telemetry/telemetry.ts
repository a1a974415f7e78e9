import type { Draft } from "../job/life-cycle.ts";
import type { Traces } from "../job/ports.ts";

/** A change of a job that is stored. Times in Unix ms. */
export interface Change extends Pick<Draft, "job" | "records" | "from"> {
  /** When it was decided, and when it was known to be stored. */
  readonly decidedMs: number;
  readonly storedMs: number;
}

export interface Reading {
  readonly value: number;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Gauges: what is read whenever metrics are exported. */
export const GAUGES = {
  "switchyard.breaker.open": "1: calls of the deployment are held back here, by its breaker",
  "switchyard.line.jobs": "waiting jobs that this instance, as the dispatcher, holds in memory",
  "switchyard.sweeper.age": "seconds since a sweep ended on this instance",
} as const;

/** Where the service tells what it does. It waits for nobody and decides nothing. */
export interface Telemetry extends Traces {
  changed(change: Change): void;
  /** What Cosmos DB charged for one request. */
  charged(container: string, requestUnits: number, isThrottled: boolean): void;
  gauge(name: keyof typeof GAUGES, read: () => readonly Reading[]): void;
  /** Resolves once all that was told has been sent, or could not be. */
  flush(): Promise<void>;
}

/** Nobody listens. */
export const noTelemetry: Telemetry = {
  begin: () => ({}),
  changed: () => undefined,
  charged: () => undefined,
  gauge: () => undefined,
  flush: async () => undefined,
};
