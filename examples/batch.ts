import OpenAI, { toFile } from "openai";

const client = new OpenAI({
  baseURL: process.env.BASE_URL ?? "http://127.0.0.1:7071/openai/v1",
  apiKey: "local-team-a",
});
const request = (model: string) => ({ model, messages: [{ role: "user", content: "Hi" }] });
const lines = ["gpt-sim", "grok-sim", "deepseek-sim"].map((model) =>
  JSON.stringify({ custom_id: model, method: "POST", url: "/v1/chat/completions", body: request(model) }),
);
const file = await client.files.create({
  file: await toFile(Buffer.from(lines.join("\n")), "in.jsonl"),
  purpose: "batch",
});
let batch = await client.batches.create({
  input_file_id: file.id,
  endpoint: "/v1/chat/completions",
  completion_window: "24h",
});
while (!["completed", "failed", "expired", "cancelled"].includes(batch.status))
  batch = await client.batches.retrieve(batch.id);
for (const id of [batch.output_file_id, batch.error_file_id])
  if (id) console.log(await (await client.files.content(id)).text());
