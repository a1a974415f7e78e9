import { Problem } from "../errors.ts";

/** The parts of the host's request that the service looks at. */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  /** Path parameters, by the names of the route's template. */
  readonly params: Readonly<Record<string, string>>;
  /** Null: there is none. */
  readonly body: { getReader(): BodyReader } | null;
  arrayBuffer(): Promise<ArrayBuffer>;
}

interface BodyReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
}

/**
 * The whole body. Reading stops when it is more than may be accepted.
 * @throws Problem request_too_large, before anything is read where the length was declared
 */
export async function readBytes(request: HttpRequest, maxBytes: number): Promise<Uint8Array> {
  const declared = request.headers.get("content-length");
  if (Number(declared ?? 0) > maxBytes) throw tooLarge(`${declared} bytes`, maxBytes);
  // No server takes more than was declared; and reading a body in one go costs a fraction of reading it as a stream.
  if (declared !== null) return new Uint8Array(await request.arrayBuffer());
  const reader = request.body?.getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (let next = await reader?.read(); next?.value !== undefined; next = await reader?.read()) {
    bytes += next.value.length;
    // The rest is left unread, not cancelled: that would close the connection that the answer has to take.
    if (bytes > maxBytes) throw tooLarge(`over ${maxBytes} bytes`, maxBytes);
    chunks.push(next.value);
  }
  return Buffer.concat(chunks, bytes);
}

/** How long a body may be, as far as is known before it is read. */
export function bytesAtMost({ headers }: HttpRequest, maxBytes: number): number {
  const declared = headers.get("content-length");
  return declared === null ? maxBytes : Math.min(Number(declared), maxBytes);
}

function tooLarge(size: string, maxBytes: number): Problem {
  return new Problem("request_too_large", `The request has ${size}; at most ${maxBytes} are taken.`);
}
