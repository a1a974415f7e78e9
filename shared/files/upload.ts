import type { Clock } from "../clock.ts";
import { Problem } from "../errors.ts";
import { UNCOMMITTED_MS } from "../limits.ts";
import { evenPageId, expiryMs, type FileKey, PAGE_BYTES, type Purpose, type StoredFile } from "./file.ts";
import type { Pace } from "./pace.ts";
import type { FileStore } from "./ports.ts";

export interface UploadDeps {
  readonly files: FileStore;
  readonly clock: Pick<Clock, "now">;
  /** Bytes a second that this instance writes of files. */
  readonly pace: Pace;
  readonly limits: FileLimits;
  readonly newFileId: () => string;
}

export interface FileLimits {
  readonly maxFileBytes: number;
  /** Of one tenant, all together. */
  readonly maxFiles: number;
  readonly maxBytes: number;
}

/** What is said of a file besides its bytes; it may come after them. */
export interface FileFields {
  readonly filename: string;
  readonly purpose: Purpose;
  readonly expiresAfterSeconds: number | undefined;
}

/**
 * Stores a file as it comes: no more than a page or two of it are in memory. One that breaks off leaves nothing.
 * @param parts the file's bytes, then what is said of it. Whatever it throws is thrown again
 * @throws Problem file_too_large, file_limit_reached
 * @throws StoreUnavailable
 */
export async function upload(
  deps: UploadDeps,
  tenantId: string,
  parts: { readonly bytes: AsyncIterable<Uint8Array>; readonly fields: () => Promise<FileFields> },
): Promise<StoredFile> {
  const { files, clock } = deps;
  const key: FileKey = { tenant_id: tenantId, file_id: deps.newFileId() };
  await refuseBeyond(deps, tenantId, 0);
  await files.begin(key, clock.now() + UNCOMMITTED_MS);
  try {
    const { bytes, count } = await written(deps, key, parts.bytes);
    const { expiresAfterSeconds, ...fields } = await parts.fields();
    await refuseBeyond(deps, tenantId, bytes);
    const createdMs = clock.now();
    const file: StoredFile = {
      ...{ ...key, ...fields, bytes, even_pages: count, created_at_ms: createdMs },
      expires_at_ms: expiryMs(fields.purpose, createdMs, expiresAfterSeconds),
    };
    if (await files.commit(file)) return file;
    throw new Problem("invalid_request", "The upload took over an hour.");
  } catch (thrown) {
    // Where this fails too, the sweeper does it.
    await files.discard(key).catch(() => undefined);
    throw thrown;
  }
}

async function refuseBeyond({ files, limits }: UploadDeps, tenant: string, more: number): Promise<void> {
  const used = await files.used(tenant);
  if (used.files + 1 <= limits.maxFiles && used.bytes + more <= limits.maxBytes) return;
  const detail = `${tenant} has ${used.files} files of ${used.bytes} bytes; ${limits.maxFiles} of ${limits.maxBytes} are allowed.`;
  throw new Problem("file_limit_reached", detail);
}

async function written(
  { files, pace, limits }: UploadDeps,
  key: FileKey,
  parts: AsyncIterable<Uint8Array>,
): Promise<{ bytes: number; count: number }> {
  let bytes = 0;
  let count = 0;
  for await (const page of pagesOf(parts)) {
    bytes += page.length;
    if (bytes > limits.maxFileBytes)
      throw new Problem("file_too_large", `The file is over ${limits.maxFileBytes} bytes.`);
    await pace.take(page.length);
    await files.writePage(key, evenPageId(count++), page);
  }
  return { bytes, count };
}

/** The bytes in pages, each full but for the last; all in the same memory, so one is gone once the next is asked for. */
async function* pagesOf(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const page = Buffer.allocUnsafe(PAGE_BYTES);
  let filled = 0;
  for await (const part of parts) {
    for (let from = 0; from < part.length; ) {
      const taken = part.subarray(from, from + PAGE_BYTES - filled);
      page.set(taken, filled);
      filled += taken.length;
      from += taken.length;
      if (filled < PAGE_BYTES) continue;
      yield page;
      filled = 0;
    }
  }
  if (filled > 0) yield page.subarray(0, filled);
}
