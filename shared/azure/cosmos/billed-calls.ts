import type { Container, SqlQuerySpec } from "@azure/cosmos";
import type { BilledCall, BilledCalls } from "../../usage/usage-report.ts";
import { storeOperation } from "./client.ts";

/** Small enough to be answered well within an operation's time. */
const PAGE_CALLS = 1_000;

type Found = Omit<BilledCall, "at" | "model" | "late"> & {
  readonly event: string;
  readonly billed: { readonly at: number; readonly model: string };
};

/** Audit records of calls that used something, or may have, by the time in their indexed `billed.at`. */
export class CosmosBilledCalls implements BilledCalls {
  readonly #jobs: Container;

  constructor(jobs: Container) {
    this.#jobs = jobs;
  }

  async *pages(span: Parameters<BilledCalls["pages"]>[0]): AsyncGenerator<readonly BilledCall[]> {
    const query: SqlQuerySpec = {
      query:
        "SELECT c.tenant_id, c.job_id, c.attempt, c.event, c.provider, c.simulated, c.usage, c.cost, c.billed FROM c WHERE c.billed.at >= @from AND c.billed.at < @until",
      parameters: [
        { name: "@from", value: span.fromSeconds },
        { name: "@until", value: span.untilSeconds },
      ],
    };
    const partition = span.tenantId === undefined ? {} : { partitionKey: [span.tenantId] };
    const found = this.#jobs.items.query<Found>(query, { ...partition, maxItemCount: PAGE_CALLS });
    while (found.hasMoreResults()) {
      const page = await storeOperation("usage", () => found.fetchNext());
      yield (page.resources ?? []).map(({ billed, event, ...call }) => ({
        ...call,
        late: event === "attempt_superseded",
        at: billed.at,
        model: billed.model,
      }));
    }
  }
}
