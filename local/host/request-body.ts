import { randomUUID } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";

/** What Content-Length announces; undefined where it says nothing. */
export function announcedBytes(request: IncomingMessage): number | undefined {
  const text = request.headers["content-length"];
  return text === undefined ? undefined : Number(text);
}

/** The whole body that Content-Length announces; undefined when the client went away in the middle of it. */
export function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const [first] = chunks;
      resolve(chunks.length === 1 && first ? first : Buffer.concat(chunks));
    });
    // "close" without "end" means that the client went away; "error" comes with it and says nothing more.
    request.on("close", () => resolve(undefined)).on("error", () => resolve(undefined));
  });
}

/** A body that has come whole. */
export interface HeldBody {
  /** Undefined: it lies in a file. */
  readonly bytes: Buffer | undefined;
  chunks(): AsyncIterable<Uint8Array>;
  remove(): Promise<void>;
}

/** A longer one lies in a file, as the cloud's host keeps it, but for JSON: its properties are looked at. */
const MEMORY_BYTES = 1024 * 1024;
const READ_BYTES = 256 * 1024;
const BRACE = 0x7b;

/** The same; one that is long is not in memory. */
export async function holdBody(request: IncomingMessage): Promise<HeldBody | undefined> {
  if ((announcedBytes(request) ?? 0) <= MEMORY_BYTES) return inMemory(await readBody(request));
  const chunks = request.iterator({ destroyOnReturn: false });
  const file = path.join(tmpdir(), `switchyard-body-${randomUUID()}`);
  let handle: FileHandle | undefined;
  const first: Buffer[] = [];
  try {
    for await (const chunk of chunks as AsyncIterable<Buffer>) {
      if (first.length === 0 || first[0]?.[0] === BRACE) first.push(chunk);
      else {
        handle ??= await opened(file, first[0]);
        await handle.writeFile(chunk);
      }
    }
  } catch (thrown) {
    await handle?.close();
    await rm(file, { force: true });
    if (request.complete) throw thrown;
    // The client went away in the middle of it.
    return undefined;
  }
  return handle === undefined ? inMemory(Buffer.concat(first)) : inFile(handle, file);
}

async function opened(file: string, first: Buffer | undefined): Promise<FileHandle> {
  const handle = await open(file, "wx+", 0o600);
  if (first !== undefined) await handle.writeFile(first);
  return handle;
}

function inMemory(bytes: Buffer | undefined): HeldBody | undefined {
  if (bytes === undefined) return undefined;
  return {
    bytes,
    async *chunks() {
      yield bytes;
    },
    remove: async () => undefined,
  };
}

function inFile(handle: FileHandle, file: string): HeldBody {
  return {
    bytes: undefined,
    async *chunks() {
      for (let at = 0; ; ) {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, at);
        if (bytesRead === 0) return;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    },
    async remove() {
      await handle.close();
      await rm(file, { force: true });
    },
  };
}
