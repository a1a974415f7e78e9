import type { SweepRound, SweepRounds } from "../../job/sweep/round.ts";
import { ITEMS, sweepRoundPlace } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";

/** The sweeper's last round: one item of the `control` container, written over each time. */
export class CosmosSweepRounds implements SweepRounds {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async keep(round: SweepRound): Promise<void> {
    await this.#control.put(ITEMS.sweep_round, sweepRoundPlace, { round });
  }

  async last(): Promise<SweepRound | undefined> {
    return (await this.#control.read(ITEMS.sweep_round, sweepRoundPlace))?.value.round;
  }
}
