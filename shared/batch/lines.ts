import type { Cursor } from "./batch.ts";

/** A line of a file that is not blank. */
export interface InputLine {
  /** From 0, blank lines not counted. */
  readonly index: number;
  /** In the file, from 1. */
  readonly line: number;
  /** Without its line break; undefined: it is longer than a line may be. */
  readonly bytes: Uint8Array | undefined;
  /** Where the next one begins. */
  readonly next: Cursor;
}

const LINE_FEED = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const isBlank = (bytes: Uint8Array) => bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);

/**
 * The lines of a file as its bytes come: `\n` or `\r\n`, with or without a byte order mark. Blank lines are left out.
 * @param content from the cursor on
 */
export async function* linesOf(
  content: AsyncIterable<Uint8Array>,
  from: Cursor,
  maxBytes: number,
): AsyncGenerator<InputLine> {
  let cursor = from;
  /** Of the line that has begun; its bytes are kept up to what a line may have. */
  let parts: Uint8Array[] = [];
  let length = 0;
  function ended(breakBytes: number): InputLine | undefined {
    let bytes: Uint8Array | undefined = length <= maxBytes ? Buffer.concat(parts) : undefined;
    if (cursor.offset === 0 && bytes !== undefined && BYTE_ORDER_MARK.equals(bytes.subarray(0, 3)))
      bytes = bytes.subarray(3);
    if (bytes?.at(-1) === 0x0d) bytes = bytes.subarray(0, -1);
    const isLine = bytes === undefined || !isBlank(bytes);
    const { line, lines: index, offset } = cursor;
    const next = { offset: offset + length + breakBytes, line: line + 1, lines: index + (isLine ? 1 : 0) };
    cursor = next;
    parts = [];
    length = 0;
    return isLine ? { index, line, bytes, next } : undefined;
  }
  const take = (part: Uint8Array) => {
    length += part.length;
    if (length <= maxBytes) parts.push(part);
    else parts = [];
  };
  for await (const chunk of content) {
    let start = 0;
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, start)) {
      take(chunk.subarray(start, at));
      start = at + 1;
      const line = ended(1);
      if (line !== undefined) yield line;
    }
    take(chunk.subarray(start));
  }
  const last = length > 0 ? ended(0) : undefined;
  if (last !== undefined) yield last;
}
