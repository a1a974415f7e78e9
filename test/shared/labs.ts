import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Catalogue, parseCatalogue } from "../../shared/model/catalogue.ts";

/** What a deployment does with a call: answers, or does nothing until the test says so. */
export type Reply = (call: { body: string; response: ServerResponse; request: IncomingMessage }) => void;

export const answer =
  (status: number, body: unknown, headers: Record<string, string> = {}): Reply =>
  ({ response }) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };

/** A reply that never comes. */
export const silence: Reply = () => undefined;

export const completion = (text: string) => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "m",
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: text } }],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
});

/** Deployments on loopback, each with its own list of replies, taken in turn; the last one stays. */
export class Labs {
  readonly calls: { deployment: string; body: string; headers: IncomingMessage["headers"] }[] = [];
  readonly #replies = new Map<string, Reply[]>();
  readonly #unanswered = new Set<ServerResponse>();
  #server: Server | undefined;
  #onCall: (() => void)[] = [];

  async start(): Promise<void> {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => this.#take(request, response, Buffer.concat(chunks).toString()));
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, "127.0.0.1", resolve));
  }

  #take(request: IncomingMessage, response: ServerResponse, body: string): void {
    const deployment = (request.url ?? "").split("/")[1] ?? "";
    this.calls.push({ deployment, body, headers: request.headers });
    const replies = this.#replies.get(deployment) ?? [];
    const reply = replies.length > 1 ? replies.shift() : replies[0];
    (reply ?? answer(500, { error: { message: "no reply was set" } }))({ body, response, request });
    if (!response.writableEnded) this.#unanswered.add(response);
    response.once("close", () => this.#unanswered.delete(response));
    for (const tell of this.#onCall.splice(0)) tell();
  }

  /** Calls that have come in and that nobody has answered or given up. */
  get unanswered(): number {
    return [...this.#unanswered].filter(({ writableEnded }) => !writableEnded).length;
  }

  /** Without a slash at its end; a deployment's calls go below its name. */
  get url(): string {
    const address = this.#server?.address() as AddressInfo | undefined;
    if (address === undefined) throw new Error("start the labs first");
    return `http://127.0.0.1:${address.port}`;
  }

  reply(deployment: string, ...replies: Reply[]): void {
    this.#replies.set(deployment, replies);
  }

  /** Resolves when the next call has come in. */
  nextCall(): Promise<void> {
    return new Promise((resolve) => this.#onCall.push(resolve));
  }

  /** A catalogue of these deployments, by name or with fields of their own, and a route `both` over all of them. */
  catalogue(...deployments: (string | ({ readonly name: string } & Record<string, unknown>))[]): Catalogue {
    const named = deployments.map((each) => (typeof each === "string" ? { name: each } : each));
    const parsed = parseCatalogue(
      {
        deployments: named.map(({ name, ...own }) => ({
          name,
          provider: name.split("-")[0],
          model: `${name}-model`,
          base_url: `${this.url}/${name}/v1`,
          auth: { kind: "none" },
          endpoints: ["/v1/chat/completions"],
          capabilities: [],
          price: { currency: "USD", input_per_million: 1, output_per_million: 2 },
          simulated: true,
          ...own,
        })),
        routes: [
          {
            model: "both",
            strategy: "ordered",
            targets: named.map(({ name }) => ({ deployment: name })),
          },
        ],
      },
      { settings: {} },
    );
    if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
    return parsed.catalogue;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}
