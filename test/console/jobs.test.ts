import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chat, Stack } from "../end-to-end/stack.ts";
import { ConsolePage, chromiumPath, launch } from "./browser.ts";

describe.runIf(chromiumPath !== undefined)("the console", () => {
  const stack = new Stack();
  let browser: Browser;
  beforeAll(async () => {
    await stack.start();
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await stack.remove();
  });

  it("is where / leads, says which keys work here, and refuses others", async () => {
    const console = await ConsolePage.open(browser, stack.url);
    const { page } = console;
    await page.goto(stack.url);
    expect(new URL(page.url()).pathname).toBe("/console");
    await page.getByLabel("API key").fill("nobody's");
    await page.getByRole("button", { name: "Sign in" }).click();
    expect(await page.getByRole("alert").textContent()).toContain("The key is not known.");
    await console.mustBeSound();
    await page.getByRole("button", { name: "local-operator" }).click();
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("Operator").waitFor();
    await console.close();
  });

  it("shows jobs as they come and end, by filters that are in the URL", async () => {
    const console = await ConsolePage.open(browser, stack.url, "local-team-b");
    const { page } = console;
    await console.goTo("jobs");
    await page.getByText("There are no jobs yet.").waitFor();
    const { json } = await stack.submit(chat("Hi"), {
      key: "local-team-b",
      envelope: { metadata: { team: "search" } },
    });
    const row = page.getByRole("row").filter({ hasText: json.id.slice(0, 12) });
    await row.getByText("completed").waitFor();
    expect(await row.textContent()).toContain("team: search");
    await page.getByLabel("Status").selectOption("failed");
    await page.getByText("No job is like that.").waitFor();
    expect(page.url()).toContain("status=failed");
    await page.reload();
    await page.getByText("No job is like that.").waitFor();
    await console.mustBeSound();
    await console.close();
  });

  it("is as sound in the dark and on a phone", async () => {
    const viewport = { width: 380, height: 800 };
    const options = { colorScheme: "dark", viewport } as const;
    const console = await ConsolePage.open(browser, stack.url, "local-operator", options);
    await console.page.getByRole("row").getByText("completed").waitFor();
    await console.mustBeSound();
    const width = await console.page.evaluate("document.documentElement.scrollWidth");
    expect(width).toBeLessThanOrEqual(viewport.width);
    await console.close();
  });
});
