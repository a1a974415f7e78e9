import type { Container } from "@azure/cosmos";
import type { SweepRound, SweepRounds } from "../../job/sweep/round.ts";
import { STORED_VERSION } from "../../store.ts";
import { storeOperation } from "./client.ts";

const SCOPE = "sweeper";
const ROUND_ID = "last-round";

/** The sweeper's last round: one item of the `control` container, written over each time. */
export class CosmosSweepRounds implements SweepRounds {
  readonly #control: Container;

  constructor(control: Container) {
    this.#control = control;
  }

  async keep(round: SweepRound): Promise<void> {
    const item = { id: ROUND_ID, scope: SCOPE, v: STORED_VERSION, kind: "sweep_round", round };
    await storeOperation("keep sweep round", (abortSignal) =>
      this.#control.items.upsert(item, { abortSignal }),
    );
  }

  async last(): Promise<SweepRound | undefined> {
    const response = await storeOperation("read sweep round", (abortSignal) =>
      this.#control.item(ROUND_ID, SCOPE).read<{ round: SweepRound }>({ abortSignal }),
    );
    return response.resource?.round;
  }
}
