import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { chromiumPath } from "../../tools/screenshots/chromium.ts";
import { chat } from "../end-to-end/stack.ts";
import { signedIn } from "./signed-in.ts";

/** What a newcomer does in the browser alone. */
describe.runIf(chromiumPath !== undefined)("a tenant", { tags: ["long"] }, () => {
  const at = signedIn();

  it("submits a job, reads its answer and its history, and has its chain checked", async () => {
    const { console, page } = await at.open("local-team-a");
    await page.getByLabel("Prompt").fill("Who's “there”?");
    await page.getByLabel("Metadata").fill("team: search");
    const curl = await page.getByRole("region", { name: "The same by curl" }).textContent();
    expect(curl).toContain("Who'\\''s “there”?");
    await console.mustBeSound();
    await page.getByRole("button", { name: "Submit", exact: true }).click();
    await page.getByText("The chain holds").filter({ visible: true }).first().waitFor();
    await page.getByRole("region", { name: "The answer's text" }).first().waitFor();
    expect(await page.getByRole("region", { name: "What user says" }).textContent()).toBe("Who's “there”?");
    await console.mustBeSound();
    await page.getByRole("button", { name: "Erase content" }).click();
    await page.getByRole("button", { name: "Erase them" }).click();
    await page.getByText("The answer was erased.").filter({ visible: true }).first().waitFor();
  });

  it("is told what is wrong with a submit, and what to do", async () => {
    const { page } = await at.open("local-team-a");
    await page.getByLabel("Idempotency key").fill("🚂 ключ");
    await page.getByText("(ASCII)").filter({ visible: true }).first().waitFor();
    await page.getByLabel("Idempotency key").fill("");
    await page.getByLabel("Prompt").fill(" ");
    await page.getByRole("button", { name: "Submit", exact: true }).click();
    // It was not sent: the browser says at the field that it is to be filled in.
    expect(await page.evaluate("document.activeElement.validationMessage")).toBe("Fill in this field.");
    await page.getByLabel("Prompt").fill("Kept");
    await page.reload();
    expect(await page.getByLabel("Prompt").inputValue()).toBe("Kept");
    await page.getByLabel("Write").selectOption("the body as JSON");
    await page.getByLabel("Body, without its model").fill('{"messages": [');
    await page.getByText("The body is not valid JSON").filter({ visible: true }).first().waitFor();
    await page.getByLabel("Body, without its model").fill('{"messages": [], "stream": true}');
    await page.getByLabel("At most it may cost").fill("much");
    await page.getByRole("button", { name: "Submit", exact: true }).click();
    const told = await page.getByRole("alert").textContent();
    expect(told).toContain("At most it may cost:");
    expect(told).not.toContain("`faults`");
    await page.getByLabel("At most it may cost").fill("1");
    await page.getByRole("alert").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("API key").first().waitFor();
    expect(await page.evaluate("sessionStorage.length")).toBe(0);
  });

  it("finds out why a job failed, by the lab's words and ours", async () => {
    const { json } = await at.stack.submit(chat("[[content_filter]] Hello"));
    await at.stack.ended(json.id);
    const { console, page } = await at.open("local-team-a");
    await console.goTo(`jobs/${json.id}`);
    await page.getByText("The chain holds").filter({ visible: true }).first().waitFor();
    expect(await page.getByText("content_filter").count()).toBeGreaterThan(0);
    await console.mustBeSound();
  });

  it("compares three labs", async () => {
    const { console, page } = await at.open("local-team-a");
    await page.getByRole("link", { name: "Compare" }).click();
    for (const model of ["gpt-sim", "grok-sim", "deepseek-sim"]) await page.getByLabel(model).check();
    await page.getByLabel("Prompt").fill("Name a river.");
    await page.getByRole("button", { name: "Compare 3 models" }).click();
    await page.getByText("3 of 3 completed").filter({ visible: true }).first().waitFor();
    for (const model of ["gpt-sim", "grok-sim", "deepseek-sim"])
      await page
        .getByRole("region", { name: `The answer of ${model}` })
        .first()
        .waitFor();
    expect(await page.getByRole("region", { name: "What user says" }).textContent()).toBe("Name a river.");
    await console.mustBeSound();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download as JSON" }).click(),
    ]);
    expect(JSON.parse(readFileSync(await download.path(), "utf8")).jobs).toHaveLength(3);
    await page.getByRole("link", { name: "Compare" }).click();
    await page.getByRole("cell", { name: "gpt-sim, grok-sim, deepseek-sim" }).first().waitFor();
  });

  it("drops a file of requests, follows the batch and downloads its results", async () => {
    const { console, page } = await at.open("local-team-a");
    await console.goTo("batches");
    await page.getByText("There are no batches yet.").filter({ visible: true }).first().waitFor();
    const lines = ["Hi", "Hello", "[[content_filter]]"].map((prompt, line) =>
      JSON.stringify({
        ...{ custom_id: `line-${line}`, method: "POST", url: "/v1/chat/completions" },
        body: chat(prompt),
      }),
    );
    await page.evaluate(`
      const given = new DataTransfer();
      given.items.add(new File([${JSON.stringify(lines.join("\n"))}], "requests.jsonl"));
      document.querySelector(".drop").dispatchEvent(new DragEvent("drop", { dataTransfer: given, bubbles: true }));
    `);
    await page.getByText("requests.jsonl").filter({ visible: true }).first().waitFor();
    await console.mustBeSound();
    await page.getByRole("button", { name: "Upload and begin" }).click();
    await page.getByRole("heading", { level: 1, name: "Batch" }).first().waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download results" }).click(),
    ]);
    const results = readFileSync(await download.path(), "utf8")
      .trim()
      .split("\n");
    expect(results.map((line) => JSON.parse(line).custom_id).sort()).toEqual(["line-0", "line-1"]);
    await page.getByText("2 done, 1 failed of 3").filter({ visible: true }).first().waitFor();
    await page.getByRole("button", { name: "Download errors" }).first().waitFor();
    await console.mustBeSound();
  });
});
