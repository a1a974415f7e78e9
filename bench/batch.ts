import { parseArgs } from "node:util";
import { OpenAI, toFile } from "openai";
import { describeMachine } from "./machine.ts";
import { head, row } from "./measure.ts";
import { Stack } from "./stack.ts";

/**
 * `--lines N` (10,000) over three simulated labs: how fast they are validated and become jobs, what a line costs beyond
 * its job's own three batches of writes, and how soon after the last line the batch has ended.
 */
const { values } = parseArgs({ options: { lines: { type: "string", default: "10000" } } });
const count = Number(values.lines);
const LABS = ["gpt-sim", "grok-sim", "deepseek-sim"];
const ENDED = ["completed", "failed", "expired", "cancelled"];

describeMachine();
const stack = await Stack.start();
const client = new OpenAI({ baseURL: `${stack.url}/openai/v1`, apiKey: "local-team-a" });
const lines = Array.from({ length: count }, (_, n) =>
  JSON.stringify({
    ...{ custom_id: `line-${n}`, method: "POST", url: "/v1/chat/completions" },
    body: {
      model: LABS[n % LABS.length],
      messages: [{ role: "user", content: `Number ${n} ${"x".repeat(200)}` }],
    },
  }),
);
const file = await client.files.create({
  file: await toFile(Buffer.from(lines.join("\n")), "in.jsonl"),
  purpose: "batch",
});
const before = await stack.counters();
const startMs = performance.now();
const since = () => (performance.now() - startMs) / 1000;
let batch = await client.batches.create({
  ...{ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" },
});
let validatedAfter = 0;
let mostMb = 0;
while (!ENDED.includes(batch.status)) {
  await new Promise((resolve) => setTimeout(resolve, 200));
  batch = await client.batches.retrieve(batch.id);
  if (batch.status !== "validating" && validatedAfter === 0) validatedAfter = since();
  mostMb = Math.max(mostMb, stack.memoryMb().app);
}
const seconds = since();
const after = await stack.counters();
head("what", "measured");
row(
  "lines, completed, failed",
  `${count}, ${batch.request_counts?.completed}, ${batch.request_counts?.failed}`,
);
row("validated after, s", validatedAfter.toFixed(1));
row("ended after, s", seconds.toFixed(1));
row("lines a second, from the file to the results", Math.round(count / seconds));
row("app, MB at most", Math.round(mostMb));
for (const [name, value] of Object.entries(after)) {
  const each = (value - (before[name] ?? 0)) / count;
  if (each > 0.001) row(`${name}, a line`, each.toFixed(3));
}
await stack.stop();
