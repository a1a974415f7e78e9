import type { Container } from "@azure/cosmos";
import { OVERRIDES_ID, OVERRIDES_SCOPE, overridesOf } from "../../control/change-overrides.ts";
import type { OverridesStore } from "../../control/watch-overrides.ts";
import { statusOf, storeOperation } from "./client.ts";

/** What operators have set, in the `control` container; read with an etag, so that an unchanged one costs least. */
export class CosmosOverrides implements OverridesStore {
  readonly #control: Container;

  constructor(control: Container) {
    this.#control = control;
  }

  readOverrides(etag: string | undefined): ReturnType<OverridesStore["readOverrides"]> {
    return storeOperation("read overrides", async (abortSignal) => {
      const condition =
        etag === undefined ? {} : { accessCondition: { type: "IfNoneMatch", condition: etag } };
      try {
        const response = await this.#control
          .item(OVERRIDES_ID, OVERRIDES_SCOPE)
          .read<object>({ abortSignal, ...condition });
        if (response.statusCode === 304) return "unchanged";
        return { overrides: overridesOf(response.resource), etag: response.etag };
      } catch (thrown) {
        if (statusOf(thrown) === 304) return "unchanged";
        throw thrown;
      }
    });
  }
}
