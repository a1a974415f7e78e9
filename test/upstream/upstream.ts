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
  readonly behaviour?: "hang";
}

/** A lab on loopback that answers step by step, for each target by itself; a target's calls go below its name. */
export class Upstream {
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));
  readonly #steps = new Map<string, readonly Step[]>();
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

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume().on("end", () => {
      const target = (request.url ?? "").split("/")[1] ?? "";
      const call = this.calls.get(target) ?? 0;
      this.calls.set(target, call + 1);
      const steps = this.#steps.get(target) ?? [];
      const step = steps[Math.min(call, steps.length - 1)];
      if (step?.behaviour === "hang") return;
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
