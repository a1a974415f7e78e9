import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { verifyChain } from "../../shared/audit/chain.ts";
import { freePort } from "../free-port.ts";
import { chat, Stack } from "./stack.ts";

/**
 * A catalogue and tenants of the user's own: the model is served by mock-llm, an OpenAI-compatible server from npm
 * that knows nothing of this project.
 */
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-own-"));
const models = path.join(folder, "my-models.json");
const tenants = path.join(folder, "my-tenants.json");
const stack = new Stack({ MODELS_FILE: models, TENANTS_FILE: tenants });
let server: ChildProcess;

const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");

beforeAll(async () => {
  const port = await freePort();
  const main = createRequire(import.meta.url).resolve("@dwmkerr/mock-llm");
  server = spawn(process.execPath, [main], {
    cwd: folder,
    env: { ...process.env, HOST: "127.0.0.1", PORT: String(port) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const chunk of server.stdout ?? []) if (String(chunk).includes("server running")) break;
  const deployment = (name: string, provider: string) => ({
    name,
    provider,
    model: `${name}-model`,
    base_url: `http://127.0.0.1:${port}/v1`,
    auth: { kind: "none" },
    endpoints: ["/v1/chat/completions"],
    capabilities: [],
    price: { currency: "EUR", input_per_million: 1, output_per_million: 1 },
    simulated: false,
  });
  writeFileSync(
    models,
    JSON.stringify({ deployments: [deployment("mine", "meta"), deployment("other", "mistral")], routes: [] }),
  );
  writeFileSync(
    tenants,
    JSON.stringify({
      tenants: [
        { id: "all", key_sha256: [sha256("key-of-all")] },
        { id: "some", key_sha256: [sha256("key-of-some")], allow_models: ["mine-*"] },
        { id: "no-mistral", key_sha256: [sha256("key-of-no-mistral")], deny_providers: ["mistral"] },
      ],
    }),
  );
  await stack.start();
});
afterAll(async () => {
  await stack.remove();
  server.kill();
  await once(server, "exit");
  rmSync(folder, { recursive: true });
});

it("a job goes through the whole pipeline to a server that is not ours", async () => {
  const call = { key: "key-of-all" };
  const { json, status } = await stack.submit(chat("Echo this, please.", "mine-model"), call);
  expect(status).toBe(202);
  const job = (await stack.ended(json.id, call)).json;
  expect(job).toMatchObject({ status: "completed", deployment: "mine", provider: "meta", simulated: false });
  expect(job.response.body).toMatchObject({
    model: "mine-model",
    choices: [{ message: { content: "Echo this, please." } }],
  });
  // It reports no usage, so there is no cost to know either.
  expect([job.usage, job.cost]).toEqual([null, null]);
  const trail = await stack.call(`/api/jobs/${json.id}/audit`, call);
  expect(verifyChain(trail.json.data)).toEqual({ intact: true, records: 3 });
});

it("a model or a provider that the tenant may not use is refused, and not listed", async () => {
  const refused = async (key: string) => {
    const { status, json } = await stack.submit(chat("Hi", "other-model"), { key });
    return [status, json.code];
  };
  expect(await refused("key-of-some")).toEqual([403, "model_not_allowed"]);
  expect(await refused("key-of-no-mistral")).toEqual([403, "model_not_allowed"]);
  const listed = async (key: string) =>
    (await stack.call("/api/models", { key })).json.data.map((m: { id: string }) => m.id);
  expect(await listed("key-of-all")).toEqual(["mine-model", "other-model"]);
  expect(await listed("key-of-some")).toEqual(["mine-model"]);
  expect(await listed("key-of-no-mistral")).toEqual(["mine-model"]);
});

it("the keys of the documentation are no keys here", async () => {
  expect((await stack.call("/api/jobs", { key: "local-team-a" })).status).toBe(401);
});
