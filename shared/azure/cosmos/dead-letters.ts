import type { Container, SqlQuerySpec } from "@azure/cosmos";
import type { DeadLetter, DeadLetterFilter, DeadLetters } from "../../job/ports.ts";
import { STORED_VERSION } from "../../store.ts";
import { statusOf, storeOperation } from "./client.ts";

/** The logical partition whose audit trail says what operators made of the letters. */
const SCOPE = "dead_letters";
/** Long enough for an operator to come back from a holiday. */
const TTL_SECONDS = 90 * 86_400;
const CONFLICT = 409;

/** Dead letters in the `control` container, in one logical partition. */
export class CosmosDeadLetters implements DeadLetters {
  readonly #control: Container;

  constructor(control: Container) {
    this.#control = control;
  }

  async keep(letter: DeadLetter): Promise<void> {
    const item = { scope: SCOPE, v: STORED_VERSION, kind: "dead_letter", ...letter, ttl: TTL_SECONDS };
    await storeOperation("keep dead letter", async (abortSignal) => {
      try {
        await this.#control.items.create(item, { abortSignal });
      } catch (thrown) {
        // Kept before, and perhaps redriven since.
        if (statusOf(thrown) !== CONFLICT) throw thrown;
      }
    });
  }

  async read(id: string): Promise<DeadLetter | undefined> {
    const response = await storeOperation("read dead letter", (abortSignal) =>
      this.#control.item(id, SCOPE).read<DeadLetterItem>({ abortSignal }),
    );
    const item = response.resource;
    return item?.kind === "dead_letter" ? letterOf(item) : undefined;
  }

  async list(filter: DeadLetterFilter): Promise<{ letters: readonly DeadLetter[]; hasMore: boolean }> {
    const conditions = ["c.kind = 'dead_letter'"];
    const parameters: { name: string; value: string | number }[] = [];
    if (filter.tenantId !== undefined) {
      conditions.push("c.nudge.tenant_id = @tenant");
      parameters.push({ name: "@tenant", value: filter.tenantId });
    }
    if (filter.jobId !== undefined) {
      conditions.push("c.nudge.job_id = @job");
      parameters.push({ name: "@job", value: filter.jobId });
    }
    if (filter.redriven !== undefined) {
      conditions.push(filter.redriven ? "IS_DEFINED(c.redriven)" : "NOT IS_DEFINED(c.redriven)");
    }
    if (filter.after !== undefined) {
      conditions.push("(c.at_ms < @at OR (c.at_ms = @at AND c.id < @id))");
      parameters.push({ name: "@at", value: filter.after.at_ms }, { name: "@id", value: filter.after.id });
    }
    // One more than asked for tells whether there are more.
    const query: SqlQuerySpec = {
      query: `SELECT TOP ${filter.limit + 1} * FROM c WHERE ${conditions.join(" AND ")} ORDER BY c.at_ms DESC, c.id DESC`,
      parameters,
    };
    const found = await storeOperation("list dead letters", (abortSignal) =>
      this.#control.items
        .query<DeadLetterItem>(query, { partitionKey: SCOPE, maxItemCount: filter.limit + 1, abortSignal })
        .fetchAll(),
    );
    const letters = found.resources.map(letterOf);
    return { letters: letters.slice(0, filter.limit), hasMore: letters.length > filter.limit };
  }

  async count(): Promise<{ kept: number; untouched: number; newestAtMs: number | null }> {
    // `at_ms` is indexed and only letters have it, so that counting them reads the index.
    const one = async (query: string) => {
      const found = await storeOperation("count dead letters", (abortSignal) =>
        this.#control.items.query<number>(query, { partitionKey: SCOPE, abortSignal }).fetchAll(),
      );
      return found.resources[0];
    };
    const [kept, touched, newest] = await Promise.all([
      one("SELECT VALUE COUNT(1) FROM c WHERE c.at_ms >= 0"),
      one("SELECT VALUE COUNT(1) FROM c WHERE c.at_ms >= 0 AND IS_DEFINED(c.redriven)"),
      one("SELECT TOP 1 VALUE c.at_ms FROM c WHERE c.at_ms >= 0 ORDER BY c.at_ms DESC"),
    ]);
    return { kept: kept ?? 0, untouched: (kept ?? 0) - (touched ?? 0), newestAtMs: newest ?? null };
  }
}

type DeadLetterItem = DeadLetter & { readonly kind: string };

/** The letter without what the store adds to an item. */
function letterOf(item: DeadLetterItem): DeadLetter {
  const { id, message_id, nudge, reason, description, at_ms, redriven } = item;
  const letter = { id, message_id, nudge, reason, description, at_ms };
  return redriven === undefined ? letter : { ...letter, redriven };
}
