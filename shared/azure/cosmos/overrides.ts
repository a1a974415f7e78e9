import { NO_OVERRIDES } from "../../control/overrides.ts";
import type { OverridesStore } from "../../control/watch-overrides.ts";
import { readItem } from "../../store.ts";
import { statusOf, storeOperation } from "./client.ts";
import { ITEMS, overridesPlace } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";

const { id, partition } = overridesPlace;

/** What operators have set, in the `control` container; read with an etag, so that an unchanged one costs least. */
export class CosmosOverrides implements OverridesStore {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async readOverrides(etag: string | undefined): ReturnType<OverridesStore["readOverrides"]> {
    const found = await storeOperation("read overrides", async (abortSignal) => {
      const condition =
        etag === undefined ? {} : { accessCondition: { type: "IfNoneMatch", condition: etag } };
      try {
        const item = this.#control.container.item(id, partition);
        const response = await item.read<object>({ abortSignal, ...condition });
        return response.statusCode === 304 ? "unchanged" : response;
      } catch (thrown) {
        if (statusOf(thrown) === 304) return "unchanged";
        throw thrown;
      }
    });
    if (found === "unchanged") return found;
    const { resource } = found;
    const overrides =
      resource === undefined ? NO_OVERRIDES : readItem(ITEMS.overrides, `${partition}/${id}`, resource);
    return { overrides, etag: found.etag };
  }
}
