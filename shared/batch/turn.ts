import { expiryMs, type Page } from "../files/file.ts";
import { type Log, reasonOf } from "../log.ts";
import { StoreUnavailable, UnreadableItem } from "../store.ts";
import { entered, finalStatus, hasBatchEnded, NOTHING_READ } from "./batch.ts";
import { collect } from "./collect.ts";
import { type BatchDeps, sendTurn, TURN_GRACE_MS } from "./create.ts";
import { expand } from "./expand.ts";
import type { BatchTurn, StoredBatch, StoredProgress } from "./ports.ts";
import { endBatch, Superseded, Turn, type TurnDeps } from "./turn-state.ts";
import { validate } from "./validate.ts";

/** Between two turns, while lines run. */
const PAUSE_MS = 2_000;
/** Each page that its files have so far makes the pause longer: a batch that takes a day has few hundred pages, not 40,000. */
const PAUSE_MS_A_PAGE = 10;
const MAX_PAUSE_MS = 30_000;

/**
 * One turn of a batch: it is validated, its lines are put into the line, what has ended goes into its files, and at last
 * it ends. Never throws for a store that is away: the sweeper's net sends the turn again.
 */
export async function takeTurn(deps: TurnDeps, sent: BatchTurn): Promise<void> {
  try {
    for (;;) {
      const stored = await deps.batches.read(sent);
      if (stored === undefined || hasBatchEnded(stored.batch) || stored.batch.turn !== sent.turn) return;
      try {
        return await run(new Turn(deps, stored, await progressOf(deps, stored)));
      } catch (thrown) {
        // A cancel has another turn come; whatever else it was is read anew.
        if (!(thrown instanceof Superseded)) throw thrown;
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof StoreUnavailable || thrown instanceof UnreadableItem)) throw thrown;
    deps.log.warn("turn_failed", { batch_id: sent.batch_id, reason: reasonOf(thrown) });
  }
}

/** Where it cannot be read, another version may; once the batch's time is over it has failed. */
async function progressOf(deps: TurnDeps, stored: StoredBatch): Promise<StoredProgress> {
  const { batch } = stored;
  try {
    return await deps.batches.readProgress(batch);
  } catch (thrown) {
    const nowMs = deps.clock.now();
    if (!(thrown instanceof UnreadableItem) || nowMs < batch.expires_at_ms) throw thrown;
    const message = "How far the batch had come cannot be read. Its lines have run as jobs.";
    const faults = [{ code: "batch_unreadable", message, param: null, line: null }];
    await endBatch(deps, stored, { ...entered(batch, "failed", nowMs), faults });
    throw thrown;
  }
}

async function run(turn: Turn): Promise<void> {
  if (turn.isNew) await validated(turn);
  if (hasBatchEnded(turn.batch)) return;
  let isMore = true;
  while (isMore && !turn.isOver) {
    const isExpanding = await expand(turn);
    const isCollecting = await collect(turn);
    isMore = isExpanding || isCollecting;
  }
  const { total, completed, failed } = turn.batch;
  if (turn.progress.isRead && completed + failed >= total) return finalize(turn);
  await again(turn, isMore);
}

async function validated(turn: Turn): Promise<void> {
  const { clock, tenants, limits } = turn.deps;
  const { tenant_id } = turn.batch;
  const tenant = tenants().get(tenant_id);
  const content = tenant && (await turn.input());
  const { lines, faults } =
    tenant === undefined || content === undefined
      ? {
          lines: 0,
          faults: [{ code: "input_no_permissions", message: "The input is gone.", param: null, line: null }],
        }
      : await validate(turn.deps, content, { ...turn.batch, tenant }, limits).catch(unreadableInput);
  const nowMs = clock.now();
  if (faults.length > 0) {
    await turn.end({ ...entered(turn.batch, "failed", nowMs), faults });
    return;
  }
  const valid = { ...turn.batch, total: lines };
  const isCancelled = valid.times.cancelling_at_ms !== undefined;
  await turn.write(isCancelled ? valid : entered(valid, "in_progress", nowMs), NOTHING_READ);
}

function unreadableInput(thrown: unknown): Awaited<ReturnType<typeof validate>> {
  if (!(thrown instanceof UnreadableItem)) throw thrown;
  const message = "A part of the input cannot be read.";
  return { lines: 0, faults: [{ code: "input_modified", message, param: "input_file_id", line: null }] };
}

async function finalize(turn: Turn): Promise<void> {
  const { clock } = turn.deps;
  if (turn.batch.times.finalizing_at_ms === undefined) {
    const { times } = turn.batch;
    // One that is cancelled says so until it has ended.
    const finalizing = entered(turn.batch, "finalizing", clock.now());
    await turn.write(
      times.cancelling_at_ms === undefined ? finalizing : { ...finalizing, status: "cancelling" },
    );
  }
  const output_file_id = await fileOf(turn, "output", turn.progress.output);
  const error_file_id = await fileOf(turn, "error", turn.progress.errors);
  const ended = entered(turn.batch, finalStatus(turn.batch), clock.now());
  await turn.end({ ...ended, output_file_id, error_file_id });
}

async function fileOf(turn: Turn, which: "output" | "error", pages: readonly Page[]): Promise<string | null> {
  if (pages.length === 0) return null;
  const { files, clock } = turn.deps;
  const { batch_id, output_expires_after, times } = turn.batch;
  const key = turn.file(which);
  // The same whenever this is done again.
  const created_at_ms = times.finalizing_at_ms ?? clock.now();
  await files.commit(
    {
      ...{ ...key, filename: `${batch_id}_${which}.jsonl`, purpose: "batch_output", created_at_ms },
      bytes: pages.reduce((sum, { bytes }) => sum + bytes, 0),
      expires_at_ms: expiryMs("batch_output", created_at_ms, output_expires_after),
    },
    pages,
  );
  return key.file_id;
}

async function again(turn: Turn, isMore: boolean): Promise<void> {
  const { clock } = turn.deps;
  const pages = turn.progress.output.length + turn.progress.errors.length;
  const pauseMs = isMore ? 0 : Math.min(PAUSE_MS + pages * PAUSE_MS_A_PAGE, MAX_PAUSE_MS);
  const atMs = clock.now() + pauseMs;
  const next = { ...turn.batch, turn: turn.batch.turn + 1 };
  await turn.write(next, undefined, atMs + TURN_GRACE_MS);
  await sendTurn(turn.deps, next, pauseMs === 0 ? undefined : atMs);
}

/** A part of the sweep: the turns whose messages were lost. */
export async function sweepBatches(
  deps: Pick<BatchDeps, "batches" | "turns" | "clock"> & { readonly log: Log },
): Promise<void> {
  const nowMs = deps.clock.now();
  for (const stored of await deps.batches.due(nowMs, 100)) {
    // First moved on, so that a round that dies costs one grace.
    const written = await deps.batches.write(stored, stored.batch, nowMs + 2 * TURN_GRACE_MS);
    if (written !== "superseded") await sendTurn(deps, stored.batch);
  }
}
