import type { Clock } from "../clock.ts";
import type { Job } from "../job/job.ts";
import type { Draft } from "../job/life-cycle.ts";
import type { JobStore } from "../job/ports.ts";
import { isApplied } from "../job/saving.ts";
import { type Log, reasonOf } from "../log.ts";
import type { Telemetry } from "./telemetry.ts";

/** Writes whose answers were lost and that nobody has asked for since: few, and only in an outage. */
const MAX_UNSURE = 1_000;

interface Written extends Pick<Draft, "job" | "records" | "from"> {
  readonly decidedMs: number;
}

/**
 * The store, and every change that it has stored is told. One whose answer was lost is told when it is found there, by
 * whoever looks for it; it is not looked for here.
 */
export function toldStore(
  store: JobStore,
  { telemetry, clock, log }: { telemetry: Telemetry; clock: Pick<Clock, "now">; log: Log },
): JobStore {
  const unsure = new Map<string, Written>();
  const tell = (written: Written) => {
    unsure.delete(written.job.job_id);
    try {
      telemetry.changed({ ...written, storedMs: clock.now() });
    } catch (thrown) {
      // It is stored, and goes on.
      log.error("telemetry_failed", { job_id: written.job.job_id, reason: reasonOf(thrown) });
    }
  };
  const telling = async <R extends { readonly kind: string }>(
    written: Written,
    write: Promise<R>,
  ): Promise<R> => {
    try {
      const result = await write;
      if (result.kind === "written") tell(written);
      return result;
    } catch (thrown) {
      for (const oldest of unsure.keys()) if (unsure.size >= MAX_UNSURE) unsure.delete(oldest);
      unsure.set(written.job.job_id, written);
      throw thrown;
    }
  };
  const found = (job: Job | undefined) => {
    const written = unsure.get(job?.job_id ?? "");
    if (job !== undefined && written !== undefined && isApplied(written, job) === true) tell(written);
  };
  return {
    create: (accepted, nowMs) => telling({ ...accepted, decidedMs: nowMs }, store.create(accepted, nowMs)),
    write: (draft, etag, nowMs) => telling({ ...draft, decidedMs: nowMs }, store.write(draft, etag, nowMs)),
    async read(key) {
      const stored = await store.read(key);
      if (unsure.size > 0) found(stored?.value);
      return stored;
    },
    async hasRecord(key, record) {
      const isThere = await store.hasRecord(key, record);
      const written = unsure.get(key.job_id);
      if (isThere && written?.records.at(-1)?.hash === record.hash) tell(written);
      return isThere;
    },
    readWithRequest: (key) => store.readWithRequest(key),
    readResponse: (key) => store.readResponse(key),
    readWithResponse: (key) => store.readWithResponse(key),
    find: (jobId) => store.find(jobId),
    coalescing: (tenantId, coalesce, sinceMs) => store.coalescing(tenantId, coalesce, sinceMs),
    list: (tenantId, filter) => store.list(tenantId, filter),
    audit: (key) => store.audit(key),
  };
}
