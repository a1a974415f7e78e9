import { LeanConnection } from "./lean-connection.ts";

const DRAIN_LOOK_MS = 100;

/** A client as fast as one can be: kept connections, small prompts, `Prefer: wait`. */
export class LoadClient {
  readonly #url: string;
  readonly #headers: string;
  readonly #connections: number;
  readonly #all: LeanConnection[] = [];
  readonly #free: LeanConnection[] = [];
  readonly #waiting: ((connection: LeanConnection) => void)[] = [];

  /** `connections`: at most; as many requests are under way at a time. */
  constructor(url: string, connections: number) {
    this.#connections = connections;
    this.#url = url;
    this.#headers = `host: ${new URL(url).host}\r\nauthorization: Bearer local-team-a\r\ncontent-type: application/json\r\n`;
  }

  async #json(target: string, init: { method?: "POST"; body?: string; wait?: number }) {
    const prefer = init.wait === undefined ? "" : `prefer: wait=${init.wait}\r\n`;
    const head = `${init.method ?? "GET"} ${target} HTTP/1.1\r\n${this.#headers}${prefer}`;
    const connection = this.#kept() ?? (await this.#another());
    try {
      const { status, body } = await connection.ask(head, init.body ?? "");
      return { status, body: JSON.parse(body) as Record<string, unknown> };
    } finally {
      // A broken connection too: its waiting caller learns so instead of waiting on.
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(connection);
      else next(connection);
    }
  }

  /** A free connection; those that the server has closed meanwhile are forgotten. */
  #kept(): LeanConnection | undefined {
    for (;;) {
      const connection = this.#free.pop();
      if (connection === undefined || connection.isOpen) return connection;
      this.#all.splice(this.#all.indexOf(connection), 1);
    }
  }

  #another(): LeanConnection | Promise<LeanConnection> {
    if (this.#all.length === this.#connections) return new Promise((resolve) => this.#waiting.push(resolve));
    const connection = new LeanConnection(this.#url);
    this.#all.push(connection);
    return connection;
  }

  /** Answers the job's id. Throws when it was not accepted. */
  async submit(n: number): Promise<string> {
    return String((await this.#submitted(n)).id);
  }

  async #submitted(n: number, wait?: number) {
    const messages = [{ role: "user", content: `Say the number ${n}.` }];
    const { status, body } = await this.#json("/api/jobs", {
      method: "POST",
      body: JSON.stringify({ body: { model: "gpt-sim", messages } }),
      ...(wait === undefined ? {} : { wait }),
    });
    if (status !== 202) throw new Error(`a submit was answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  /** Resolves when the result is seen. Throws when it is not good. */
  async result(id: string): Promise<void> {
    for (;;) {
      const { status, body } = await this.#json(`/api/jobs/${id}`, { wait: 30 });
      if (body.status === "completed") return;
      if (body.status !== "queued" && body.status !== "in_progress")
        throw new Error(`${id}: ${status} ${JSON.stringify(body)}`);
    }
  }

  async wholeJob(n: number): Promise<void> {
    await this.result(await this.submit(n));
  }

  /** The same in one request, if the job ends within the wait. */
  async heldJob(n: number): Promise<void> {
    const { id, status } = await this.#submitted(n, 30);
    if (status !== "completed") await this.result(String(id));
  }

  /** Resolves when every job has ended. */
  async drained(): Promise<void> {
    for (const status of ["queued", "in_progress"]) {
      for (;;) {
        const { body } = await this.#json(`/api/jobs?status=${status}&limit=1`, {});
        if ((body.data as unknown[]).length === 0) break;
        await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
      }
    }
  }

  close(): void {
    for (const connection of this.#all) connection.close();
  }
}
