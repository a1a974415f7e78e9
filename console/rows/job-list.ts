import type { Job, Page } from "../resources.ts";
import { duration } from "./words.ts";

/** Jobs as far as they were read, newest first, and whether there are more. */
export interface JobList {
  readonly jobs: readonly Job[];
  readonly hasMore: boolean;
}

export const NO_JOBS: JobList = { jobs: [], hasMore: true };

/**
 * The list once a page of it was read again: what the page covers is replaced, new jobs are added, and those that
 * belong to it no more (of another status now, say) go.
 * @param after the job that the page follows; undefined: it is the first page
 */
export function refreshed(known: JobList, page: Page<Job>, after: string | undefined): JobList {
  const from = after === undefined ? 0 : known.jobs.findIndex(({ id }) => id === after) + 1;
  const before = known.jobs.slice(0, from);
  if (!page.has_more) return { jobs: [...before, ...page.data], hasMore: false };
  const end = known.jobs.findIndex(({ id }) => id === page.last_id);
  // So much is new that the page does not reach what was known: that is read again when it is looked at.
  const rest = end < 0 ? [] : known.jobs.slice(end + 1);
  return { jobs: [...before, ...page.data, ...rest], hasMore: rest.length === 0 ? true : known.hasMore };
}

/** Which rows of a long list can be seen, with some to spare: only these are in the page. */
export function rowsInView(
  scrollTop: number,
  height: number,
  rowHeight: number,
  total: number,
): { readonly from: number; readonly to: number } {
  const SPARE = 10;
  const first = Math.min(Math.floor(scrollTop / rowHeight), Math.max(0, total - 1));
  const to = Math.min(total, first + Math.ceil(height / rowHeight) + SPARE);
  return { from: Math.max(0, first - SPARE), to };
}

/** How long a job took from its acceptance to its end, whose times are whole seconds. */
export function tookWords({ created_at, completed_at }: Pick<Job, "created_at" | "completed_at">): string {
  const seconds = (completed_at ?? created_at) - created_at;
  return seconds < 1 ? "under 1 s" : duration(seconds);
}

const WAITS: Readonly<Record<string, string>> = {
  quota: "for quota",
  concurrency: "for a free call",
  budget: "for money: the budget is spent",
  switched_off: "an operator switched it off",
  scheduled: "for its start",
  back_off: "after a failed attempt",
  deployment_failing: "the deployment fails",
  credential_refused: "the lab refuses our key",
  account_empty: "our account at the lab is empty",
};

/** In a few words what the job waits for; undefined: for nothing but a worker. */
export function waitWords({ waiting }: Pick<Job, "waiting">): string | undefined {
  if (waiting === null) return undefined;
  const reason = WAITS[waiting.reason] ?? waiting.reason;
  return waiting.deployment === null ? reason : `${reason} (${waiting.deployment})`;
}
