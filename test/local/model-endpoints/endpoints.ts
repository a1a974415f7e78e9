import OpenAI from "openai";
import { afterEach } from "vitest";
import {
  type ModelEndpoints,
  type ModelEndpointsOptions,
  startModelEndpoints,
} from "../../../local/model-endpoints/server.ts";

const running: ModelEndpoints[] = [];

afterEach(async () => {
  for (const each of running.splice(0)) await each.close();
});

/** Model endpoints on a free port, closed after the test. Without delay, unless told otherwise. */
export async function endpoints(options: Partial<ModelEndpointsOptions> = {}) {
  const server = await startModelEndpoints({
    port: 0,
    databaseFile: ":memory:",
    latencyScale: 0,
    ...options,
  });
  running.push(server);
  const base = `http://127.0.0.1:${server.port}`;
  return {
    ...server,
    base,
    client: (lab: string) =>
      new OpenAI({ baseURL: `${base}/${lab}/v1`, apiKey: "none", maxRetries: 0, logLevel: "off" }),
    post: (path: string, body: unknown, headers: Record<string, string> = {}) =>
      fetch(base + path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    get: async (path: string) => (await fetch(base + path)).json(),
  };
}

export const CHAT = "/openai/v1/chat/completions";

export const LABS = [
  { lab: "openai", model: "gpt-sim" },
  { lab: "xai", model: "grok-sim" },
  { lab: "deepseek", model: "deepseek-sim" },
] as const;

/** From Melville's «Moby-Dick» (1851). */
export const ISHMAEL =
  "Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my purse, and nothing particular to interest me on shore, I thought I would sail about a little and see the watery part of the world. It is a way I have of driving off the spleen and regulating the circulation.";

export const ask = (content: string, model = "gpt-sim") => ({
  model,
  messages: [{ role: "user" as const, content }],
});
