import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ServiceBusClient } from "@azure/service-bus";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EMULATOR_KEY } from "../../../local/cosmos/authorization.ts";
import { cosmosResources } from "../../../local/cosmos/resources.ts";
import { type RunningCosmos, startCosmos } from "../../../local/cosmos/server.ts";
import { queuesFromResources } from "../../../local/service-bus/config.ts";
import { type RunningServiceBus, startServiceBus } from "../../../local/service-bus/server.ts";
import { MAX_RESPONSE_BYTES } from "../../../shared/limits.ts";
import { sha256Hex } from "../../../shared/sha256.ts";
import { type Call, Stack } from "../../end-to-end/stack.ts";
import { answer, completion, Labs, type Reply } from "../../shared/labs.ts";
import { resources } from "../../shared/world.ts";
import { AUDIENCE, LocalIssuer } from "../local-issuer.ts";

/**
 * Real traffic with marked secrets through the whole stack, failures of every kind included; then all that its
 * processes wrote is searched for the marks. And what a deployment can do to the service that calls it.
 */
const CANARY = {
  key: "CANARY-key-of-a-tenant",
  badKey: "CANARY-key-of-nobody",
  operator: "CANARY-key-of-an-operator",
  labKey: "CANARY-key-of-a-deployment",
  prompt: "CANARY-prompt-of-a-tenant",
  answer: "CANARY-answer-of-a-deployment",
  metadata: "CANARY-metadata",
  idempotency: "CANARY-idempotency-key",
  query: "CANARY-query",
  message: "CANARY-message-on-the-queue",
};
const APP = "11111111-1111-4111-8111-111111111111";

const folder = mkdtempSync(path.join(tmpdir(), "switchyard-leaks-"));
const labs = new Labs();
const elsewhere = new Labs();
const issuer = new LocalIssuer();
let cosmos: RunningCosmos;
let bus: RunningServiceBus;
let busConnection: string;
let stack: Stack;
/** Every token that was sent, good or bad. */
const tokens: string[] = [];

const NAMES = ["good", "refusing", "failing", "html", "redirecting", "greedy", "resetting", "nobody"];

beforeAll(async () => {
  await Promise.all([labs.start(), elsewhere.start(), issuer.start()]);
  cosmos = await startCosmos({
    port: 0,
    databaseFile: path.join(folder, "cosmos.db"),
    resources: cosmosResources(resources),
  });
  bus = await startServiceBus({
    port: 0,
    databaseFile: path.join(folder, "bus.db"),
    queues: queuesFromResources(resources),
  });
  busConnection = `Endpoint=sb://127.0.0.1:${bus.port};SharedAccessKeyName=k;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;`;
  const files = { models: path.join(folder, "models.json"), tenants: path.join(folder, "tenants.json") };
  const deployments = NAMES.map((name) => ({
    name,
    provider: "openai",
    model: name,
    base_url: name === "nobody" ? "http://127.0.0.1:1/v1" : `${labs.url}/${name}/v1`,
    auth: { kind: "api_key", setting: "LAB_KEY" },
    endpoints: ["/v1/chat/completions"],
    capabilities: [],
    price: { currency: "USD", input_per_million: 1, output_per_million: 2 },
    simulated: true,
  }));
  writeFileSync(files.models, JSON.stringify({ deployments, routes: [] }));
  writeFileSync(
    files.tenants,
    JSON.stringify({
      tenants: [{ id: "team", key_sha256: [sha256Hex(CANARY.key)], entra_app_ids: [APP] }],
      operators: [{ id: "ops", key_sha256: [sha256Hex(CANARY.operator)] }],
    }),
  );
  stack = new Stack({
    ...{ MODELS_FILE: files.models, TENANTS_FILE: files.tenants, LAB_KEY: CANARY.labKey },
    ...{ AUTH_ISSUER: issuer.url, AUTH_AUDIENCE: AUDIENCE, MAX_ATTEMPTS: "1", DRAIN_SECONDS: "1" },
    COSMOS: `AccountEndpoint=http://127.0.0.1:${cosmos.port}/;AccountKey=${EMULATOR_KEY};`,
    SERVICEBUS: busConnection,
  });
  await stack.start();
});
afterAll(async () => {
  await stack.remove();
  await Promise.all([labs.stop(), elsewhere.stop(), issuer.stop(), cosmos.close(), bus.close()]);
  rmSync(folder, { recursive: true });
});

