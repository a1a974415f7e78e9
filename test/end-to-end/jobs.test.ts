import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { CosmosClient } from "@azure/cosmos";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EMULATOR_KEY } from "../../local/cosmos/authorization.ts";
import { verifyChain } from "../../shared/audit/chain.ts";
import { DATABASE, JOBS_CONTAINER } from "../../shared/azure/cosmos/client.ts";
import { MAX_HELD_SUBMIT_BYTES } from "../../shared/limits.ts";
import { chat, Stack } from "./stack.ts";

const stack = new Stack();
beforeAll(() => stack.start());
afterAll(() => stack.remove());

const now = () => Math.floor(Date.now() / 1000);

async function done(body: unknown, envelope: object = {}) {
  const submitted = await stack.submit(body, { envelope });
  expect(submitted.status).toBe(202);
  return (await stack.ended(submitted.json.id)).json;
}

async function trail(id: string) {
  const answer = await stack.call(`/api/jobs/${id}/audit`);
  expect(answer.status).toBe(200);
  expect(verifyChain(answer.json.data).intact).toBe(true);
  return answer.json.data;
}

describe("a job, as a client sees it", () => {
  it.each(["gpt-sim", "grok-sim", "deepseek-sim", "any-lab"])(
    "%s completes with response, usage, cost and trail",
    async (model) => {
      const job = await done(chat("Summarise: the quick brown fox jumps over the lazy dog.", model));
      expect(job).toMatchObject({
        object: "job",
        status: "completed",
        model,
        simulated: true,
        attempts: 1,
        error: null,
      });
      expect(job.response).toMatchObject({ status_code: 200, body: { object: "chat.completion" } });
      expect(job.response.body.choices[0].message.content).toEqual(expect.any(String));
      const { input_tokens, output_tokens, total_tokens } = job.usage;
      expect(total_tokens).toBe(input_tokens + output_tokens);
      expect(job.cost.amount).toMatch(/^0\.\d+$/);
      const records = await trail(job.id);
      expect(records.map((r: { event: string }) => r.event)).toEqual([
        "accepted",
        "attempt_started",
        "completed",
      ]);
      expect(records[2]).toMatchObject({
        attempt: 1,
        deployment: job.deployment,
        provider: job.provider,
        simulated: true,
        usage: job.usage,
        cost: job.cost,
        request_sha256: records[1].request_sha256,
      });
      const sent = (await stack.call(`/api/jobs/${job.id}`)).text;
      const body = /"body":(\{.*\})\}\}$/s.exec(sent)?.[1] ?? "";
      expect(records[2].response_sha256).toBe(createHash("sha256").update(body).digest("hex"));
    },
  );

  it("the other two endpoints, with their own shapes of usage", async () => {
    const responses = await done({ model: "gpt-sim", input: "Say hello." }, { endpoint: "/v1/responses" });
    expect(responses).toMatchObject({
      status: "completed",
      endpoint: "/v1/responses",
      response: { body: { object: "response" } },
    });
    expect(responses.usage.output_tokens).toBeGreaterThan(0);
    const embeddings = await done({ model: "embed-sim", input: "hello" }, { endpoint: "/v1/embeddings" });
    expect(embeddings).toMatchObject({ status: "completed", usage: { output_tokens: 0 } });
  });

  it("202 says where the job is and when to ask", async () => {
    const answer = await stack.submit(chat("Hi"), {
      envelope: { metadata: { team: "search" }, priority: "low" },
    });
    expect(answer.status).toBe(202);
    expect(answer.headers.get("location")).toBe(`/api/jobs/${answer.json.id}`);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(answer.json).toMatchObject({
      status: "queued",
      metadata: { team: "search" },
      priority: "low",
      response: null,
    });
    expect(answer.json.urls).toEqual({
      get: `/api/jobs/${answer.json.id}`,
      cancel: `/api/jobs/${answer.json.id}/cancel`,
      audit: `/api/jobs/${answer.json.id}/audit`,
    });
  });

  it("Prefer: wait holds a submit's answer until the job has its response", async () => {
    const submit = (text: string, wait: number, envelope = {}) =>
      stack.submit(chat(text), { envelope, headers: { prefer: `wait=${wait}`, "idempotency-key": text } });
    const whole = await submit("Say it at once", 30);
    expect(whole).toMatchObject({ status: 202, json: { status: "completed", attempts: 1, error: null } });
    expect(whole.headers.get("preference-applied")).toBe("wait=30");
    const { text, headers } = await stack.call(`/api/jobs/${whole.json.id}`);
    expect(whole.text).toBe(text);
    expect(whole.headers.get("etag")).toBe(headers.get("etag"));
    expect((await submit("Say it at once", 30)).text).toBe(text);
    const longer = await submit("Later", 1, { not_before: now() + 3600 });
    expect(longer).toMatchObject({ status: 202, json: { status: "queued", response: null } });
    const large = await stack.submit(chat("x".repeat(MAX_HELD_SUBMIT_BYTES)), {
      headers: { prefer: "wait=30" },
    });
    expect(large).toMatchObject({ status: 202, json: { status: "queued" } });
    expect(large.headers.has("preference-applied")).toBe(false);
  });

  it("an idempotency key gives the same job, before and after it ended", async () => {
    const submit = () => stack.submit(chat("Once"), { headers: { "idempotency-key": "same" } });
    const [one, two] = await Promise.all([submit(), submit()]);
    expect(two.json.id).toBe(one.json.id);
    await stack.ended(one.json.id);
    const three = await submit();
    expect([three.status, three.json.id]).toEqual([202, one.json.id]);
    expect(three.json.response).toMatchObject({ status_code: 200 });
    expect(await trail(one.json.id)).toHaveLength(3);
    const other = await stack.submit(chat("Once"), {
      headers: { "idempotency-key": "same" },
      key: "local-team-b",
    });
    expect(other.json.id).not.toBe(one.json.id);
  });

  it("an idempotency key gives the same job when its deadline is over, and refuses what was never accepted", async () => {
    const envelope = { deadline: now() + 4 };
    const submit = (key: string) =>
      stack.submit(chat("[[sim:hang]]"), { envelope, headers: { "idempotency-key": key } });
    const first = await submit("in time");
    expect((await stack.ended(first.json.id)).json).toMatchObject({
      ...{ status: "expired", error: { code: "deadline_exceeded" } },
    });
    const again = await submit("in time");
    expect([again.status, again.json.id, again.json.status]).toEqual([202, first.json.id, "expired"]);
    expect((await submit("too late")).status).toBe(400);
  });

  it("ETag and If-None-Match spare an unchanged job", async () => {
    const { id } = await done(chat("Hi"));
    const first = await stack.call(`/api/jobs/${id}`);
    const etag = first.headers.get("etag") ?? "";
    expect(etag).toMatch(/^"[^"]+"$/);
    const again = await stack.call(`/api/jobs/${id}`, { headers: { "if-none-match": `"other", W/${etag}` } });
    expect([again.status, again.text]).toEqual([304, ""]);
    expect((await stack.call(`/api/jobs/${id}`, { headers: { "if-none-match": '"other"' } })).status).toBe(
      200,
    );
  });

  it("not_before is kept; a cancel ends a waiting job, twice is no error, after the end it is a conflict", async () => {
    const { json } = await stack.submit(chat("Later"), {
      envelope: { not_before: now() + 3600, deadline: now() + 7200 },
    });
    const waiting = await stack.call(`/api/jobs/${json.id}`);
    expect(waiting.json).toMatchObject({ status: "queued", attempts: 0 });
    expect(Number(waiting.headers.get("retry-after"))).toBe(30);
    const cancel = () => stack.call(`/api/jobs/${json.id}/cancel`, { method: "POST" });
    expect(await cancel()).toMatchObject({ status: 200, json: { status: "cancelled" } });
    expect(await cancel()).toMatchObject({ status: 200, json: { status: "cancelled" } });
    const ended = await done(chat("Hi"));
    expect(await stack.call(`/api/jobs/${ended.id}/cancel`, { method: "POST" })).toMatchObject({
      status: 409,
      json: { code: "job_ended" },
    });
  });

  it("a not_before that comes is obeyed, and then the job runs", async () => {
    const at = now() + 2;
    const job = await done(chat("Soon"), { not_before: at });
    expect(job.status).toBe("completed");
    expect(job.started_at).toBeGreaterThanOrEqual(at);
  });

  it("delete erases request and response, and keeps the trail", async () => {
    const { id } = await done(chat("Forget me"));
    expect((await stack.call(`/api/jobs/${id}`, { method: "DELETE" })).status).toBe(204);
    expect((await stack.call(`/api/jobs/${id}`, { method: "DELETE" })).status).toBe(204);
    const job = await stack.call(`/api/jobs/${id}`);
    expect(job.json).toMatchObject({ status: "completed", response: null });
    expect((await trail(id)).map((r: { event: string }) => r.event)).toEqual([
      "accepted",
      "attempt_started",
      "completed",
      "content_deleted",
    ]);
    const { json } = await stack.submit(chat("Later"), { envelope: { not_before: now() + 3600 } });
    expect(await stack.call(`/api/jobs/${json.id}`, { method: "DELETE" })).toMatchObject({
      status: 409,
      json: { code: "job_not_ended" },
    });
  });

  it("lists newest first, in pages, by status and model", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      const { json } = await stack.submit(chat(`Job ${n}`, "grok-sim"), { key: "local-team-b" });
      ids.unshift(json.id);
    }
    for (const id of ids) await stack.ended(id, { key: "local-team-b" });
    const found: string[] = [];
    let after = "";
    for (let more = true; more; ) {
      const page = await stack.call(`/api/jobs?limit=2&model=grok-sim&status=completed${after}`, {
        key: "local-team-b",
      });
      expect(page.json).toMatchObject({
        object: "list",
        first_id: page.json.data[0].id,
        last_id: page.json.data.at(-1).id,
      });
      found.push(...page.json.data.map((job: { id: string }) => job.id));
      more = page.json.has_more;
      after = `&after=${page.json.last_id}`;
    }
    expect([...found].sort()).toEqual([...ids].sort());
    expect((await stack.call("/api/jobs?status=failed", { key: "local-team-b" })).json.data).toEqual([]);
  });

  it("a refusal by the model is the job's failure, with the model's words", async () => {
    const job = await done(chat("[[content_filter]]"));
    expect(job).toMatchObject({
      status: "failed",
      error: { code: "content_filtered" },
      response: { status_code: 400 },
    });
  });

  it("a request for more than any quota holds fails by itself, and holds up nobody", async () => {
    const greedy = await stack.submit({ ...chat("Hi", "deepseek-sim"), n: 1e9, max_tokens: 20_000 });
    const modest = await stack.submit(chat("Hello", "deepseek-sim"));
    const [refused, answered] = await Promise.all([greedy, modest].map(({ json }) => stack.ended(json.id)));
    expect(refused?.json).toMatchObject({ status: "failed", error: { code: "upstream_bad_request" } });
    expect(answered?.json).toMatchObject({ status: "completed" });
  });

  it("a deployment that fails is passed over for the next of the route", async () => {
    const job = await done(chat("[[sim:status=503,times=1]] try again", "any-lab"));
    expect(job).toMatchObject({ status: "completed" });
    const records: { event: string; deployment: string }[] = await trail(job.id);
    const started = records.filter(({ event }) => event === "attempt_started");
    // The next lab knows the job by another name, so that to it this is the first call.
    const [first, second] = started.map(({ deployment }) => deployment);
    // Which is first is a matter of whose quota is at hand.
    expect(["gpt-sim-local", "grok-sim-local"]).toContain(first);
    expect(second).not.toBe(first);
  });

  it("a 429 is waited for", async () => {
    const job = await done(chat("[[sim:status=429,times=1]] busy", "deepseek-sim"));
    expect(job).toMatchObject({ status: "completed", attempts: 2 });
    expect((await trail(job.id)).map((r: { reason: string }) => r.reason)).toContain("rate_limited");
  });

  it("GET /api/models lists what the tenant may use", async () => {
    const { json } = await stack.call("/api/models");
    expect(json.object).toBe("list");
    expect(json.data.map((m: { id: string }) => m.id)).toEqual(
      expect.arrayContaining(["gpt-sim", "grok-sim", "deepseek-sim", "any-lab"]),
    );
    expect(json.data.find((m: { id: string }) => m.id === "grok-sim")).toMatchObject({
      object: "model",
      owned_by: "xai",
    });
  });

  it("health has a line for each dependency", async () => {
    const { status, json } = await stack.call("/api/health", { key: null });
    expect(status).toBe(200);
    expect(json.dependencies.map((d: { name: string; status: string }) => `${d.name} ${d.status}`)).toEqual([
      "cosmos ok",
      "service_bus ok",
    ]);
  });

  it("a damaged answer is an internal error of that job alone", async () => {
    const [damaged, whole] = [await done(chat("Hi")), await done(chat("Hi"))];
    const { cosmos_port } = JSON.parse(readFileSync(path.join(stack.folder, "emulators.json"), "utf8"));
    const client = new CosmosClient({ endpoint: `http://127.0.0.1:${cosmos_port}/`, key: EMULATOR_KEY });
    const item = client.database(DATABASE).container(JOBS_CONTAINER).item("response", ["team-a", damaged.id]);
    await item.replace({ ...(await item.read()).resource, body: { what: "a prompt says" } } as never);
    client.dispose();
    const answer = await stack.call(`/api/jobs/${damaged.id}`);
    expect(answer).toMatchObject({ status: 500, json: { code: "internal_error" } });
    expect(answer.text).not.toContain("a prompt says");
    expect((await stack.call(`/api/jobs/${whole.id}`)).json.status).toBe("completed");
    const { json: listed } = await stack.call("/api/jobs");
    expect(listed.data.map(({ id }: { id: string }) => id)).toEqual(
      expect.arrayContaining([damaged.id, whole.id]),
    );
  });

  it("no key, token or prompt is in what the processes logged", () => {
    // What npm start tells a person names the local stack's keys; a log line is JSON.
    const logged = stack.output.split("\n").filter((line) => line.startsWith("{"));
    expect(logged.join("\n")).not.toMatch(/local-team|quick brown fox|Summarise/);
  });
});
