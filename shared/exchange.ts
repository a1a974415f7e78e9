import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";

/** More came than the caller takes. */
export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge";
  readonly limitBytes: number;
  constructor(limitBytes: number) {
    super(`the answer is over ${limitBytes} bytes`);
    this.limitBytes = limitBytes;
  }
}

/** Never more than `bytes` of a body are kept in memory: past that it is cut there, or refused. */
export interface BodyLimit {
  readonly bytes: number;
  readonly tooLong: "cut" | "refuse";
}

export class WholeAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body as it came. */
  readonly bytes: Buffer;

  constructor(status: number, headers: IncomingHttpHeaders, bytes: Buffer) {
    this.status = status;
    this.headers = headers;
    this.bytes = bytes;
  }

  get text(): string {
    return utf8Text(this.bytes);
  }
}

const UTF_8 = new TextDecoder();

/** UTF-8 without its byte order mark; what is no UTF-8 becomes U+FFFD. */
export function utf8Text(bytes: Uint8Array): string {
  return UTF_8.decode(bytes);
}

const ONLY_UTF_8 = new TextDecoder("utf-8", { fatal: true });

/** UTF-8 without its byte order mark; undefined: it is none. */
export function strictUtf8Text(bytes: Uint8Array): string | undefined {
  try {
    return ONLY_UTF_8.decode(bytes);
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown;
    return undefined;
  }
}

export interface ExchangeOptions {
  readonly signal?: AbortSignal | undefined;
  readonly limitOf?: (status: number) => BodyLimit;
  /** Called with each part of the body as it comes. */
  readonly onData?: ((chunk: Buffer, status: number, headers: IncomingHttpHeaders) => void) | undefined;
  /** Called when the request is about to be written: until then nothing of it has left. */
  readonly onSend?: () => void;
}

/**
 * One request and its whole answer. undici's own `request` makes a stream of each answer; that stream and all it holds
 * outlive V8's young generation, request after request: two thirds of what a collection had to copy (docs/performance.md).
 * Rejects with the signal's reason when it aborts, even while the request waits for a connection.
 * @throws BodyTooLarge, and whatever undici says of a connection that fails
 */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  { signal, limitOf = () => NO_LIMIT, onSend, onData }: ExchangeOptions = {},
): Promise<WholeAnswer> {
  return new Promise((resolve, reject) => {
    const handler = new Exchange(resolve, reject, limitOf, signal, onSend, onData);
    if (!handler.isOver) dispatcher.dispatch(request, handler);
  });
}

const NO_LIMIT: BodyLimit = { bytes: Number.POSITIVE_INFINITY, tooLong: "refuse" };

/** Its state is in fields, not in closures made while the request is under way: those outlive the young generation too. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #resolve: (answer: WholeAnswer) => void;
  readonly #reject: (error: Error) => void;
  readonly #limitOf: (status: number) => BodyLimit;
  readonly #signal: AbortSignal | undefined;
  readonly #onSend: (() => void) | undefined;
  readonly #onData: ExchangeOptions["onData"];
  readonly #onAbort = () => this.#fail(reasonOf(this.#signal));
  #controller: Dispatcher.DispatchController | undefined;
  #failure: Error | undefined;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #limit = NO_LIMIT;
  #bytes = 0;
  readonly #chunks: Buffer[] = [];
  isOver = false;

  constructor(
    resolve: (answer: WholeAnswer) => void,
    reject: (error: Error) => void,
    limitOf: (status: number) => BodyLimit,
    signal: AbortSignal | undefined,
    onSend: (() => void) | undefined,
    onData: ExchangeOptions["onData"],
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#limitOf = limitOf;
    this.#signal = signal;
    this.#onSend = onSend;
    this.#onData = onData;
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#failure !== undefined) controller.abort(this.#failure);
    else this.#onSend?.();
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.#status = status;
    this.#headers = headers;
    this.#limit = this.#limitOf(status);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isOver) return;
    const room = this.#limit.bytes - this.#bytes;
    this.#bytes += chunk.byteLength;
    this.#chunks.push(chunk.byteLength > room ? chunk.subarray(0, room) : chunk);
    if (chunk.byteLength <= room) {
      this.#onData?.(chunk, this.#status, this.#headers);
      return;
    }
    const tooLarge = new BodyTooLarge(this.#limit.bytes);
    if (this.#limit.tooLong === "cut") this.#complete();
    this.#fail(tooLarge); // ends the connection
  }

  onResponseEnd(): void {
    this.#complete();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #complete(): void {
    const [first] = this.#chunks;
    const bytes = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    this.#resolve(new WholeAnswer(this.#status, this.#headers, bytes));
    this.#end();
  }

  /** Nothing to the caller of an exchange that has its answer. */
  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#reject(error);
    this.#end();
    this.#controller?.abort(error);
  }

  #end(): void {
    this.isOver = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new DOMException(String(reason), "AbortError");
}
