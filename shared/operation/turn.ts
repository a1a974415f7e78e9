import type { Clock } from "../clock.ts";
import { cancelWhere, type EndingDeps } from "../job/ending/cancel.ts";
import { redriveMany } from "../job/letters/bulk.ts";
import type { RedriveDeps } from "../job/letters/redrive.ts";
import { MAX_LETTERS_AT_ONCE } from "../limits.ts";
import { type JobKey, STORED_VERSION, type Stored } from "../store.ts";
import type { Announcer } from "../webhook/announce.ts";
import { type Operation, type OperationStore, TURN_MS } from "./operation.ts";

export interface OperationDeps {
  readonly operations: OperationStore;
  readonly ending: EndingDeps;
  readonly redrive: RedriveDeps;
  readonly announcer: Pick<Announcer, "send">;
  readonly clock: Clock;
}

const PAGE_JOBS = 50;
const JOBS_AT_ONCE = 10;
/** After so long a turn leaves the rest to the next message: others wait in that queue too. */
const MOST_TURN_MS = 5_000;
/** Sorts after every job's id. */
const AFTER_ALL = "job_~";

/**
 * An operation's turn: goes on with it for some seconds, a page at a time, and sends a message for the rest. Each page is
 * told by etag, so that of two turns one stops; what one has done another finds done.
 * @throws StoreUnavailable
 */
export async function operationTurn(deps: OperationDeps, key: JobKey): Promise<void> {
  const found = await deps.operations.read(key.job_id);
  if (found === undefined || found.value.wake_at_ms === undefined) return;
  const until = deps.clock.monotonic() + MOST_TURN_MS;
  let stored: Stored<Operation> | undefined = found;
  const pages = found.value.operation.kind === "cancel_jobs" ? cancelPages : redrivePages;
  for await (const page of pages(deps, found.value.operation)) {
    stored = await told(deps, stored, page);
    if (stored === undefined || page.isLast) return;
    if (deps.clock.monotonic() >= until) {
      deps.announcer.send({ v: STORED_VERSION, tenant_id: key.tenant_id, job_id: key.job_id });
      return;
    }
  }
}

interface Page {
  readonly counts: Readonly<Record<string, number>>;
  readonly after?: string;
  readonly isLast: boolean;
}

/** Undefined: another turn goes on with it. */
async function told(
  { operations, clock }: OperationDeps,
  { value, etag }: Stored<Operation>,
  page: Page,
): Promise<Stored<Operation> | undefined> {
  const { wake_at_ms: _, ...rest } = value;
  const { after: _after, ...before } = value.operation;
  const counts = { ...before.counts };
  for (const [name, count] of Object.entries(page.counts)) counts[name] = (counts[name] ?? 0) + count;
  const nowMs = clock.now();
  const operation = {
    ...{ ...before, counts },
    ...(page.after === undefined ? {} : { after: page.after }),
    ...(page.isLast ? { ended_at_ms: nowMs } : {}),
  };
  const next: Operation = { ...rest, operation, ...(page.isLast ? {} : { wake_at_ms: nowMs + TURN_MS }) };
  const written = await operations.write(next, etag);
  return written.kind === "written" ? { value: next, etag: written.etag } : undefined;
}

/**
 * Live jobs, until a whole look finds none to cancel: one that runs may be queued again meanwhile. What is cancelled is
 * listed no more, so that another turn needs no cursor.
 */
async function* cancelPages(
  { ending }: OperationDeps,
  { filter, actor, at_ms }: Operation["operation"],
): AsyncGenerator<Page> {
  const { tenant, model } = filter;
  const statuses = filter.status === undefined ? (["queued", "in_progress"] as const) : [filter.status];
  for (let found = 1; found > 0; ) {
    found = 0;
    for (const status of statuses) {
      let after: { created_at_ms: number; job_id: string } | undefined = {
        created_at_ms: at_ms,
        job_id: AFTER_ALL,
      };
      while (after !== undefined) {
        const { jobs, hasMore } = await ending.store.list(tenant, { status, model, limit: PAGE_JOBS, after });
        let cancelled = 0;
        for (let at = 0; at < jobs.length; at += JOBS_AT_ONCE) {
          const some = jobs.slice(at, at + JOBS_AT_ONCE);
          const results = await Promise.all(
            some.map((job) =>
              cancelWhere(
                ending,
                job,
                actor,
                "cancelled_by_operator",
                (now) => filter.status === undefined || now.status === status,
              ),
            ),
          );
          cancelled += results.filter((result) => result?.changed === true).length;
        }
        found += cancelled;
        if (cancelled > 0) yield { counts: { cancelled }, isLast: false };
        after = hasMore ? jobs.at(-1) : undefined;
      }
    }
  }
  yield { counts: {}, isLast: true };
}

async function* redrivePages(deps: OperationDeps, operation: Operation["operation"]): AsyncGenerator<Page> {
  const { filter, actor, at_ms } = operation;
  const { tenant: tenantId, job_id: jobId, reason, before_ms = at_ms, new_jobs: newJobs = false } = filter;
  const choice = { tenantId, jobId, reason, beforeMs: Math.min(before_ms, at_ms) };
  let last: string | undefined = operation.after;
  do {
    const after = last === undefined ? undefined : await deps.redrive.deadLetters.read(last);
    const page = { limit: MAX_LETTERS_AT_ONCE, after, newJobs };
    const done = await redriveMany(deps.redrive, choice, page, actor);
    const refused = Object.entries(done.refused).map(([code, count]) => [`refused_${code}`, count] as const);
    const all = Object.entries({
      nudged: done.nudged,
      new_jobs: done.newJobs,
      ...Object.fromEntries(refused),
    });
    const counts = Object.fromEntries(all.filter(([, count]) => count > 0));
    last = done.lastId ?? undefined;
    yield { counts, isLast: last === undefined, ...(last === undefined ? {} : { after: last }) };
  } while (last !== undefined);
}
