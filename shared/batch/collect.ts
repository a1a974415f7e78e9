import { Problem } from "../errors.ts";
import { cancelJob } from "../job/ending/cancel.ts";
import { type Ended, isEnded } from "../job/job.ts";
import { type JobKey, UnreadableItem } from "../store.ts";
import { jobIdOfLine } from "./batch.ts";
import { customIds, NOTHING_USED } from "./expand.ts";
import type { EndedLine } from "./ports.ts";
import { notRun, type ResultLine, resultOf } from "./result.ts";
import type { Turn, TurnDeps } from "./turn-state.ts";

/** Results between two commits: their answers are in memory together. */
const PAGE_RESULTS = 1_000;
const PAGE_RESULT_BYTES = 8 * 1024 * 1024;
const READS_AT_ONCE = 16;
/** An item that is written now may be found so much later. */
const LATE_SECONDS = 2;
/** Where nothing was found for so long, some lines are looked at themselves: a host of an older version does not mark them. */
const LOOK_EVERY_MS = 30_000;
const LINES_LOOKED_AT = 200;
/** After a cancel, calls that run may end for so long. */
const CANCEL_RUNNING_MS = 10 * 60_000;

/** What has ended goes into the files. @returns whether there is more to look at now */
export async function collect(turn: Turn): Promise<boolean> {
  const { deps, batch, progress } = turn;
  let seen = progress.seen_ts;
  let isAny = false;
  for await (const page of deps.batches.ended(batch, Math.max(0, progress.seen_ts - LATE_SECONDS))) {
    for (const { writtenTs } of page) seen = Math.max(seen, writtenTs);
    const fresh = page.filter(({ line }) => !turn.progress.reported.has(line));
    isAny ||= fresh.length > 0;
    await report(turn, fresh);
    if (turn.isOver) return true;
  }
  if (isAny) await turn.commit([], { seen_ts: seen, checked_at_ms: deps.clock.now() });
  else if (mayBeLost(turn)) await look(turn);
  return isAny && !turn.progress.isRead;
}

/** Some at a time, as many as memory allows. */
async function report(turn: Turn, lines: readonly EndedLine[]): Promise<void> {
  const left = [...lines];
  while (left.length > 0) {
    const results: ResultLine[] = [];
    let bytes = 0;
    while (left.length > 0 && results.length < PAGE_RESULTS && bytes < PAGE_RESULT_BYTES) {
      const some = await Promise.all(left.splice(0, READS_AT_ONCE).map((line) => resultOfLine(turn, line)));
      for (const each of some) bytes += each.text.length;
      results.push(...some);
    }
    await turn.commit(results, {});
  }
}

async function resultOfLine({ deps }: Turn, { job, line, customId }: EndedLine): Promise<ResultLine> {
  const response = job.has_response
    ? await deps.store.readResponse(job).catch((thrown: unknown) => told(deps, job, thrown))
    : undefined;
  return resultOf(job, response, { line, customId }, deps.failureOf);
}

/** One item that cannot be read costs its line, and no other. */
function told({ log }: TurnDeps, { job_id }: Pick<JobKey, "job_id">, thrown: unknown): "unreadable" {
  if (!(thrown instanceof UnreadableItem)) throw thrown;
  log.error("line_unreadable", { job_id, kind: thrown.kind, fault: thrown.fault });
  return "unreadable";
}

function mayBeLost({ deps, batch, progress }: Turn): boolean {
  const isWaiting = batch.completed + batch.failed < progress.cursor.lines;
  const isCancelling = batch.times.cancelling_at_ms !== undefined;
  return isWaiting && (isCancelling || deps.clock.now() - progress.checked_at_ms >= LOOK_EVERY_MS);
}

/** Lines that became jobs and are not reported: some in turns; after a cancel all, and those that wait are ended. */
async function look(turn: Turn): Promise<void> {
  const { deps, batch, progress } = turn;
  const { lines } = progress.cursor;
  const isCancelling = batch.times.cancelling_at_ms !== undefined;
  const most = isCancelling ? lines : LINES_LOOKED_AT;
  const missing: number[] = [];
  for (let n = 0; n < lines && missing.length < most; n++) {
    const line = (progress.check_from + n) % lines;
    if (!progress.reported.has(line)) missing.push(line);
  }
  const check_from = ((missing.at(-1) ?? 0) + 1) % lines;
  const found: EndedLine[] = [];
  const unreadable: number[] = [];
  const left = missing.values();
  const lane = async () => {
    for (const line of left) {
      if (turn.isOver) return;
      const key = { tenant_id: batch.tenant_id, job_id: jobIdOfLine(batch, line) };
      const job = await endedOf(turn, key).catch((thrown: unknown) => told(deps, key, thrown));
      if (job === "unreadable") unreadable.push(line);
      else if (job !== undefined) found.push({ job, line, customId: job.custom_id ?? "", writtenTs: 0 });
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, lane));
  await report(turn, found);
  // Another version may read it, and end it, as long as there is time.
  if (isCancelling || deps.clock.now() >= batch.expires_at_ms) await giveUp(turn, unreadable);
  if (!isCancelling) await turn.commit([], { checked_at_ms: deps.clock.now(), check_from });
}

/** What such a line cost, nobody knows. */
async function giveUp(turn: Turn, lines: readonly number[]): Promise<void> {
  if (lines.length === 0) return;
  const names = await customIds(turn, new Set(lines));
  const results = lines.map((line) => ({
    ...{ ...NOTHING_USED, line, hasUnknownCost: true },
    ...notRun(jobIdOfLine(turn.batch, line), names.get(line) ?? "", "line_unreadable"),
  }));
  await turn.commit(results, {});
}

async function endedOf({ deps, batch }: Turn, key: JobKey): Promise<Ended | undefined> {
  const job = (await deps.store.read(key))?.value;
  const { cancelling_at_ms: cancellingMs } = batch.times;
  if (job === undefined || isEnded(job)) return job;
  if (cancellingMs === undefined) return undefined;
  if (job.status === "in_progress" && deps.clock.now() < cancellingMs + CANCEL_RUNNING_MS) return undefined;
  try {
    const { value } = await cancelJob(deps, key, batch.actor, "batch_cancelled");
    return isEnded(value) ? value : undefined;
  } catch (thrown) {
    // It has ended meanwhile, and is found as it has.
    if (thrown instanceof Problem && thrown.code === "job_ended") return undefined;
    throw thrown;
  }
}
