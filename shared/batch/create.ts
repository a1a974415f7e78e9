import type { SubmitBudgets } from "../budget/budgets.ts";
import type { Clock } from "../clock.ts";
import { Problem } from "../errors.ts";
import type { FileStore } from "../files/ports.ts";
import { type Log, reasonOf } from "../log.ts";
import type { Endpoint } from "../model/endpoint.ts";
import { sha256Hex } from "../sha256.ts";
import { STORED_VERSION } from "../store.ts";
import { type Batch, type BatchKey, entered, hasBatchEnded, NO_USAGE } from "./batch.ts";
import type { BatchStore, BatchTurns } from "./ports.ts";

export interface BatchDeps {
  readonly batches: BatchStore;
  readonly turns: BatchTurns;
  readonly files: FileStore;
  readonly budgets: SubmitBudgets;
  readonly clock: Pick<Clock, "now">;
  readonly newBatchId: () => string;
}

export interface AskedBatch {
  readonly endpoint: Endpoint;
  readonly inputFileId: string;
  readonly completionWindow: string;
  readonly windowSeconds: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly outputExpiresAfter: number | undefined;
  readonly validate: boolean;
  readonly idempotencyKey: string | null;
  /** The batch whose failed lines these are. */
  readonly retries?: string;
}

/** When the sweeper sends the message of a turn that is due now. */
export const TURN_GRACE_MS = 15_000;

/**
 * Stores a batch, and has its first turn come. What is known to be wrong now is refused now.
 * @throws Problem file_not_found, invalid_request, budget_exceeded; StoreUnavailable
 */
export async function createBatch(
  deps: BatchDeps & { readonly log: Log },
  asked: AskedBatch,
  by: { readonly tenantId: string; readonly actor: string },
): Promise<Batch> {
  const { tenantId: tenant_id, actor } = by;
  const { inputFileId, retries } = asked;
  const input = await deps.files.read({ tenant_id, file_id: inputFileId });
  if (input === undefined) throw new Problem("file_not_found", `No such File object: ${inputFileId}`);
  if (input.purpose !== "batch")
    throw new Problem("invalid_request", "One fault was found.", {
      faults: [{ path: "input_file_id", message: `is a file of purpose ${input.purpose}, not batch` }],
    });
  const refusal = await deps.budgets.refusal(tenant_id, null);
  if (refusal !== undefined) throw refusal;
  const nowMs = deps.clock.now();
  const batch: Batch = entered(
    {
      ...{ tenant_id, actor, endpoint: asked.endpoint, input_file_id: inputFileId },
      batch_id: batchIdOf(asked, tenant_id) ?? deps.newBatchId(),
      ...(retries === undefined ? {} : { retries }),
      ...{ completion_window: asked.completionWindow, metadata: asked.metadata, status: "validating" },
      ...{ times: {}, created_at_ms: nowMs, expires_at_ms: nowMs + asked.windowSeconds * 1000 },
      ...(asked.validate ? { validate: true } : {}),
      ...(asked.outputExpiresAfter === undefined ? {} : { output_expires_after: asked.outputExpiresAfter }),
      ...{ total: 0, completed: 0, failed: 0, expired: 0, usage: NO_USAGE, costs: [], unknown_costs: 0 },
      ...{ counts_as_of_ms: null, faults: [], output_file_id: null, error_file_id: null, turn: 1 },
    },
    "validating",
    nowMs,
  );
  if (await deps.batches.create(batch, nowMs + TURN_GRACE_MS)) {
    await sendTurn(deps, batch);
    return batch;
  }
  return (await batchOf(deps, batch)).batch;
}

/** The same for the same key, and for the same batch that is retried. */
function batchIdOf({ idempotencyKey: key, retries }: AskedBatch, tenant_id: string): string | undefined {
  if (retries !== undefined) return batchIdOfRetry({ tenant_id, batch_id: retries });
  return key === null ? undefined : `batch_${sha256Hex(`batch\u0000${tenant_id}\u0000${key}`).slice(0, 32)}`;
}

/** The batch that is made of the failed lines of another. */
export function batchIdOfRetry({ tenant_id, batch_id }: BatchKey): string {
  return `batch_${sha256Hex(`retry\u0000${tenant_id}\u0000${batch_id}`).slice(0, 32)}`;
}

/** @throws Problem batch_not_found */
export async function batchOf({ batches }: Pick<BatchDeps, "batches">, key: BatchKey) {
  const stored = await batches.read(key);
  if (stored !== undefined) return stored;
  throw new Problem("batch_not_found", `No batch found with id '${key.batch_id}'.`);
}

/** One that Service Bus does not take is logged: the sweeper sends another. */
export async function sendTurn(
  { turns, log }: Pick<BatchDeps, "turns"> & { readonly log: Log },
  { tenant_id, batch_id, turn }: Batch,
  atMs?: number,
): Promise<void> {
  try {
    await turns.send({ v: STORED_VERSION, tenant_id, batch_id, turn }, atMs);
  } catch (thrown) {
    log.warn("turn_not_sent", { batch_id, reason: reasonOf(thrown) });
  }
}

/**
 * No further line begins; those that run may end. A second time is no error.
 * @throws Problem batch_not_found, batch_ended; StoreUnavailable
 */
export async function cancelBatch(deps: BatchDeps & { readonly log: Log }, key: BatchKey): Promise<Batch> {
  for (;;) {
    const stored = await batchOf(deps, key);
    const { batch } = stored;
    if (hasBatchEnded(batch) && batch.status !== "cancelled")
      throw new Problem("batch_ended", `Cannot cancel a batch with status '${batch.status}'.`);
    if (batch.times.cancelling_at_ms !== undefined) return batch;
    const nowMs = deps.clock.now();
    // Its next turn is now, whenever it was to come.
    const cancelling = { ...entered(batch, "cancelling", nowMs), turn: batch.turn + 1 };
    const written = await deps.batches.write(stored, cancelling, nowMs + TURN_GRACE_MS);
    if (written === "superseded") continue;
    await sendTurn(deps, cancelling);
    return cancelling;
  }
}
