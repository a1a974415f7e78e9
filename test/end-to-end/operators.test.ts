import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningServiceBus } from "../../local/service-bus/server.ts";
import { verifyChain } from "../../shared/audit/chain.ts";
import { controlRecordHash } from "../../shared/audit/control-record.ts";
import { jobIdOfKey } from "../../shared/job/intake/accept.ts";
import { busOf, connectionOf, deadLetter } from "./dead-letter.ts";
import { chat, Stack } from "./stack.ts";

/** Dead letters and status as an operator sees them: the whole stack, over HTTP, on a Service Bus of the test's own. */
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-ops-"));
let bus: RunningServiceBus;
let stack: Stack;
const operator = { key: "local-operator" };
const [ended, live] = ["ended", "live"].map((key) => jobIdOfKey("team-a", key));

beforeAll(async () => {
  bus = await busOf(folder);
  const connection = connectionOf(bus);
  const nudge = (job_id: string | undefined) => ({ v: 1, tenant_id: "team-a", job_id });
  await deadLetter(connection, [nudge(ended), nudge(live), { prompt: "not a nudge" }]);
  const delivery = { ...nudge(ended), event: "job.failed", endpoint_id: "whe_1", due_ms: 1 };
  await deadLetter(connection, [delivery], "deliveries");
  const turn = { v: 1, tenant_id: "team-a", batch_id: `batch_${"0".repeat(32)}`, turn: 3 };
  await deadLetter(connection, [turn], "batches");
  stack = new Stack({ SERVICEBUS: connection, DRAIN_SECONDS: "1" });
  await stack.start();
});
afterAll(async () => {
  await stack.remove();
  await bus.close();
  rmSync(folder, { recursive: true });
});

// biome-ignore lint/suspicious/noExplicitAny: what the service answers is for the test to say
async function letters(query = ""): Promise<any[]> {
  const answer = await stack.call(`/api/ops/dead-letters${query}`, operator);
  expect(answer.status).toBe(200);
  return answer.json.data;
}
const redrive = (id: string, call = operator) =>
  stack.call(`/api/ops/dead-letters/${id}/redrive`, { method: "POST", ...call });
const audit = async (id: string) => {
  const { data } = (await stack.call(`/api/jobs/${id}/audit`)).json;
  expect(verifyChain(data).intact).toBe(true);
  return data.map((record: { event: string }) => record.event);
};

