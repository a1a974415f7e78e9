import type { Container } from "@azure/cosmos";
import { STORED_VERSION } from "../job/job.ts";
import type { DeadLetter, DeadLetters } from "../job/ports.ts";
import { storeOperation } from "./cosmos-client.ts";

const SCOPE = "dead_letters";
/** Long enough for an operator to come back from a holiday. */
const TTL_SECONDS = 90 * 86_400;

/** Dead letters in the `control` container; the same message kept twice is one item. */
export class CosmosDeadLetters implements DeadLetters {
  readonly #control: Container;

  constructor(control: Container) {
    this.#control = control;
  }

  async keep(letter: DeadLetter): Promise<void> {
    const item = {
      id: letter.message_id,
      scope: SCOPE,
      v: STORED_VERSION,
      kind: "dead_letter",
      ...letter,
      ttl: TTL_SECONDS,
    };
    await storeOperation("keep dead letter", (abortSignal) =>
      this.#control.items.upsert(item, { abortSignal }),
    );
  }
}
