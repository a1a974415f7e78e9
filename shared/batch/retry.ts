import { Problem } from "../errors.ts";
import { contentOf } from "../files/content.ts";
import type { FileKey } from "../files/file.ts";
import { type UploadDeps, upload } from "../files/upload.ts";
import type { Log } from "../log.ts";
import { type Batch, type BatchKey, hasBatchEnded, NOTHING_READ } from "./batch.ts";
import { type BatchDeps, batchIdOfRetry, batchOf, createBatch } from "./create.ts";
import type { ReadText } from "./line.ts";
import { linesOf } from "./lines.ts";

export interface RetryDeps extends BatchDeps {
  readonly upload: UploadDeps;
  readonly readText: ReadText;
  readonly log: Log;
}

/**
 * Makes a batch of the lines that are in another's error file: always the same one, however often this is asked for.
 * Its input is a file of its own. @param maxLineBytes as where the batch was read
 * @throws Problem batch_not_found, batch_not_ended, nothing_to_retry, file_not_found, and what a batch is refused for
 * @throws StoreUnavailable
 */
export async function retryFailed(
  deps: RetryDeps,
  key: BatchKey,
  by: { readonly actor: string; readonly maxLineBytes: number },
): Promise<Batch> {
  const { tenant_id } = key;
  const { batch } = await batchOf(deps, key);
  if (!hasBatchEnded(batch)) throw new Problem("batch_not_ended", `${key.batch_id} is ${batch.status}.`);
  const made = await deps.batches.read({ tenant_id, batch_id: batchIdOfRetry(key) });
  if (made !== undefined) return made.batch;
  if (batch.error_file_id === null)
    throw new Problem("nothing_to_retry", `No line of ${key.batch_id} has failed.`);
  const failed = new Set<string>();
  for await (const { id } of named(
    deps,
    { tenant_id, file_id: batch.error_file_id },
    Number.POSITIVE_INFINITY,
  ))
    failed.add(id);
  const bytes = linesWith(deps, { tenant_id, file_id: batch.input_file_id }, failed, by.maxLineBytes);
  const file = await upload(deps.upload, tenant_id, {
    bytes,
    fields: async () => ({
      ...{
        filename: `${key.batch_id}_failed.jsonl`,
        purpose: "batch" as const,
        expiresAfterSeconds: undefined,
      },
    }),
  });
  const { endpoint, completion_window, metadata, output_expires_after } = batch;
  const created = await createBatch(
    deps,
    {
      ...{ endpoint, metadata, inputFileId: file.file_id, outputExpiresAfter: output_expires_after },
      ...{
        completionWindow: completion_window,
        windowSeconds: (batch.expires_at_ms - batch.created_at_ms) / 1000,
      },
      ...{ idempotencyKey: null, validate: batch.validate === true, retries: key.batch_id },
    },
    { tenantId: tenant_id, actor: by.actor },
  );
  // Another request was quicker.
  if (created.input_file_id !== file.file_id) await deps.files.remove(file);
  return created;
}

async function* linesWith(
  deps: RetryDeps,
  key: FileKey,
  ids: ReadonlySet<string>,
  maxLineBytes: number,
): AsyncGenerator<Uint8Array> {
  for await (const { id, bytes } of named(deps, key, maxLineBytes)) {
    if (!ids.has(id)) continue;
    yield bytes;
    yield LINE_FEED;
  }
}
const LINE_FEED = Buffer.from("\n");

/** The lines of a file of requests or results, with their `custom_id`. @throws Problem file_not_found */
async function* named({ files, readText }: RetryDeps, key: FileKey, maxLineBytes: number) {
  const file = await files.read(key);
  if (file === undefined) throw new Problem("file_not_found", `No such File object: ${key.file_id}`);
  const content = contentOf(files, file, await files.pages(file));
  for await (const { bytes } of linesOf(content, NOTHING_READ.cursor, maxLineBytes)) {
    if (bytes === undefined) continue;
    const { custom_id: id } = readText(bytes).value as { readonly custom_id: unknown };
    if (typeof id === "string") yield { id, bytes };
  }
}