const key = { key: CANARY.key };
const body = (model: string, extra: object = {}) => ({
  model,
  messages: [{ role: "user", content: CANARY.prompt }],
  ...extra,
});
async function job(model: string, extra: object = {}, envelope: object = {}) {
  const submitted = await stack.submit(body(model, extra), {
    ...key,
    headers: { "idempotency-key": `${CANARY.idempotency}-${model}` },
    envelope: { metadata: { note: CANARY.metadata }, ...envelope },
  });
  expect(submitted.status).toBe(202);
  return (await stack.ended(submitted.json.id, key)).json;
}

/** Says back all it was sent, as deployments' errors often do. */
const echo =
  (status: number): Reply =>
  ({ body: sent, request, response }) => {
    const { authorization } = request.headers;
    response.writeHead(status, { "content-type": "application/json", "x-echo": String(authorization) });
    response.end(JSON.stringify({ error: { message: `${sent} ${authorization}`, code: "odd" } }));
  };

describe("what a deployment can do", () => {
  it("answer: the call carried the key of the catalogue's setting and the prompt, and went nowhere else", async () => {
    labs.reply("good", answer(200, completion(CANARY.answer)));
    const urls = { base_url: `${elsewhere.url}/v1`, api_base: elsewhere.url, endpoint: elsewhere.url };
    const done = await job("good", { ...urls, extra_headers: { host: "evil.example" } });
    expect(done).toMatchObject({ status: "completed", simulated: true });
    expect(done.response.body.choices[0].message.content).toBe(CANARY.answer);
    expect(labs.calls.at(-1)?.headers.authorization).toBe(`Bearer ${CANARY.labKey}`);
    const byUrl = await stack.submit(body(`${elsewhere.url}/v1`), key);
    expect(byUrl).toMatchObject({ status: 404, json: { code: "model_not_found" } });
    expect(elsewhere.calls).toEqual([]);
  });

  it("send it on: a redirect is not followed, and no key goes with it", async () => {
    const calls = labs.calls.length;
    labs.reply("redirecting", ({ response }) => {
      response.writeHead(307, { location: `${elsewhere.url}/good/v1/chat/completions` }).end();
    });
    expect((await job("redirecting")).status).toBe("failed");
    expect(labs.calls.length).toBeGreaterThan(calls);
    expect(elsewhere.calls).toEqual([]);
  });

  it("answer without end: it is read as far as the bound, and the job fails with a reason", async () => {
    let sent = 0;
    labs.reply("greedy", ({ response }) => {
      response.writeHead(200, { "content-type": "application/json" });
      const chunk = Buffer.alloc(1024 * 1024, 0x20);
      const more = (): void => {
        if (response.destroyed) return;
        sent += chunk.length;
        if (response.write(chunk)) setImmediate(more);
        else response.once("drain", more);
      };
      more();
    });
    expect(await job("greedy")).toMatchObject({ status: "failed", error: { code: "response_too_large" } });
    // What the sockets between the two hold comes on top.
    expect(sent).toBeLessThan(4 * MAX_RESPONSE_BYTES);
  });

  it("fail in every way: each is a job that failed or ran out of time, told to its tenant alone", {
    tags: ["long"],
  }, async () => {
    labs.reply("refusing", echo(400));
    labs.reply("failing", echo(500));
    labs.reply("html", ({ body: sent, response }) => {
      response.writeHead(200, { "content-type": "text/html" }).end(`<h1>Sign in</h1>${sent}`);
    });
    labs.reply("resetting", ({ request }) => void request.socket.destroy());
    for (const model of ["refusing", "html", "resetting"]) {
      expect([model, (await job(model)).status]).toEqual([model, "failed"]);
    }
    // An outage is waited out, until the deadline.
    const soon = { deadline: Math.ceil(Date.now() / 1000) + 10 };
    const waited = ["failing", "nobody"].map(async (model) => [model, (await job(model, {}, soon)).status]);
    for (const [model, status] of await Promise.all(waited))
      expect([model, status]).toEqual([model, "expired"]);
  });
});

