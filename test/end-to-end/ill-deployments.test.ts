import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Upstream } from "../upstream/upstream.ts";
import { chat, Stack } from "./stack.ts";

/** Jobs that wait for deployments that are ill, as their tenant and an operator see them, over HTTP. */
const upstream = new Upstream();
const operator = { key: "local-operator" };
let stack: Stack;

const OK = {
  body: {
    ...{ id: "c", object: "chat.completion", model: "m" },
    choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Paris." } }],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  },
};
const ILL = {
  "refuses-key": { status: 401, body: { error: { message: "Access token has expired" } } },
  "is-empty": { status: 402, body: { error: { message: "Insufficient Balance" } } },
  "is-down": { status: 503, body: { error: { message: "Loading model" } } },
};

beforeAll(async () => {
  await upstream.start();
  stack = new Stack({ DRAIN_SECONDS: "1", MODELS_FILE: path.join(upstreamFolder(), "models.json") });
  for (const [name, step] of Object.entries(ILL)) upstream.set(name, [step]);
  const deployments = Object.keys(ILL).map((name) => ({
    ...{ name, provider: "lab", model: `m-${name}`, base_url: upstream.baseUrl(name) },
    ...{ auth: { kind: "none" }, endpoints: ["/v1/chat/completions"], simulated: true },
    price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
  }));
  writeFileSync(path.join(upstreamFolder(), "models.json"), JSON.stringify({ deployments }));
  await stack.start();
});
afterAll(async () => {
  await stack.remove();
  await upstream.stop();
});

/** The folder of whichever stack there is first: it is removed with it. */
let folder: string | undefined;
function upstreamFolder(): string {
  folder ??= new Stack().folder;
  return folder;
}

/** Looks, each time after the service has held the request for a second. */
async function waitingJob(id: string) {
  for (let looks = 0; looks < 60; looks++) {
    const { json } = await stack.call(`/api/jobs/${id}`, { headers: { prefer: "wait=1" } });
    if (json.waiting !== null) return json;
  }
  throw new Error(`${id} does not wait:\n${stack.output.slice(-2000)}`);
}

it.each([
  ["refuses-key", "credential_refused", "Access token has expired"],
  ["is-empty", "account_empty", "Insufficient Balance"],
  ["is-down", "deployment_failing", "Loading model"],
])(
  "%s: a job says why it waits, an operator sees it, and a probe lets it go once all is well",
  async (name, reason, words) => {
    const submitted = await stack.submit(chat("Hi", `m-${name}`));
    const { id } = submitted.json;
    const job = await waitingJob(id);
    expect(job).toMatchObject({
      status: "queued",
      waiting: {
        reason,
        deployment: name,
        since: expect.any(Number),
        until: expect.any(Number),
        ahead: null,
      },
    });
    // Now and then it is just being tried again.
    const counted = async () =>
      (await stack.call("/api/ops/status", operator)).json.backlog.waiting[reason] ?? 0;
    await expect.poll(counted).toBeGreaterThan(0);
    const seen = async () => {
      const { json } = await stack.call("/api/ops/deployments", operator);
      return json.data.find((each: { name: string }) => each.name === name);
    };
    const last_error = { illness: reason, message: expect.stringContaining(words) };
    await expect.poll(seen).toMatchObject({ last_error });

    upstream.set(name, [OK]);
    const probed = await stack.call(`/api/ops/deployments/${name}/probe`, { ...operator, method: "POST" });
    // It may have gone by itself by then.
    expect([202, 409]).toContain(probed.status);
    expect((await stack.ended(id)).json).toMatchObject({ status: "completed", waiting: null });
    const again = await stack.call(`/api/ops/deployments/${name}/probe`, { ...operator, method: "POST" });
    expect(again).toMatchObject({ status: 409, json: { code: "none_waits" } });
  },
);

it("nobody but an operator probes, and only what is there", async () => {
  const post = { method: "POST" };
  expect((await stack.call("/api/ops/deployments/is-down/probe", post)).status).toBe(403);
  const none = await stack.call("/api/ops/deployments/no-such/probe", { ...operator, ...post });
  expect(none.status).toBe(404);
});

it("an operator finds and cancels any tenant's job, and sees none of its content", async () => {
  upstream.set("is-down", [ILL["is-down"]]);
  const { json: mine } = await stack.submit(chat("SECRET", "m-is-down"), {
    envelope: { metadata: { note: "SECRET" } },
  });
  const { json: other } = await stack.submit(chat("SECRET", "m-is-down"), { key: "local-team-b" });
  await waitingJob(mine.id);
  const ids = (page: { data: { id: string }[] }) => page.data.map(({ id }) => id);
  const { json: all, text } = await stack.call("/api/ops/jobs?model=m-is-down", operator);
  expect(ids(all)).toEqual(expect.arrayContaining([mine.id, other.id]));
  expect(text).not.toContain("SECRET");
  const { json: first } = await stack.call("/api/ops/jobs?limit=1", operator);
  expect(first.has_more).toBe(true);
  const { json: second } = await stack.call(`/api/ops/jobs?limit=1&after=${first.last_id}`, operator);
  expect(ids(second)).not.toEqual(ids(first));
  const { json: ofA } = await stack.call("/api/ops/jobs?tenant=team-a&model=m-is-down", operator);
  expect(ids(ofA)).toContain(mine.id);
  expect(ids(ofA)).not.toContain(other.id);

  const one = await stack.call(`/api/ops/jobs/${mine.id}`, operator);
  expect(one.json).toMatchObject({ id: mine.id, tenant_id: "team-a" });
  const cancelled = await stack.call(`/api/ops/jobs/${mine.id}/cancel`, { ...operator, method: "POST" });
  expect(cancelled.json).toMatchObject({ status: "cancelled", waiting: null });
  const { json: trail } = await stack.call(`/api/jobs/${mine.id}/audit`);
  expect(trail.data.at(-1)).toMatchObject({ event: "cancelled", reason: "cancelled_by_operator" });
  expect((await stack.call(`/api/ops/jobs/${mine.id}`)).status).toBe(403);
  expect((await stack.call(`/api/ops/jobs/job_${"0".repeat(32)}`, operator)).status).toBe(404);
});

it("DELETE takes the metadata along, and says when; what never was looks different", async () => {
  upstream.set("is-empty", [OK]);
  const submitted = await stack.submit(chat("Hi", "m-is-empty"), { envelope: { metadata: { a: "b" } } });
  const { id } = submitted.json;
  expect((await stack.ended(id)).json).toMatchObject({ response_absent: null, content_deleted_at: null });
  expect((await stack.call(`/api/jobs/${id}`, { method: "DELETE" })).status).toBe(204);
  const { json } = await stack.call(`/api/jobs/${id}`);
  expect(json).toMatchObject({ response: null, response_absent: "deleted", metadata: {} });
  expect(json.content_deleted_at).toBeGreaterThan(0);
});

it("envelopes that differ in digits that JavaScript loses are two", async () => {
  const text = (n: string) =>
    `{"body":{"model":"m-is-empty","seed":${n},"messages":[{"role":"user","content":"Hi"}]}}`;
  const headers = { "idempotency-key": "digits" };
  const post = (n: string) => stack.call("/api/jobs", { text: text(n), headers });
  expect((await post("9007199254740993")).status).toBe(202);
  expect((await post("9007199254740993.0")).status).toBe(202);
  expect((await post("9007199254740992")).status).toBe(422);
});
