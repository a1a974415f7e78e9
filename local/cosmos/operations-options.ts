import type { Clock } from "../clock.ts";
import type { CosmosStore } from "./store.ts";

/** What operations work with. */
export interface OperationsOptions {
  readonly store: CosmosStore;
  readonly clock: Clock;
  readonly consistency: string;
  readonly address: () => { port: number };
}
