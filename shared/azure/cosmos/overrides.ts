import { NO_OVERRIDES } from "../../control/overrides.ts";
import type { OverridesStore } from "../../control/watch-overrides.ts";
import { ITEMS, overridesPlace } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";

/** What operators have set, in the `control` container; read with an etag, so that an unchanged one costs least. */
export class CosmosOverrides implements OverridesStore {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async readOverrides(etag: string | undefined): ReturnType<OverridesStore["readOverrides"]> {
    const found = await this.#control.readIfChanged(ITEMS.overrides, overridesPlace, etag);
    if (found === "unchanged") return found;
    return { overrides: found?.value ?? NO_OVERRIDES, etag: found?.etag };
  }
}
