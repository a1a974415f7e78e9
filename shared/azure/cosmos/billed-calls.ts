import type { BilledCall, BilledCalls } from "../../usage/usage-report.ts";
import { billedCall } from "./documents.ts";
import { ITEMS } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";

/** Small enough to be answered well within an operation's time. */
const PAGE_CALLS = 1_000;

/** Audit records of calls that used something, or may have, by the time in their indexed `billed.at`. */
export class CosmosBilledCalls implements BilledCalls {
  readonly #jobs: StoredItems;

  constructor(jobs: StoredItems) {
    this.#jobs = jobs;
  }

  async *pages(span: Parameters<BilledCalls["pages"]>[0]): AsyncGenerator<readonly BilledCall[]> {
    const query = {
      select:
        "c.id, c.v, c.tenant_id, c.job_id, c.attempt, c.event, c.provider, c.simulated, c.usage, c.cost, c.billed",
      where: "c.billed.at >= @from AND c.billed.at < @until",
      parameters: { "@from": span.fromSeconds, "@until": span.untilSeconds },
    };
    const partition = span.tenantId === undefined ? {} : { partition: [span.tenantId] };
    const where = { pageItems: PAGE_CALLS, ...partition };
    for await (const page of this.#jobs.pages(ITEMS.audit, query, billedCall, where))
      yield page.map(({ id: _, v: _v, billed, event, ...call }) => ({
        ...call,
        late: event === "attempt_superseded",
        at: billed.at,
        model: billed.model,
      }));
  }
}
