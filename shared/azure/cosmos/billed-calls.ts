import type { z } from "zod";
import { isBilled } from "../../audit/billed.ts";
import type { AuditRecord } from "../../audit/record.ts";
import { readItem } from "../../store.ts";
import type { BilledCall, BilledCalls } from "../../usage/usage-report.ts";
import { billedCall, billedJob } from "./documents.ts";
import { ITEMS } from "./items.ts";
import { nameOf, type StoredItems } from "./stored-items.ts";

/** Small enough to be answered well within an operation's time. */
const PAGE_CALLS = 1_000;
const FIELDS =
  "c.id, c.v, c.tenant_id, c.job_id, c.attempt, c.event, c.provider, c.simulated, c.usage, c.cost, c.billed";
type Row = z.infer<typeof billedCall>;

/** Audit records of calls that used something, or may have, by the time in the indexed `billed.at` of their item. */
export class CosmosBilledCalls implements BilledCalls {
  readonly #jobs: StoredItems;

  constructor(jobs: StoredItems) {
    this.#jobs = jobs;
  }

  async *pages(span: Parameters<BilledCalls["pages"]>[0]): AsyncGenerator<readonly BilledCall[]> {
    const query = {
      where: "c.billed.at >= @from AND c.billed.at < @until",
      parameters: { "@from": span.fromSeconds, "@until": span.untilSeconds },
    } as const;
    const partition = span.tenantId === undefined ? {} : { partition: [span.tenantId] };
    const where = { pageItems: PAGE_CALLS, ...partition };
    const ofItems = { ...query, select: FIELDS };
    for await (const page of this.#jobs.pages(ITEMS.audit, ofItems, billedCall, where))
      yield page.map(callOf);
    const inJobs = { ...query, select: "c.id, c.v, c.tenant_id, c.job_id, c.first_records, c.billed" };
    for await (const page of this.#jobs.pages(ITEMS.job, inJobs, billedJob, where))
      yield page.flatMap((job) => this.#jobs.readable(() => callOf(rowOf(job))));
  }
}

/** @throws UnreadableItem where none of its records is of such a call */
function rowOf({ first_records, ...job }: z.infer<typeof billedJob>): Row {
  const records = first_records as unknown as AuditRecord[];
  const { attempt, event, provider, simulated, usage, cost } = records.find(isBilled) ?? {};
  const item = { ...job, attempt, event, provider, simulated, usage, cost };
  return readItem({ kind: "audit", document: billedCall }, nameOf(job), item);
}

const callOf = ({ id: _, v: _v, billed, event, ...call }: Row): BilledCall => ({
  ...{ ...call, late: event === "attempt_superseded" },
  ...{ at: billed.at, model: billed.model },
});
