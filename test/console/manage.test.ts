import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import OpenAI from "openai";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { verifyLinks } from "../../console/rows/trail.ts";
import type { RunningServiceBus } from "../../local/service-bus/server.ts";
import { jobIdOfKey } from "../../shared/job/intake/accept.ts";
import { sha256Hex } from "../../shared/sha256.ts";
import { chromiumPath, launch } from "../../tools/screenshots/chromium.ts";
import { busOf, connectionOf, deadLetter } from "../end-to-end/dead-letter.ts";
import { chat, Stack } from "../end-to-end/stack.ts";
import { ConsolePage } from "./browser.ts";

/** What people manage in the browser alone: money, the line, tenants and keys, and what is on record. */
describe.runIf(chromiumPath !== undefined)("the console's management", { tags: ["long"] }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-console-"));
  const ended = jobIdOfKey("team-a", "ended");
  let bus: RunningServiceBus;
  let stack: Stack;
  let browser: Browser;
  beforeAll(async () => {
    bus = await busOf(folder);
    const [known, unknown] = [ended, jobIdOfKey("team-a", "never")].map((job_id) => ({
      ...{ v: 1, tenant_id: "team-a", job_id },
    }));
    await deadLetter(
      connectionOf(bus),
      [known, unknown, { prompt: "no nudge" }].filter((each) => each !== undefined),
    );
    stack = new Stack({ SERVICEBUS: connectionOf(bus), DRAIN_SECONDS: "1" });
    [browser] = await Promise.all([launch(), stack.start()]);
  });
  afterAll(async () => {
    await browser?.close();
    await stack?.remove();
    await bus?.close();
    rmSync(folder, { recursive: true });
  });

  const operator = { key: "local-operator" };
  let pages: ConsolePage[] = [];
  async function open(key: string, path: string): Promise<{ console: ConsolePage; page: Page }> {
    const console = await ConsolePage.open(browser, stack.url, key);
    console.page.setDefaultTimeout(PATIENCE_MS);
    await console.goTo(path);
    pages.push(console);
    return { console, page: console.page };
  }
  afterEach(async () => {
    for (const each of pages) await each.close();
    pages = [];
  });

  it("makes a tenant and a key, which the SDK then uses, and revokes it", async () => {
    const { console, page } = await open("local-operator", "tenants");
    // Where the page does not know a tenant yet, the service refuses to set it as a new one.
    await page.route("**/api/ops/tenants", (list) => list.abort());
    await page.reload();
    await page.getByLabel("Id", { exact: true }).fill("team-b");
    await page.getByRole("button", { name: "Make the tenant" }).click();
    await page.getByRole("alert").filter({ hasText: "There is a tenant team-b already." }).first().waitFor();
    await page.unroute("**/api/ops/tenants");
    expect((await stack.call("/api/ops/tenants/team-b", operator)).json.source).toBe("file");
    await page.getByRole("cell", { name: "team-a" }).first().waitFor();
    await page.getByLabel("Id", { exact: true }).fill("not an id");
    await page.getByRole("button", { name: "Make the tenant" }).click();
    await page.getByRole("alert").filter({ hasText: "1 to 64 letters" }).first().waitFor();
    await page.getByLabel("Id", { exact: true }).fill("team-a");
    await page.getByText("There is such a tenant already").filter({ visible: true }).first().waitFor();
    await page.getByLabel("Id", { exact: true }).fill("team-new");
    await page.getByLabel("Models it may ask for").fill("gpt-*");
    await page.getByLabel("A month").fill("5");
    await page.getByLabel("Currency").fill("EUR");
    await page.getByText("No model has a price in EUR").filter({ visible: true }).first().waitFor();
    await page.getByLabel("Currency").fill("USD");
    await console.mustBeSound();
    await page.getByRole("button", { name: "Make the tenant" }).click();
    await page.getByText("It has no keys.").filter({ visible: true }).first().waitFor();

    await page.getByLabel("Its name").fill("from the browser");
    await page.getByRole("button", { name: "Make a key" }).click();
    const card = page.getByRole("region", { name: "The new key", exact: true });
    const key = (await card.locator("[data-key]").textContent()) ?? "";
    const lines = await page.getByRole("region", { name: "The key with the OpenAI SDK" }).textContent();
    expect(lines).toContain(`baseURL: "${stack.url}/openai/v1"`);
    expect(lines).toContain('"model": "gpt-sim"');
    await page.getByRole("cell", { name: "from the browser" }).first().waitFor();
    await console.mustBeSound();

    const client = new OpenAI({ baseURL: `${stack.url}/openai/v1`, apiKey: key });
    const messages = [{ role: "user", content: "Hello" }] as const;
    const answer = await client.chat.completions.create({ model: "gpt-sim", messages: [...messages] });
    expect(answer.choices[0]?.message.content).toEqual(expect.any(String));
    await expect(
      client.chat.completions.create({ model: "grok-sim", messages: [...messages] }),
    ).rejects.toMatchObject({ code: "model_not_found" });

    await page.getByRole("button", { name: "I have kept it" }).click();
    await card.waitFor({ state: "detached" });
    expect(await page.content()).not.toContain(key);
    await page.getByRole("button", { name: "Revoke …" }).click();
    await page.getByRole("button", { name: "Revoke it" }).click();
    await page.getByText("It has no keys.").filter({ visible: true }).first().waitFor();
    await expect.poll(() => statusFor(key), { timeout: PATIENCE_MS }).toBe(401);

    await page.getByLabel("Weight").fill("3");
    await page.getByLabel("Reason").fill("They are more now");
    await page.getByRole("button", { name: "Set it" }).click();
    await page.getByText("They are more now").filter({ visible: true }).first().waitFor();
    await page.getByRole("button", { name: "Take back …" }).click();
    await page.getByRole("button", { name: "Take it back" }).click();
    await page.getByRole("heading", { level: 1, name: "Tenants and keys" }).first().waitFor();
    await page.getByRole("cell", { name: "team-a" }).first().waitFor();
    expect(await page.getByRole("cell", { name: "team-new" }).count()).toBe(0);
  });

  const statusFor = async (key: string) =>
    (await fetch(`${stack.url}/api/models`, { headers: { authorization: `Bearer ${key}` } })).status;

  it("shows what operators changed, checks its chain, and gives it as a file", async () => {
    for (const weight of [2, 3]) {
      const body = { weight, reason: `Weight ${weight}` };
      await stack.call("/api/ops/weights/tenants/team-b", { ...operator, method: "PUT", body });
    }
    const { console, page } = await open("local-operator", "audit");
    await page.getByText("The chain holds").filter({ visible: true }).first().waitFor();
    const changes = page.getByRole("table", { name: "Changes, newest first" });
    await changes.getByRole("cell", { name: "weights changed" }).first().waitFor();
    await changes.getByRole("cell", { name: "Weight 3" }).first().waitFor();
    await changes.getByText("All of it").first().click();
    await page
      .getByRole("region", { name: /^Record \d+$/ })
      .first()
      .waitFor();
    await console.mustBeSound();
    const records = (await downloaded(page, "Download as JSON lines"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records.length).toBeGreaterThan(1);
    expect(await verifyLinks(records, async (text) => sha256Hex(text))).toMatchObject({ isIntact: true });
    const file = JSON.parse(await downloaded(page, "Download models.json"));
    expect(file.deployments.length).toBeGreaterThan(1);
    await page.getByLabel("Of", { exact: true }).selectOption("accounts");
    await page.getByText("Nothing of this was ever changed.").filter({ visible: true }).first().waitFor();
    expect(page.url()).toContain("scope=accounts");
  });

  it("shows a tenant what it used and what is left of its budget; an operator sees it by lab", async () => {
    const budget = { currency: "USD", per_day: "10", per_month: "100" };
    const key_sha256 = [sha256Hex("spender")];
    const body = { key_sha256, budget };
    expect((await stack.call("/api/ops/tenants/spender", { ...operator, method: "PUT", body })).status).toBe(
      200,
    );
    await expect.poll(() => statusFor("spender"), { timeout: PATIENCE_MS }).toBe(200);
    for (const model of ["gpt-sim", "grok-sim"]) {
      const { json } = await stack.submit(chat("Hi", model), { key: "spender" });
      expect((await stack.ended(json.id, { key: "spender" })).json.status).toBe("completed");
    }
    const own = await open("spender", "usage");
    await own.page
      .getByRole("table", { name: "Budget now" })
      .getByText("100.00 USD")
      .filter({ visible: true })
      .first()
      .waitFor();
    await own.page.getByRole("img").locator("canvas").waitFor();
    await own.page.getByLabel("By", { exact: true }).selectOption("model");
    await own.page.getByRole("cell", { name: "grok-sim" }).first().waitFor();
    await own.console.mustBeSound();

    const { console, page } = await open("local-operator", "usage?tenant=spender&by=lab");
    await page.getByRole("cell", { name: "xai", exact: true }).first().waitFor();
    await page.getByLabel("Model").selectOption("gpt-sim");
    await page.getByRole("cell", { name: "xai", exact: true }).waitFor({ state: "detached" });
    await page.getByRole("table", { name: "Budget now" }).first().waitFor();
    await console.mustBeSound();
    await page.getByLabel("From", { exact: true }).fill("2020-01-01");
    await page.getByRole("alert").filter({ hasText: "at most 31" }).first().waitFor();
  });

  it("says why a job waits and since when, to its tenant and to operators", async () => {
    const at = "switches/deployment/deepseek-sim-local";
    const off = { state: "off", mode: "park" };
    await stack.call(`/api/ops/${at}`, { ...operator, method: "PUT", body: off });
    const { json } = await stack.submit(chat("Hi", "deepseek-sim"));
    const own = await open("local-team-a", "waiting");
    const row = own.page.getByRole("row").filter({ hasText: json.id.slice(0, 12) });
    await row.getByText("an operator switched it off").filter({ visible: true }).first().waitFor();
    await own.console.mustBeSound();

    const { console, page } = await open("local-operator", "waiting");
    const lane = page
      .getByRole("table", { name: /^Lanes/ })
      .getByRole("row")
      .filter({ hasText: "team-a" });
    await lane.getByText("an operator switched it off").filter({ visible: true }).first().waitFor();
    await console.mustBeSound();
    await lane.getByRole("link", { name: "the switches" }).click();
    await page.getByRole("cell", { name: "deepseek-sim-local" }).first().waitFor();
    await stack.call(`/api/ops/${at}`, { ...operator, method: "DELETE" });
    await own.page.getByText("None of your jobs waits.").filter({ visible: true }).first().waitFor();
  });

  it("redrives a dead letter into a new job, and dismisses the rest", async () => {
    const keyed = { headers: { "idempotency-key": "ended" } };
    await stack.submit({ ...chat("Hi"), max_tokens: -1 }, keyed);
    expect((await stack.ended(ended)).json.status).toBe("failed");
    const { console, page } = await open("local-operator", "dead-letters");
    await page.getByText("It cannot be read").filter({ visible: true }).first().waitFor();
    const row = page.getByRole("row").filter({ hasText: ended.slice(0, 12) });
    await row.getByText("failed").filter({ visible: true }).first().waitFor();
    await console.mustBeSound();
    await row.getByRole("button", { name: "Redrive …" }).click();
    await page.getByText("Make a new job of this ended one").filter({ visible: true }).first().waitFor();
    await page.getByRole("button", { name: "Redrive it" }).click();
    await row.getByText("new job").filter({ visible: true }).first().waitFor();

    await page.getByLabel("State").selectOption("untouched");
    await row.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Redrive many …" }).click();
    await page.getByRole("button", { name: "Redrive them" }).click();
    await page
      .getByText(/^Done: .*refused/)
      .filter({ visible: true })
      .first()
      .waitFor();
    await page.getByRole("button", { name: "Dismiss many …" }).click();
    await page.getByLabel("Reason", { exact: true }).last().fill("Somebody's test");
    await console.mustBeSound();
    await page.getByRole("button", { name: "Dismiss them" }).click();
    await page.getByText("2 dismissed, 0 left").filter({ visible: true }).first().waitFor();
    await page.getByText("No letter is like that.").filter({ visible: true }).first().waitFor();
    await console.mustBeSound();
    await console.goTo("audit?scope=dead_letters");
    await page.getByRole("cell", { name: "Somebody's test" }).first().waitFor();
  });
});

/** A bound on what hangs, not on what is slow. */
const PATIENCE_MS = 110_000;

async function downloaded(page: Page, button: string): Promise<string> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: button }).click(),
  ]);
  return readFileSync(await download.path(), "utf8");
}
