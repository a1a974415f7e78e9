import { z } from "zod";
import { MAX_TIME_MS } from "../../bounds.ts";
import { EVENT_TYPES } from "../../event-type.ts";
import { STORED_VERSION, type Stored } from "../../store.ts";
import type { DeliveryNudge, Turns } from "../../webhook/ports.ts";
import { statusOf, storeOperation } from "./client.ts";
import { jobKey } from "./documents.ts";
import { type ItemKind, partitionOf } from "./items.ts";
import { queryOf } from "./queries.ts";
import type { StoredItems } from "./stored-items.ts";
import { isSuperseded } from "./transaction.ts";

const row = z.object({
  ...{ ...jobKey.shape, id: z.string(), _etag: z.string() },
  ...{ event: z.enum(EVENT_TYPES).optional(), due_ms: z.number().max(MAX_TIME_MS).nullish() },
  endpoint_id: z.string().optional(),
});

/** What has a turn of its own, by an indexed field that nothing has once all is done. */
export class CosmosTurns implements Turns {
  readonly #jobs: StoredItems;
  readonly #kinds: readonly ItemKind[];
  readonly #field: string;

  /** @param field when their turn comes */
  constructor(jobs: StoredItems, kinds: readonly ItemKind[], field: "look_at_ms" | "wake_at_ms") {
    this.#jobs = jobs;
    this.#kinds = kinds;
    this.#field = field;
  }

  async overdue(nowMs: number, limit: number): ReturnType<Turns["overdue"]> {
    const query = queryOf(this.#kinds, {
      ...{ top: limit, where: `c.${this.#field} <= @now`, orderBy: `c.${this.#field}` },
      select: "c.id, c._etag, c.tenant_id, c.job_id, c.event, c.due_ms, c.delivery.endpoint AS endpoint_id",
      parameters: { "@now": nowMs },
    });
    const found = await storeOperation("overdue turns", (abortSignal) =>
      this.#jobs.container.items.query<object>(query, { maxItemCount: limit, abortSignal }).fetchAll(),
    );
    return found.resources.flatMap((item) => {
      // One that is damaged is told of by whoever reads it.
      const { success, data } = row.safeParse(item);
      if (!success) return [];
      const { _etag: etag, due_ms, event, endpoint_id, ...key } = data;
      const nudge = {
        ...{ v: STORED_VERSION, ...key },
        ...(event === undefined ? {} : { event }),
        ...(endpoint_id === undefined ? {} : { endpoint_id }),
        ...(due_ms == null ? {} : { due_ms }),
      };
      return [{ value: nudge, etag }];
    });
  }

  async moveOn({ value, etag }: Stored<DeliveryNudge & { id: string }>, atMs: number): Promise<boolean> {
    return storeOperation("move a turn on", async (abortSignal) => {
      try {
        await this.#jobs.container
          .item(value.id, partitionOf(value))
          .patch([{ op: "set", path: `/${this.#field}`, value: atMs }], {
            accessCondition: { type: "IfMatch", condition: etag },
            abortSignal,
          });
        return true;
      } catch (thrown) {
        const status = statusOf(thrown);
        if (status !== undefined && isSuperseded(status)) return false;
        throw thrown;
      }
    });
  }
}
