import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { OpenAI } from "openai";
import { Stack } from "../end-to-end/stack.ts";
import { type Step, Upstream } from "../upstream/upstream.ts";

/** The models that every test of this door runs over: of two labs. */
export const LABS = ["gpt-sim", "deepseek-sim"] as const;

/** The local stack with its own labs, and one more whose deployments answer as told. Used through OpenAI's own SDK. */
export class Door {
  readonly #folder = mkdtempSync(path.join(tmpdir(), "switchyard-openai-"));
  readonly upstream = new Upstream();
  readonly stack: Stack;
  /** HTTP requests that clients have sent. */
  readonly sent: { readonly method: string; readonly url: string; readonly status: number }[] = [];

  constructor(environment: Record<string, string> = {}, args: readonly string[] = []) {
    const MODELS_FILE = path.join(this.#folder, "models.json");
    this.stack = new Stack({ MODELS_FILE, DRAIN_SECONDS: "1", ...environment }, args);
  }

  /** @param told deployments whose model has their own name, and what they answer; `told` is a route over them all */
  async start(
    told: Readonly<Record<string, readonly Step[]>> = {},
    more: { readonly [name: string]: object } = {},
  ): Promise<void> {
    await this.upstream.start();
    const catalogue = JSON.parse(readFileSync("models.json", "utf8"));
    for (const [name, steps] of Object.entries(told)) {
      const target = name.replaceAll("/", "-");
      this.upstream.set(target, steps);
      catalogue.deployments.push({
        ...{
          name,
          provider: "lab",
          model: name,
          base_url: this.upstream.baseUrl(target),
          auth: { kind: "none" },
        },
        ...{ endpoints: ["/v1/chat/completions", "/v1/embeddings"], simulated: true },
        price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
        ...more[name],
      });
    }
    const targets = Object.keys(told).map((deployment) => ({ deployment }));
    if (targets.length > 0) catalogue.routes.push({ model: "told", strategy: "ordered", targets });
    writeFileSync(path.join(this.#folder, "models.json"), JSON.stringify(catalogue));
    await this.stack.start();
  }

  async stop(): Promise<void> {
    await this.stack.remove();
    await this.upstream.stop();
    rmSync(this.#folder, { recursive: true });
  }

  /** The SDK as users have it; what it sends is counted on the way. */
  client(options: ConstructorParameters<typeof OpenAI>[0] = {}): OpenAI {
    return new OpenAI({
      baseURL: `${this.stack.url}/openai/v1`,
      apiKey: "local-team-a",
      fetch: this.fetch,
      ...options,
    });
  }

  readonly fetch = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const response = await fetch(url, init);
    this.sent.push({ method: init?.method ?? "GET", url: String(url), status: response.status });
    return response;
  };
}

export const completion = (text: string) => ({
  ...{ id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m" },
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: text } }],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
});
export const says = (content: string) => [{ role: "user" as const, content }];
