import { describe, expect, it } from "vitest";
import { chromiumPath } from "../../tools/screenshots/chromium.ts";
import { chat } from "../end-to-end/stack.ts";
import { signedIn } from "./signed-in.ts";

describe.runIf(chromiumPath !== undefined)("an operator", { tags: ["long"] }, () => {
  const at = signedIn();

  it("switches a lab off with a reason; a tenant sees why the job waits; and on again", async () => {
    const { console, page } = await at.open("local-operator");
    await console.goTo("labs");
    const lab = page.getByRole("region", { name: "deepseek", exact: true });
    await lab.getByRole("button", { name: "Switch off …" }).first().click();
    await page.getByLabel("Reason").fill("Their invoice is wrong");
    await console.mustBeSound();
    await page.getByRole("button", { name: "Switch it off" }).click();
    await lab.getByText("The lab is switched off.").filter({ visible: true }).first().waitFor();
    expect(await lab.textContent()).toContain("Their invoice is wrong");
    await console.mustBeSound();

    const { json } = await at.stack.submit(chat("Hi", "deepseek-sim"));
    const tenant = await at.open("local-team-a");
    await tenant.page.getByLabel("Model").selectOption("deepseek-sim");
    await tenant.page.getByText("has switched off whoever serves this model").first().waitFor();
    await tenant.console.goTo(`jobs/${json.id}`);
    await tenant.page.getByText("an operator switched it off").filter({ visible: true }).first().waitFor();
    await tenant.console.mustBeSound();

    await console.goTo("controls");
    await page.getByRole("cell", { name: "Their invoice is wrong" }).first().waitFor();
    await page.getByRole("button", { name: "Take back …" }).click();
    await page.getByRole("button", { name: "Take it back" }).click();
    await page.getByText("Nothing is set").filter({ visible: true }).first().waitFor();
    await tenant.page.getByText("completed").filter({ visible: true }).first().waitFor();
  });

  it("sees a lab that fails, why, and what to do", async () => {
    for (let made = 0; made < 6; made++) await at.stack.submit(chat("[[sim:status=500]] Hi", "grok-sim"));
    const { console, page } = await at.open("local-operator");
    await console.goTo("labs");
    const card = page.getByRole("region", { name: "grok-sim-local" });
    await card.getByText("Its calls fail.").filter({ visible: true }).first().waitFor();
    await card.getByText("HTTP 500").filter({ visible: true }).first().waitFor();
    await card.getByRole("button", { name: "Probe now" }).first().waitFor();
    await console.mustBeSound();
  });

  it("sets limits and weights, and sees who set them", async () => {
    const { console, page } = await at.open("local-operator");
    await console.goTo("controls");
    const limits = page.getByRole("region", { name: "Set a deployment's limits, all of them" });
    await limits.getByLabel("Deployment").fill("gpt-sim-local");
    await limits.getByRole("button", { name: "Set the limits" }).click();
    await limits.getByRole("alert").filter({ hasText: "Fill in one limit at least" }).first().waitFor();
    await limits.getByLabel("Requests a minute").fill("6000");
    await limits.getByRole("button", { name: "Set the limits" }).click();
    await page.getByRole("cell", { name: "requests per minute 6000" }).first().waitFor();
    const weight = page.getByRole("region", { name: "Set a tenant's weight" });
    await weight.getByLabel("Tenant").fill("nobody");
    await weight.getByLabel("Weight", { exact: true }).fill("3");
    await weight.getByRole("button", { name: "Set the tenant's weight" }).click();
    await weight.getByRole("alert").filter({ hasText: "There is no tenant nobody." }).first().waitFor();
    await console.mustBeSound();
  });

  it("sees jobs of all tenants, without what they say", async () => {
    const { json } = await at.stack.submit(chat("A secret prompt"), {
      envelope: { metadata: { name: "secret" } },
    });
    const { console, page } = await at.open("local-operator");
    await console.goTo("jobs");
    const row = page.getByRole("row").filter({ hasText: json.id.slice(0, 12) });
    await row.getByText("team-a").filter({ visible: true }).first().waitFor();
    await row.getByRole("link").click();
    await page
      .getByText("What was asked and answered is its tenant's")
      .filter({ visible: true })
      .first()
      .waitFor();
    expect(await page.textContent("main")).not.toContain("secret");
    await console.mustBeSound();
  });
});
