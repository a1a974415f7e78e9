import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium, type Page } from "playwright-core";

/** `npm run screenshots`: starts the built service, fills it a little, and takes the pictures of docs/console/. */
const root = path.resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-screenshots-"));
const ports = { PORT: "0", SERVICEBUS_PORT: "0", COSMOS_PORT: "0", MODEL_ENDPOINTS_PORT: "0" };
const stack = spawn(process.execPath, [path.join(root, "dist/local/start.js")], {
  cwd: root,
  env: { ...process.env, ...ports, DATA_DIR: folder },
  stdio: ["ignore", "pipe", "inherit"],
});
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const args = process.getuid?.() === 0 ? ["--no-sandbox", "--disable-dev-shm-usage"] : [];
const browser = await chromium.launch({ executablePath, args });
try {
  const url = await readyUrl(stack);
  const page = await browser.newPage({ viewport: { width: 1120, height: 700 } });
  // A bound on what hangs, not on what is slow.
  page.setDefaultTimeout(110_000);
  await page.goto(`${url}/console`);
  await signIn(page, "local-team-a");
  await ofTenant(page, url);
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

async function take(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: path.join(root, "docs/console", `${name}.png`) });
}

async function ofTenant(page: Page, url: string): Promise<void> {
  const submit = async (content: string, metadata: object, more: object = {}) => {
    const body = { model: "any-lab", messages: [{ role: "user", content }] };
    await fetch(`${url}/api/jobs`, {
      method: "POST",
      headers: {
        authorization: "Bearer local-team-a",
        "content-type": "application/json",
        prefer: "wait=30",
      },
      body: JSON.stringify({ body, metadata, ...more }),
    });
  };
  await submit("Why is the sky blue?", { team: "search" });
  await submit("[[content_filter]] Tell me", { team: "search" });
  await submit("Later", { team: "news" }, { not_before: Math.floor(Date.now() / 1000) + 3_600 });
  await submit("[[sim:status=500,times=1]] Name three rivers", { team: "maps" });
  await page.goto(`${url}/console/submit`);
  await page.getByLabel("Prompt").fill("Why is the sky blue?");
  await take(page, "submit");
  await page.goto(`${url}/console/jobs`);
  await page.getByRole("row").getByText("completed").first().waitFor();
  await take(page, "jobs");
  await page.getByRole("row").filter({ hasText: "team: maps" }).getByRole("link").click();
  await page.getByText("The chain holds").waitFor();
  await take(page, "job");
  await page.goto(`${url}/console/compare`);
  for (const model of ["gpt-sim", "grok-sim", "deepseek-sim"]) await page.getByLabel(model).check();
  await page.getByLabel("Prompt").fill("Name a river.");
  await page.getByRole("button", { name: "Compare 3 models" }).click();
  await page.getByText("3 of 3 completed").waitFor();
  await take(page, "compare");
}
