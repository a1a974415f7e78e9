import type { ByteRange, FileKey, Page } from "./file.ts";
import type { FileStore } from "./ports.ts";

/** A file's bytes, page by page: the next is read while the last is used. @throws StoreUnavailable, UnreadableItem */
export async function* contentOf(
  files: Pick<FileStore, "readPage">,
  key: FileKey,
  pages: readonly Page[],
  range: ByteRange = { from: 0, to: Number.POSITIVE_INFINITY },
): AsyncGenerator<Uint8Array> {
  let start = 0;
  let ahead: { readonly bytes: Promise<Uint8Array>; readonly start: number } | undefined;
  for (const { id, bytes } of pages) {
    const from = start;
    start += bytes;
    if (start <= range.from || from > range.to) continue;
    const before = ahead;
    ahead = { bytes: files.readPage(key, id), start: from };
    ahead.bytes.catch(() => undefined); // it is told to whoever awaits it
    if (before !== undefined) yield within(await before.bytes, before.start, range);
  }
  if (ahead !== undefined) yield within(await ahead.bytes, ahead.start, range);
}

function within(bytes: Uint8Array, start: number, { from, to }: ByteRange): Uint8Array {
  return bytes.subarray(Math.max(0, from - start), Math.min(bytes.length, to - start + 1));
}
