import { describe, expect, it } from "vitest";
import { chromiumPath } from "../../tools/screenshots/chromium.ts";
import { chat } from "../end-to-end/stack.ts";
import { signedIn } from "./signed-in.ts";

describe.runIf(chromiumPath !== undefined)("the console", () => {
  const at = signedIn();

  it("is where / leads, says which keys work here, and refuses others", { tags: ["long"] }, async () => {
    const { console, page } = await at.open();
    await page.goto(at.stack.url);
    expect(new URL(page.url()).pathname).toBe("/console");
    await page.getByLabel("API key").fill("nobody's");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").filter({ hasText: "The key is not known." }).first().waitFor();
    await console.mustBeSound();
    await page.getByRole("button", { name: "local-operator" }).click();
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("Operator").filter({ visible: true }).first().waitFor();
    expect(await page.evaluate("localStorage.length")).toBe(0);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("API key").first().waitFor();
    expect(await page.evaluate("sessionStorage.length")).toBe(0);
  });

  it("shows jobs as they come and end, by filters that are in the URL", { tags: ["long"] }, async () => {
    const { console, page } = await at.open("local-team-b");
    await console.goTo("jobs");
    await page.getByText("There are no jobs yet.").filter({ visible: true }).first().waitFor();
    const { json } = await at.stack.submit(chat("Hi"), {
      key: "local-team-b",
      envelope: { metadata: { team: "search" } },
    });
    const row = page.getByRole("row").filter({ hasText: json.id.slice(0, 12) });
    await row.getByText("completed").filter({ visible: true }).first().waitFor();
    expect(await row.textContent()).toContain("team: search");
    await page.getByLabel("Status").selectOption("failed");
    await page.getByText("No job is like that.").filter({ visible: true }).first().waitFor();
    expect(page.url()).toContain("status=failed");
    await page.reload();
    await page.getByText("No job is like that.").filter({ visible: true }).first().waitFor();
    await console.mustBeSound();
  });

  it("cancels many at once, and asks before", { tags: ["long"] }, async () => {
    const { console, page } = await at.open("local-team-a");
    const not_before = Math.floor(Date.now() / 1000) + 3_600;
    for (let made = 0; made < 3; made++) await at.stack.submit(chat("Later"), { envelope: { not_before } });
    await console.goTo("jobs?status=queued");
    await page.getByRole("checkbox").nth(2).waitFor();
    for (const box of await page.getByRole("checkbox").all()) await box.check();
    await page.getByRole("button", { name: "Cancel selected (3)" }).click();
    await console.mustBeSound();
    await page.getByRole("button", { name: "Cancel them" }).click();
    await page.getByText("No job is like that.").filter({ visible: true }).first().waitFor();
    await console.goTo("jobs?status=cancelled");
    await page.getByText("3 jobs").filter({ visible: true }).first().waitFor();
  });

  it("is as sound in the dark and on a phone", { tags: ["long"] }, async () => {
    const viewport = { width: 380, height: 800 };
    await at.stack.ended((await at.stack.submit(chat("Hi"))).json.id);
    const { console, page } = await at.open("local-team-a", { colorScheme: "dark", viewport });
    for (const screen of ["submit", "jobs", "compare", "batches"]) {
      await console.goTo(screen);
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      await page.getByText("Loading …").first().waitFor({ state: "detached" });
      await console.mustBeSound();
      const width = await page.evaluate("document.documentElement.scrollWidth");
      expect([screen, width]).toEqual([screen, viewport.width]);
    }
    await console.goTo("jobs");
    await page.getByRole("row").filter({ hasText: "completed" }).first().waitFor();
    // A card is as high as all that it has.
    const cut = `[...document.querySelectorAll(".long tbody tr")].filter((row) => row.scrollHeight > row.clientHeight).length`;
    expect(await page.evaluate(cut)).toBe(0);
  });

  it("is used by the keyboard alone", { tags: ["long"] }, async () => {
    const { page } = await at.open();
    await page.getByLabel("API key").focus();
    await page.keyboard.type("local-team-a");
    await page.keyboard.press("Enter");
    await page.getByLabel("Prompt").first().waitFor();
    // Who hears the page is told where they are.
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Submit");
    await page.reload();
    await page.getByLabel("Prompt").first().waitFor();
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("To the content");
    await page.getByLabel("Prompt").focus();
    await page.keyboard.type("By the keyboard");
    await page.getByRole("button", { name: "Submit", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Job" }).first().waitFor();
    expect(await page.evaluate("document.activeElement.tagName")).toBe("H1");
  });
});
