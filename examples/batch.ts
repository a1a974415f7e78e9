import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";

const { BASE_URL: baseURL = "http://127.0.0.1:7071/openai/v1" } = process.env;
const client = new OpenAI({ baseURL, apiKey: "local-team-a" });
const [url, messages] = ["/v1/chat/completions", [{ role: "user", content: "Hi" }]] as const;
const line = (model: string) => ({ custom_id: model, method: "POST", url, body: { model, messages } });
const lines = ["gpt-sim", "grok-sim", "deepseek-sim"].map((model) => JSON.stringify(line(model)));
const file = new File([lines.join("\n")], "in.jsonl");
const { id: input_file_id } = await client.files.create({ file, purpose: "batch" });
let batch = await client.batches.create({ input_file_id, endpoint: url, completion_window: "24h" });
for (; !/completed|failed|expired|cancelled/.test(batch.status); await sleep(1_000))
  batch = await client.batches.retrieve(batch.id);
for (const id of [batch.output_file_id, batch.error_file_id])
  if (id) console.log(await (await client.files.content(id)).text());
