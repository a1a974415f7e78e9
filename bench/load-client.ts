import { Agent, request } from "undici";

const HEADERS = { authorization: "Bearer local-team-a", "content-type": "application/json" };
const DRAIN_LOOK_MS = 100;

/** A client as fast as one can be: kept connections, small prompts, `Prefer: wait`. */
export class LoadClient {
  readonly #url: string;
  readonly #connections: Agent;

  constructor(url: string, connections: number) {
    this.#url = url;
    this.#connections = new Agent({ connections });
  }

  async #json(target: string, init: { method?: "POST"; body?: string; wait?: number }) {
    const answer = await request(`${this.#url}${target}`, {
      method: init.method ?? "GET",
      headers: init.wait === undefined ? HEADERS : { ...HEADERS, prefer: `wait=${init.wait}` },
      body: init.body ?? null,
      dispatcher: this.#connections,
    });
    return { status: answer.statusCode, body: (await answer.body.json()) as Record<string, unknown> };
  }

  /** Answers the job's id. Throws when it was not accepted. */
  async submit(n: number): Promise<string> {
    const messages = [{ role: "user", content: `Say the number ${n}.` }];
    const { status, body } = await this.#json("/api/jobs", {
      method: "POST",
      body: JSON.stringify({ body: { model: "gpt-sim", messages } }),
    });
    if (status !== 202) throw new Error(`a submit was answered ${status}: ${JSON.stringify(body)}`);
    return String(body.id);
  }

  /** Until its result is seen. Throws when it is no good. */
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

  /** Until no job is left that has not ended. */
  async drained(): Promise<void> {
    for (const status of ["queued", "in_progress"]) {
      for (;;) {
        const { body } = await this.#json(`/api/jobs?status=${status}&limit=1`, {});
        if ((body.data as unknown[]).length === 0) break;
        await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
      }
    }
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}
