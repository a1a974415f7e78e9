import { contentOf } from "../files/content.ts";
import type { FileStore } from "../files/ports.ts";
import { type Batch, hasBatchEnded, type Progress, resultFileId } from "./batch.ts";
import type { BatchStore } from "./ports.ts";

/** How many pages of the two files somebody has: pages are never rewritten. */
export interface ResultsRead {
  readonly output: number;
  readonly errors: number;
}

/**
 * The results that a batch has so far, of both files, after those that somebody has.
 * @returns how much there is then, and its bytes: lines of JSON, whole ones
 */
export async function resultsAfter(
  { batches, files }: { readonly batches: Pick<BatchStore, "readProgress">; readonly files: FileStore },
  batch: Batch,
  { output, errors }: ResultsRead,
): Promise<{ readonly read: ResultsRead; readonly content: AsyncIterable<Uint8Array> }> {
  const { progress } = await batches.readProgress(batch);
  const read = { output: progress.output.length, errors: progress.errors.length };
  return { read, content: both(files, batch, progress, { output, errors }) };
}

async function* both(files: FileStore, batch: Batch, progress: Progress, { output, errors }: ResultsRead) {
  yield* content(files, batch, "output", progress.output.slice(output));
  yield* content(files, batch, "error", progress.errors.slice(errors));
}

async function* content(
  files: FileStore,
  batch: Batch,
  which: "output" | "error",
  pages: Progress["output"],
): AsyncGenerator<Uint8Array> {
  const key = { tenant_id: batch.tenant_id, file_id: resultFileId(batch, which) };
  if (pages.length === 0) return;
  // One that has been deleted, or whose time is over, holds nothing any more.
  if (hasBatchEnded(batch) && (await files.read(key)) === undefined) return;
  yield* contentOf(files, key, pages);
}
