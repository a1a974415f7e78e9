import { execFile } from "node:child_process";
import { createReadStream, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { completion, Door, says } from "./door.ts";

/** Files, batches and large bodies through OpenAI's own SDK and the whole local stack. */
const vectors = {
  object: "list",
  data: Array.from({ length: 70 }, (_, index) => ({
    ...{ object: "embedding", index },
    embedding: Array.from({ length: 3_072 }, (_, n) => Math.sin(index * n)),
  })),
  ...{ model: "m", usage: { prompt_tokens: 70, total_tokens: 70 } },
};
const image = "A".repeat(1_500_000);
const door = new Door();
beforeAll(() =>
  door.start(
    {
      photographed: [{ body: completion("Paris.") }],
      drawn: [{ body: completion(image) }],
      embedded: [{ body: vectors }],
    },
    { photographed: { capabilities: ["vision"] } },
  ),
);
afterAll(() => door.stop());

describe("large bodies", () => {
  const photo = {
    type: "image_url" as const,
    image_url: { url: `data:image/jpeg;base64,${"A".repeat(3_000_000)}` },
  };

  it("a photo of 3 MB is taken at both doors, and erased with its job", async () => {
    const messages = [{ role: "user" as const, content: [photo] }];
    const answer = await door.client().chat.completions.create({ model: "photographed", messages });
    expect(answer.choices[0]?.message.content).toBe("Paris.");
    const { stack } = door;
    const body = { endpoint: "/v1/chat/completions", body: { model: "photographed", messages } };
    const { json, status } = await stack.call("/api/jobs", { method: "POST", body });
    expect([status, json.status]).toEqual([202, "queued"]);
    const ended = (await stack.ended(json.id)).json;
    expect(ended.response.body.choices[0].message.content).toBe("Paris.");
    expect((await stack.call(`/api/jobs/${json.id}`, { method: "DELETE" })).status).toBe(204);
    expect((await stack.call(`/api/jobs/${json.id}`)).json.response_absent).toBe("deleted");
  });

  it("an image of 1.5 MB and seventy embeddings come back whole", async () => {
    const client = door.client();
    const drawn = await client.chat.completions.create({ model: "drawn", messages: says("Draw") });
    expect(drawn.choices[0]?.message.content).toBe(image);
    const input = Array.from({ length: 70 }, (_, n) => `text ${n}`);
    const embedded = await client.embeddings.create({ model: "embedded", input });
    expect(embedded.data.length).toBe(70);
    expect(embedded.data[69]?.embedding[1]).toBeCloseTo(Math.sin(69), 6);
  });

  it("one of over 8 MiB is refused", async () => {
    const messages = says("x".repeat(8 * 1024 * 1024));
    const refused = door.client().chat.completions.create({ model: "drawn", messages });
    await expect(refused).rejects.toMatchObject({ status: 413, code: "request_too_large" });
  });
});

it("a batch over three labs, from a file that is streamed", async () => {
  const client = door.client();
  const models = ["gpt-sim", "grok-sim", "deepseek-sim"];
  const lines = Array.from({ length: 30 }, (_, n) => ({
    ...{ custom_id: `line ${n}`, method: "POST", url: "/v1/chat/completions" },
    body: { model: models[n % 3], messages: says(`Number ${n}`) },
  }));
  const input = path.join(door.stack.folder, "lines.jsonl");
  writeFileSync(input, lines.map((line) => JSON.stringify(line)).join("\n"));
  const file = await client.files.create({ file: createReadStream(input), purpose: "batch" });
  const made = await client.batches.create({
    ...{ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" },
  });
  let batch = made;
  while (batch.completed_at == null) {
    batch = await client.batches.retrieve(made.id);
    expect(["failed", "expired", "cancelled"]).not.toContain(batch.status);
  }
  expect(batch.request_counts).toEqual({ total: 30, completed: 30, failed: 0 });
  expect(batch.error_file_id).toBeNull();
  const text = await (await client.files.content(batch.output_file_id ?? "")).text();
  const results = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(results.map(({ custom_id }) => custom_id).sort()).toEqual(
    lines.map(({ custom_id }) => custom_id).sort(),
  );
  for (const { response } of results) expect(response.body.choices[0].message.content).not.toBe("");
  const native = (await door.stack.call(`/api/batches/${made.id}`)).json;
  expect(native).toMatchObject({ ended: true, unknown_cost_lines: 0, request_counts: { completed: 30 } });
  expect(native.costs).toEqual([{ currency: "USD", amount: expect.stringMatching(/^0\.\d+$/) }]);
});

const run = promisify(execFile);
const customIds = (output: string) =>
  output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line).custom_id)
    .sort();

it("the example and the page's own snippet print a line for each lab", { tags: ["long"] }, async () => {
  const labs = ["deepseek-sim", "gpt-sim", "grok-sim"];
  const { url } = door.stack;
  const env = { ...process.env, BASE_URL: `${url}/openai/v1` };
  const [, snippet = ""] = /```js\n(.*?)```/s.exec(readFileSync("docs/batches.md", "utf8")) ?? [];
  const here = snippet.replace("http://127.0.0.1:7071", url);
  const runs = await Promise.all([
    run(process.execPath, ["examples/batch.ts"], { env }),
    run(process.execPath, ["--input-type=module", "--eval", here], { env }),
  ]);
  for (const { stdout } of runs) expect(customIds(stdout)).toEqual(labs);
});
