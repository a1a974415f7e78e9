import type { Clock } from "../../clock.ts";
import { type Log, reasonOf } from "../../log.ts";
import type { SweepReport } from "./sweep.ts";

/** What the sweeper did last, for whoever asks how the service is. */
export interface SweepRound {
  /** When the round began, Unix ms. */
  readonly at_ms: number;
  readonly took_ms: number;
  readonly instance: string;
  /** Null: the round could not be finished. */
  readonly report: SweepReport | null;
  /** Why not. */
  readonly failure: string | null;
}

/** Every method throws StoreUnavailable. */
export interface SweepRounds {
  keep(round: SweepRound): Promise<void>;
  last(): Promise<SweepRound | undefined>;
}

/** Rounds in which nothing happened are told this often: a write every second would say no more. */
const KEEP_EVERY_MS = 5_000;

/** Makes a sweep tell of its rounds. What cannot be told is logged; the sweep goes on. */
export function toldRounds(deps: {
  readonly sweep: (log: Log) => Promise<SweepReport>;
  readonly rounds: SweepRounds;
  readonly clock: Clock;
  readonly instance: string;
}): (log: Log) => Promise<void> {
  const { clock, rounds, instance } = deps;
  let keptAtMs = Number.NEGATIVE_INFINITY;
  const tell = async (log: Log, round: SweepRound) => {
    const eventful = round.report === null || round.report.nudged > 0;
    if (!eventful && clock.monotonic() - keptAtMs < KEEP_EVERY_MS) return;
    try {
      await rounds.keep(round);
      keptAtMs = clock.monotonic();
    } catch (thrown) {
      log.warn("sweep_round_not_kept", { reason: reasonOf(thrown) });
    }
  };
  return async (log) => {
    const at_ms = clock.now();
    const startedAt = clock.monotonic();
    const took = () => Math.round(clock.monotonic() - startedAt);
    try {
      const report = await deps.sweep(log);
      await tell(log, { at_ms, took_ms: took(), instance, report, failure: null });
    } catch (thrown) {
      await tell(log, { at_ms, took_ms: took(), instance, report: null, failure: reasonOf(thrown) });
      throw thrown;
    }
  };
}
