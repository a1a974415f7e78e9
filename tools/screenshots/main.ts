import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ServiceBusClient } from "@azure/service-bus";
import type { Locator, Page } from "playwright-core";
import { launch } from "./chromium.ts";

/** `npm run screenshots`: starts the built service, fills it a little, and takes the pictures of docs/console/. */
const root = path.resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-screenshots-"));
const ports = { PORT: "0", SERVICEBUS_PORT: "0", COSMOS_PORT: "0", MODEL_ENDPOINTS_PORT: "0" };
const stack = spawn(process.execPath, [path.join(root, "dist/local/start.js")], {
  cwd: root,
  env: { ...process.env, ...ports, DATA_DIR: folder },
  stdio: ["ignore", "pipe", "inherit"],
});
const browser = await launch();
try {
  const url = await readyUrl(stack);
  const page = await browser.newPage({ viewport: { width: 960, height: 600 } });
  // A bound on what hangs, not on what is slow.
  page.setDefaultTimeout(110_000);
  await page.goto(`${url}/console`);
  await signIn(page, "local-team-a");
  await ofTenant(page, url);
  await page.getByRole("button", { name: "Sign out" }).click();
  await signIn(page, "local-operator");
  await ofOperator(page, url);
} finally {
  await browser.close();
  stack.kill("SIGTERM");
  await new Promise((resolve) => stack.once("exit", resolve));
  rmSync(folder, { recursive: true, force: true });
}

function readyUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const ready = /^ready (http:\S+)$/m.exec(output)?.[1];
      if (ready !== undefined) resolve(ready);
    });
    child.once("exit", (code) => reject(new Error(`the service ended with ${code}`)));
  });
}

async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("navigation").waitFor();
}

function seen(what: Locator): Promise<void> {
  return what.filter({ visible: true }).first().waitFor();
}

async function take(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: path.join(root, "docs/console", `${name}.png`) });
}

type Call = (method: string, path: string, body?: object, headers?: Record<string, string>) => Promise<void>;

/** What somebody else does meanwhile. */
function callsOf(url: string, key: string): Call {
  return async (method, at, body, headers = {}) => {
    const sent = { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers };
    const answer = await fetch(`${url}/api/${at}`, {
      ...{ method, headers: sent },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${at}: ${await answer.text()}`);
  };
}

function submitsOf(url: string, key: string) {
  const call = callsOf(url, key);
  return (content: string, metadata: object, { model = "any-lab", wait = 30, ...more }: Submit = {}) => {
    const body = { model, messages: [{ role: "user", content }] };
    return call("POST", "jobs", { body, metadata, ...more }, wait === 0 ? {} : { prefer: `wait=${wait}` });
  };
}

interface Submit {
  readonly model?: string;
  /** Seconds; 0: not at all. */
  readonly wait?: number;
  readonly not_before?: number;
}

async function ofTenant(page: Page, url: string): Promise<void> {
  const submit = submitsOf(url, "local-team-a");
  await submit("Why is the sky blue?", { team: "search" });
  await submit("[[content_filter]] Tell me", { team: "search" });
  await submit("Later", { team: "news" }, { wait: 0, not_before: Math.floor(Date.now() / 1000) + 3_600 });
  await submit("[[sim:status=500,times=1]] Name three rivers", { team: "maps" });
  await page.goto(`${url}/console/submit`);
  await page.getByLabel("Prompt").fill("Why is the sky blue?");
  await take(page, "submit");
  await page.goto(`${url}/console/jobs`);
  await seen(page.getByRole("row").getByText("completed"));
  await take(page, "jobs");
  await page.getByRole("row").filter({ hasText: "team: maps" }).getByRole("link").click();
  await seen(page.getByText("The chain holds"));
  await take(page, "job");
  await page.goto(`${url}/console/compare`);
  for (const model of ["gpt-sim", "grok-sim", "deepseek-sim"]) await page.getByLabel(model).check();
  await page.getByLabel("Prompt").fill("Name a river.");
  await page.getByRole("button", { name: "Compare 3 models" }).click();
  await seen(page.getByText("3 of 3 completed"));
  await take(page, "compare");
}

async function ofOperator(page: Page, url: string): Promise<void> {
  const ops = callsOf(url, "local-operator");
  const reason = "They have maintenance until noon";
  await ops("PUT", "ops/switches/provider/deepseek", { state: "drained", mode: "park", reason });
  const limits = { requests_per_minute: 600, reason: "As the new contract has it" };
  await ops("PUT", "ops/limits/grok-sim-local", limits);
  await ops("PUT", "ops/weights/tenants/team-b", { weight: 3, reason: "Their launch" });
  const budget = { currency: "USD", per_day: "10", per_month: "100" };
  await ops("PUT", "ops/tenants/newcomer", { weight: 2, allow_models: ["gpt-sim"], budget, reason: "Pilot" });
  await ops("POST", "ops/tenants/newcomer/keys", { name: "laptop" });
  await deadLetters();
  const submit = submitsOf(url, "local-team-b");
  for (const topic of ["Rivers", "Lakes", "Seas"]) await submit(topic, {}, { model: "gpt-sim" });
  for (let n = 0; n < 4; n++) await submit(`Later ${n}`, {}, { model: "deepseek-sim", wait: 0 });

  const goTo = (at: string) => page.goto(`${url}/console/${at}`);
  await goTo("jobs");
  await seen(page.getByRole("cell", { name: "team-b" }));
  await seen(page.getByText("an operator switched it off"));
  await take(page, "jobs-of-all");
  await goTo("labs");
  await seen(page.getByText("The lab is drained."));
  await page.getByRole("region", { name: "deepseek", exact: true }).scrollIntoViewIfNeeded();
  await take(page, "labs");
  await goTo("controls");
  await seen(page.getByRole("cell", { name: reason }));
  await take(page, "controls");
  await goTo("dead-letters");
  await seen(page.getByText("It cannot be read"));
  await take(page, "dead-letters");
  await goTo("waiting");
  await seen(page.getByRole("table", { name: /^Lanes/ }).getByText("an operator switched it off"));
  await take(page, "waiting");
  await goTo("usage?by=lab");
  await seen(page.getByRole("cell", { name: "openai", exact: true }));
  await take(page, "usage");
  await goTo("tenants/newcomer");
  await seen(page.getByRole("cell", { name: "laptop" }));
  await take(page, "tenant");
  await goTo("audit");
  await seen(page.getByText(/The chain holds/));
  await take(page, "audit");
}

/** Messages that are no nudges: the queue gives them up once each was tried ten times. */
async function deadLetters(): Promise<void> {
  const { service_bus_port: port } = JSON.parse(readFileSync(path.join(folder, "emulators.json"), "utf8"));
  const key = "SharedAccessKeyName=k;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true";
  const client = new ServiceBusClient(`Endpoint=sb://127.0.0.1:${port};${key};`);
  const body = { from: "somebody's script" };
  const messages = [body, body].map((each) => ({ body: each, contentType: "application/json" }));
  await client.createSender("nudges").sendMessages(messages);
  await client.close();
}
