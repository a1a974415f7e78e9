import { OpenAI } from "openai";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Receiver } from "../shared/webhook/receiver.ts";
import { Stack } from "./stack.ts";

/** Comparisons over HTTP, with simulated models of three labs. */
const stack = new Stack();
const receiver = new Receiver();
beforeAll(() => Promise.all([stack.start(), receiver.start()]));
afterAll(async () => {
  await stack.remove();
  await receiver.stop();
});

const models = ["gpt-sim", "grok-sim", "deepseek-sim"];
const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const body = {
  messages: [{ role: "user", content: "Which city is it?" }],
  response_format: { type: "json_schema", json_schema: { name: "city", strict: true, schema } },
};

it("compares three labs' answers, tells its end, and can be erased", { tags: ["long"] }, async () => {
  const client = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: "local-team-a" });
  const event_types = ["comparison.ended"] as never;
  await client.webhooks.create({ name: "n", url: receiver.url(), event_types });
  const made = await stack.call("/api/comparisons", { body: { models: models.slice(0, 2), body } });
  expect([made.status, made.json.object]).toEqual([202, "comparison"]);
  const route = made.headers.get("location") ?? "";
  expect(route).toBe(`/api/comparisons/${made.json.id}`);
  const ended = await stack.call(route, { headers: { prefer: "wait=30" } });
  expect(ended.json).toMatchObject({
    ...{ status: "ended", request_counts: { total: 2, completed: 2, failed: 0 }, cost: { currency: "USD" } },
  });
  for (const [at, row] of ended.json.jobs.entries()) {
    expect(row).toMatchObject({ model: models[at], holds_schema: true, job: { status: "completed" } });
    expect(row.latency_ms).toBeGreaterThanOrEqual(0);
    expect(row.job.usage.output_tokens).toBeGreaterThan(0);
    expect(row.job.response.body.choices).toHaveLength(1);
  }
  const etag = ended.headers.get("etag") ?? "";
  await expect.poll(() => receiver.received.length).toBe(1);
  expect(JSON.parse(receiver.received[0]?.body ?? "")).toMatchObject({
    ...{ type: "comparison.ended", data: { id: made.json.id } },
  });
  // Its own turn has been by now.
  const { json: list } = await stack.call("/api/comparisons?limit=1");
  expect(list.data).toMatchObject([{ id: made.json.id, status: "ended", request_counts: { completed: 2 } }]);
  const again = await stack.call(route);
  expect(
    (await stack.call(route, { headers: { "if-none-match": again.headers.get("etag") ?? "" } })).status,
  ).toBe(304);
  expect(etag).not.toBe("");
  expect((await stack.call(`${route}/cancel`, { method: "POST" })).json.code).toBe("comparison_ended");
  expect((await stack.call(route, { key: "local-team-b" })).status).toBe(404);
  expect((await stack.call(route, { method: "DELETE" })).status).toBe(204);
  expect((await stack.call(route)).json.jobs).toMatchObject([
    { job: { response: null } },
    { job: { response: null } },
  ]);
});

it("is cancelled as one, and says of each model that it cannot serve it", async () => {
  const later = { messages: [{ role: "user", content: "Later. [[sim:hang]]" }] };
  const made = await stack.call("/api/comparisons", { body: { models, body: later } });
  const cancelled = await stack.call(`/api/comparisons/${made.json.id}/cancel`, { method: "POST" });
  expect(cancelled.json).toMatchObject({ status: "ended" });
  expect(cancelled.json.request_counts.total).toBe(3);
  const refused = await stack.call("/api/comparisons", {
    body: { models: ["gpt-sim", "embed-sim", "none"], body },
  });
  expect(refused.status).toBe(400);
  expect(refused.json.faults.map(({ path }: { path: string }) => path)).toEqual(["/models/1", "/models/2"]);
  for (const wrong of [
    { models: ["gpt-sim"] },
    { models, body: { ...body, model: "x" } },
    { models, body: { ...body, stream: true } },
  ])
    expect((await stack.call("/api/comparisons", { body: { body, ...wrong } })).status).toBe(400);
});
