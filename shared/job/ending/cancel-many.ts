import { Problem } from "../../errors.ts";
import { MAX_CANCELLED_AT_ONCE } from "../../limits.ts";
import type { ListFilter } from "../ports.ts";
import { cancelJob, type EndingDeps } from "./cancel.ts";

/** Which of a tenant's jobs that have not ended. */
export type LiveChoice = Omit<ListFilter, "status" | "limit" | "after"> & {
  readonly status?: "queued" | "in_progress" | undefined;
};

const AT_ONCE = 16;

/**
 * Cancels jobs that have not ended, the newest first, as many as one request may. It can be asked for again until none
 * is left. @throws StoreUnavailable
 */
export async function cancelMany(
  deps: EndingDeps,
  tenantId: string,
  { status, ...choice }: LiveChoice,
  actor: string,
): Promise<{ cancelled: number; hasMore: boolean }> {
  let cancelled = 0;
  let room = MAX_CANCELLED_AT_ONCE;
  let hasMore = false;
  for (const each of status === undefined ? (["queued", "in_progress"] as const) : [status]) {
    const found = await deps.store.list(tenantId, { ...choice, status: each, limit: Math.max(1, room) });
    const jobs = found.jobs.slice(0, room);
    room -= jobs.length;
    hasMore ||= found.hasMore || jobs.length < found.jobs.length;
    const left = jobs.values();
    const lane = async () => {
      for (const job of left) if (await cancelledNow(deps, job, actor)) cancelled++;
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  }
  return { cancelled, hasMore };
}

/** False: it has ended by itself meanwhile. */
async function cancelledNow(deps: EndingDeps, job: Parameters<typeof cancelJob>[1], actor: string) {
  try {
    await cancelJob(deps, job, actor);
    return true;
  } catch (thrown) {
    if (thrown instanceof Problem && (thrown.code === "job_ended" || thrown.code === "job_not_found"))
      return false;
    throw thrown;
  }
}
