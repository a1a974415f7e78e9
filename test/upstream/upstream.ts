import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One answer of a target; a call takes the next, and the last one stays. */
export interface Step {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON, or text as it is. */
  readonly body?: unknown;
  /** The body's bytes. */
  readonly base64?: string;
  /** A body of so many bytes, zeros between its two ends. */
  readonly fill?: { readonly bytes: number; readonly prefix: string; readonly suffix: string };
  readonly behaviour?: "hang" | "reset";
  /** It answers so for so long after the first call that it answered so, however often it is called. */
  readonly for_ms?: number;
}

/** A lab on loopback that answers step by step, for each target by itself; a target's calls go below its name. */
export class Upstream {
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));
  readonly #steps = new Map<string, readonly Step[]>();
  /** By target: which step it is at, and since when. */
  readonly #at = new Map<string, { step: number; sinceMs: number }>();
  /** Calls of each target so far. */
  readonly calls = new Map<string, number>();

  set(target: string, steps: readonly Step[]): void {
    this.#steps.set(target, steps);
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  baseUrl(target: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${target}/v1`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #next(target: string): Step | undefined {
    const steps = this.#steps.get(target) ?? [];
    const nowMs = performance.now();
    let { step, sinceMs } = this.#at.get(target) ?? { step: 0, sinceMs: nowMs };
    const lasts = steps[step]?.for_ms;
    if (lasts !== undefined && nowMs - sinceMs >= lasts) [step, sinceMs] = [step + 1, nowMs];
    const isLast = step >= steps.length - 1;
    const stays = steps[step]?.for_ms !== undefined || isLast;
    this.#at.set(target, stays ? { step, sinceMs } : { step: step + 1, sinceMs: nowMs });
    return steps[step];
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume().on("end", () => {
      const target = (request.url ?? "").split("/")[1] ?? "";
      this.calls.set(target, (this.calls.get(target) ?? 0) + 1);
      const step = this.#next(target);
      if (step?.behaviour === "hang") return;
      if (step?.behaviour === "reset") return void request.socket.destroy();
      response.writeHead(step?.status ?? 200, { "content-type": "application/json", ...step?.headers });
      response.end(bytesOf(step ?? {}));
    });
  }
}

function bytesOf({ body, base64, fill }: Step): string | Buffer {
  if (base64 !== undefined) return Buffer.from(base64, "base64");
  if (fill !== undefined) {
    const middle = "0".repeat(fill.bytes - fill.prefix.length - fill.suffix.length);
    return fill.prefix + middle + fill.suffix;
  }
  return typeof body === "string" ? body : JSON.stringify(body ?? {});
}