describe("the logs", () => {
  it("tell of requests and failures of every kind, and hold no key, token, prompt or answer", async () => {
    const text = (raw: string): Call => ({ ...key, text: raw });
    const refused = [
      await stack.call("/api/jobs", text(`{"body": {"model": "good", "x": "${CANARY.prompt}"`)),
      await stack.call("/api/jobs", text(`{"body": {"model": "good", "${CANARY.prompt}": "\\ud800"}}`)),
      await stack.call("/api/jobs", text(`{"${CANARY.prompt}": 1, "body": {"model": "${CANARY.prompt}"}}`)),
      await stack.call(`/api/jobs?model=${CANARY.query}&${CANARY.query}=1`, key),
      await stack.call(`/api/jobs/${CANARY.query}`, key),
      await stack.call(`/api/${CANARY.query}`, key),
      await stack.call("/api/jobs", { key: CANARY.badKey }),
      await stack.call("/api/jobs", { key: CANARY.operator }),
      await stack.call("/api/jobs", { ...key, method: "PUT", body: { prompt: CANARY.prompt } }),
    ];
    expect(refused.map(({ status }) => status)).toEqual([400, 400, 400, 400, 404, 404, 401, 403, 405]);

    tokens.push(
      await issuer.token(APP),
      issuer.unsigned(APP),
      await issuer.token(APP, { claims: { exp: 1 } }),
    );
    const statuses = [];
    for (const token of tokens) statuses.push((await stack.call("/api/models", { key: token })).status);
    expect(statuses).toEqual([200, 401, 401]);

    // The store is away: while a job is submitted, and while one is read.
    cosmos.setFaults({
      rules: [{ operation: "any", effect: { kind: "refuse", status: 503 } }],
    });
    const unstored = await stack.submit(body("good"), {
      ...key,
      envelope: { metadata: { n: CANARY.metadata } },
    });
    expect(unstored.status).toBe(503);
    expect((await stack.call(`/api/jobs/job_${"0".repeat(32)}`, key)).status).toBe(503);
    cosmos.setFaults({ rules: [] });

    // A message that is no nudge, until it is a dead letter.
    const client = new ServiceBusClient(busConnection);
    const sender = client.createSender("nudges");
    await sender.sendMessages({ body: { prompt: CANARY.message }, subject: CANARY.message });
    await client.close();
    await expect.poll(() => stack.output).toContain("dead_letter_unreadable");
    expect((await stack.call("/api/ops/dead-letters", { key: CANARY.operator })).status).toBe(200);

    await expect.poll(() => stack.output).toContain("store_unavailable");
    expect(await stack.stop()).toBe(0);
    const { output } = stack;
    for (const event of ["call_failed", "store_unavailable", "dead_letter_unreadable"]) {
      expect(output).toContain(event);
    }
    const leaked = [
      ...Object.values(CANARY),
      "CANARY",
      ...tokens,
      ...tokens.map((t) => t.split(".")[1] ?? ""),
    ];
    const found = output
      .split("\n")
      .filter((line) => leaked.some((secret) => line.includes(secret) || line.includes(btoa(secret))));
    expect(found).toEqual([]);
    // Neither are there logs anywhere else.
    expect(
      readdirSync(stack.folder, { recursive: true }).filter((name) => /log/i.test(String(name))),
    ).toEqual([]);
  });
});