describe("an operator", () => {
  it("sees dead letters, and redrives an ended job's into one new job and a live one's into a nudge", async () => {
    await expect.poll(async () => (await letters()).length).toBe(5);
    const keyed = (key: string) => ({ headers: { "idempotency-key": key } });
    const failed = await stack.submit({ ...chat("Hi"), max_tokens: -1 }, keyed("ended"));
    expect(failed.json.id).toBe(ended);
    expect((await stack.ended(failed.json.id)).json.status).toBe("failed");
    const later = Math.floor(Date.now() / 1000) + 3600;
    await stack.submit(chat("Later"), { ...keyed("live"), envelope: { not_before: later } });

    const of = (await letters(`?job_id=${ended}`)).find(({ queue }) => queue === "jobs");
    expect(of).toMatchObject({
      object: "dead_letter",
      reason: "Tried",
      description: "d",
      readable: true,
      ...{ tenant_id: "team-a", job_id: ended, job_status: "failed", redriven: null },
    });
    const first = await redrive(of.id);
    expect(first).toMatchObject({
      status: 202,
      json: {
        object: "redrive",
        outcome: "new_job",
        tenant_id: "team-a",
        redriven_from: ended,
        nudged: true,
      },
    });
    expect((await redrive(of.id)).json).toEqual(first.json);
    const made = (await stack.ended(first.json.job_id)).json;
    expect(made).toMatchObject({ redriven_from: ended, status: "failed", metadata: {} });
    expect(await audit(made.id)).toEqual(["accepted", "attempt_started", "failed"]);
    const old = (await stack.call(`/api/jobs/${ended}`)).json;
    expect(old).toMatchObject({ status: "failed", redriven_to: made.id });
    expect(await audit(old.id)).toEqual(["accepted", "attempt_started", "failed", "redriven"]);
    expect((await redrive(of.id)).json).toEqual(first.json);

    const [waiting] = await letters(`?job_id=${live}`);
    expect((await redrive(waiting.id)).json).toMatchObject({ outcome: "nudged", job_id: live });
    expect((await letters("?redriven=true")).map((letter) => letter.id).sort()).toEqual(
      [of.id, waiting.id].sort(),
    );
    const unreadable = (await letters("?redriven=false")).find(({ readable }) => !readable);
    expect(unreadable).toMatchObject({ readable: false, tenant_id: null, job_id: null, job_status: null });
    expect(JSON.stringify(unreadable)).not.toContain("not a nudge");
    expect(await redrive(unreadable.id)).toMatchObject({
      status: 409,
      json: { code: "dead_letter_unreadable" },
    });
    expect(await redrive(`dl_${"0".repeat(32)}`)).toMatchObject({ status: 404 });
    await stack.call(`/api/jobs/${live}/cancel`, { method: "POST" });
  });

  it("sees those of deliveries and batches, and has them sent again", async () => {
    const others = (await letters()).filter(({ queue }) => queue !== "jobs");
    expect(others.map(({ queue }) => queue).sort()).toEqual(["batches", "deliveries"]);
    for (const { id, job_id, tenant_id, readable } of others) {
      expect([tenant_id, readable]).toEqual(["team-a", true]);
      expect((await redrive(id)).json).toMatchObject({ outcome: "nudged", job_id, nudged: true });
    }
    // Nothing is left to tell, and there is no such batch: no new letter comes of it.
    const of = await letters(`?job_id=${ended}`);
    expect(of.map(({ queue }) => queue).sort()).toEqual(["deliveries", "jobs"]);
  });

  it("pages through them, newest first", async () => {
    const page = await stack.call("/api/ops/dead-letters?limit=3", operator);
    expect(page.json).toMatchObject({ object: "list", has_more: true });
    const rest = await stack.call(`/api/ops/dead-letters?limit=3&after=${page.json.last_id}`, operator);
    expect(rest.json.has_more).toBe(false);
    const all = await letters();
    expect([...page.json.data, ...rest.json.data]).toEqual(all);
    const times = all.map((letter) => letter.at);
    expect(times).toEqual([...times].sort((a, b) => b - a));
    const bad = await stack.call("/api/ops/dead-letters?limit=0&after=x&redriven=yes&colour=red", operator);
    expect(bad.status).toBe(400);
    expect(bad.json.faults.map((fault: { path: string }) => fault.path)).toEqual([
      "limit",
      "after",
      "redriven",
      "colour",
    ]);
  });

  it("reads what operators changed, newest first, page by page; the chain holds", async () => {
    const read = async (query: string) => {
      const { status, json } = await stack.call(`/api/ops/audit?scope=dead_letters${query}`, operator);
      expect(status).toBe(200);
      return json;
    };
    const all = await read("");
    expect(all).toMatchObject({ object: "list", scope: "dead_letters", has_more: false, last_seq: 1 });
    expect(all.data.length).toBeGreaterThan(1);
    for (const [n, record] of all.data.entries()) {
      const { hash, ...fields } = record;
      expect(record).toMatchObject({ event: "redriven", actor: expect.stringMatching(/^ops\//) });
      expect(controlRecordHash(fields)).toBe(hash);
      expect(record.prev_hash).toBe(all.data[n + 1]?.hash ?? "0".repeat(64));
    }
    const first = await read("&limit=1");
    expect(first).toMatchObject({ has_more: true, data: [all.data[0]] });
    const rest = await read(`&before=${first.last_seq}`);
    expect(rest.data).toEqual(all.data.slice(1));
    const bad = await stack.call("/api/ops/audit?scope=x&limit=0&before=-1&a=b", operator);
    expect([bad.status, bad.json.faults.length]).toEqual([400, 4]);
  });

  it("sees what waits and runs by tenant and model, and the sweeper at work", async () => {
    const later = Math.floor(Date.now() / 1000) + 3600;
    await stack.submit(chat("Later"), { envelope: { not_before: later } });
    await stack.submit(chat("Hang [[sim:hang]]", "grok-sim"), { key: "local-team-b" });
    const rows = async () => {
      const { status, json } = await stack.call("/api/ops/status", operator);
      expect(status).toBe(200);
      return json;
    };
    const row = { waiting: 0, scheduled: 0, running: 0, oldest_wait_seconds: null };
    await expect
      .poll(async () => (await rows()).backlog.by_tenant_and_model)
      .toEqual(
        expect.arrayContaining([
          { ...row, tenant_id: "team-a", model: "gpt-sim", scheduled: 1 },
          { ...row, tenant_id: "team-b", model: "grok-sim", running: 1 },
        ]),
      );
    const status = await rows();
    expect(status).toMatchObject({
      object: "status",
      backlog: { queued: 1, exact: true, jobs_read: 2, oldest_wait_seconds: null },
      running: 1,
      lost_leases: 0,
      dead_letters: { kept: 5, untouched: 1 },
    });
    await expect.poll(async () => (await rows()).sweeper?.failure).toBeNull();
  });

  it("redrives and dismisses dead letters in bulk, and is told how many are left", async () => {
    const bulk = (what: string, body: object) =>
      stack.call(`/api/ops/dead-letters/${what}`, { ...operator, body });
    const filter = { reason: "Tried" };
    expect(await bulk("redrive", { filter, limit: 10 })).toMatchObject({
      status: 200,
      json: { object: "redrives", nudged: 0, new_jobs: 0, refused: { dead_letter_unreadable: 1 }, left: 1 },
    });
    expect((await bulk("dismiss", { filter: { reason: "Other" } })).json).toMatchObject({
      dismissed: 0,
      left: 0,
    });
    const dismissed = await bulk("dismiss", { filter, reason: "an attack" });
    expect(dismissed).toMatchObject({ status: 200, json: { object: "dismissal", dismissed: 1, left: 0 } });
    const [letter] = await letters("?dismissed=true");
    expect(letter.dismissed.actor).toMatch(/^[\w-]+\/key:[0-9a-f]{8}$/);
    expect(await letters("?redriven=false&dismissed=false")).toEqual([]);
    const { json } = await stack.call("/api/ops/audit?scope=dead_letters&limit=1", operator);
    expect(json.data[0]).toMatchObject({
      ...{ event: "dismissed", reason: "an attack", actor: letter.dismissed.actor },
      details: { dead_letters: [letter.id] },
    });
    for (const body of [{}, { filter: { colour: "red" } }, { filter, limit: 51 }, { filter, after: "x" }])
      expect((await bulk("redrive", body)).status).toBe(400);
    expect((await stack.call("/api/ops/dead-letters/dismiss", { body: { filter } })).status).toBe(403);
  });
});
