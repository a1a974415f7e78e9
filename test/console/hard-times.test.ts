import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { CosmosClient } from "@azure/cosmos";
import { afterAll, describe, expect, it } from "vitest";
import { EMULATOR_KEY } from "../../local/cosmos/authorization.ts";
import { cosmosResources } from "../../local/cosmos/resources.ts";
import { type RunningCosmos, startCosmos } from "../../local/cosmos/server.ts";
import { chromiumPath } from "../../tools/screenshots/chromium.ts";
import { chat, Stack } from "../end-to-end/stack.ts";
import { resources } from "../shared/world.ts";
import { signedIn } from "./signed-in.ts";

/** What a lab could answer to do harm. */
const HOSTILE: Readonly<Record<string, string>> = {
  html: `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script><a href="javascript:alert(1)">here</a>`,
  line: "x".repeat(1_000_000),
  rtl: "safe \u202egnp.exe",
  ansi: "\u001b[31mred\u001b[0m \u0007",
};

/** An OpenAI-compatible server whose answer is what the prompt names. */
async function hostileLab(): Promise<Server> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { messages } = JSON.parse(Buffer.concat(chunks).toString("utf8"));
      const message = { role: "assistant", content: HOSTILE[messages[0].content] ?? "Hello" };
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({
          ...{ id: "chatcmpl-1", object: "chat.completion", created: 1, model: "hostile" },
          choices: [{ index: 0, message, finish_reason: "stop" }],
          usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
        }),
      );
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

describe.runIf(chromiumPath !== undefined)("the console in hard times", { tags: ["long"] }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-console-"));
  let cosmos: RunningCosmos;
  let lab: Server;
  const at = signedIn(async () => {
    lab = await hostileLab();
    cosmos = await startCosmos({
      ...{ port: 0, databaseFile: path.join(folder, "cosmos.db") },
      resources: cosmosResources(resources),
    });
    const models = path.join(folder, "models.json");
    writeFileSync(
      models,
      JSON.stringify({
        deployments: [
          {
            ...{ name: "hostile", provider: "hostile", model: "hostile", auth: { kind: "none" } },
            base_url: `http://127.0.0.1:${(lab.address() as AddressInfo).port}/v1`,
            ...{ endpoints: ["/v1/chat/completions"], capabilities: [], simulated: true },
            price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
          },
        ],
        routes: [],
      }),
    );
    return new Stack({
      MODELS_FILE: models,
      COSMOS: `AccountEndpoint=http://127.0.0.1:${cosmos.port}/;AccountKey=${EMULATOR_KEY};`,
    });
  });
  afterAll(async () => {
    await cosmos?.close();
    lab?.close();
    rmSync(folder, { recursive: true });
  });
  const answered = async (what: string): Promise<string> => {
    const { json } = await at.stack.submit(chat(what, "hostile"));
    await at.stack.ended(json.id);
    return json.id;
  };

  it("shows a hostile answer as what it is, and does nothing of what it says", async () => {
    const { console, page } = await at.open("local-team-a");
    const answer = page.getByRole("region", { name: "The answer's text" });
    const shown = async (what: string) => {
      await console.goTo(`jobs/${await answered(what)}`);
      await answer.waitFor();
      return answer.textContent();
    };
    expect(await shown("html")).toBe(HOSTILE.html);
    expect(await page.locator("main img, main script, main a[href^=javascript]").count()).toBe(0);
    expect(await page.title()).toBe("Job · Switchyard");
    await console.mustBeSound();
    expect(await shown("rtl")).toBe("safe ‹U+202E›gnp.exe");
    expect(await shown("ansi")).toBe("‹U+001B›[31mred‹U+001B›[0m ‹U+0007›");
    expect((await shown("line"))?.length).toBe(20_000);
    await page.getByRole("button", { name: "Show more" }).first().click();
    await page.getByText("100,000 of 1,000,000 characters").filter({ visible: true }).first().waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(1280);
    await console.mustBeSound();
  });

  it("says since when it is out of date while Cosmos DB is down, and goes on by itself", async () => {
    const id = await answered("Hi");
    const { console, page } = await at.open("local-team-a");
    await console.goTo("jobs");
    const row = page.getByRole("row").filter({ hasText: id.slice(0, 12) });
    await row.waitFor();
    cosmos.setFaults({ rules: [{ operation: "any", effect: { kind: "refuse", status: 503 } }] });
    try {
      await page
        .getByText(/Not up to date since .* The store cannot be reached/)
        .filter({ visible: true })
        .first()
        .waitFor();
      await row.waitFor();
      await console.mustBeSound();
      await console.goTo(`jobs/${id}`);
      await page.getByRole("button", { name: "Try again" }).first().waitFor();
      await console.mustBeSound();
    } finally {
      cosmos.setFaults({ rules: [] });
    }
    await page.getByText("The chain holds").filter({ visible: true }).first().waitFor();
  });

  it("scrolls through 10,000 jobs with long tags, of which only those in view are in the page", async () => {
    const id = await answered("Hi");
    const endpoint = `http://127.0.0.1:${cosmos.port}/`;
    const client = new CosmosClient({ endpoint, key: EMULATOR_KEY });
    const jobs = client.database("switchyard").container("jobs");
    const { resource } = await jobs.item("job", ["team-a", id]).read();
    const JOBS = 10_000;
    for (let made = 0; made < JOBS; ) {
      const some = Array.from({ length: 100 }, () => {
        made += 1;
        const job_id = `job_${made.toString(16).padStart(32, "0")}`;
        const metadata = { tag: `${made} ${"long ".repeat(80)}` };
        return jobs.items.create({ ...resource, job_id, metadata, created_at_ms: made });
      });
      await Promise.all(some);
    }
    client.dispose();

    const { console, page } = await at.open("local-team-a");
    await console.goTo("jobs");
    const list = page.getByRole("region", { name: "Jobs, newest first" });
    await list.getByText(`tag: ${JOBS} long`).filter({ visible: true }).first().waitFor();
    // Down to the end, page by page.
    const first = page.getByRole("row").filter({ hasText: "tag: 1 long" });
    for (let turns = 0; turns < 3 * (JOBS / 100) && !(await first.isVisible()); turns++) {
      const known = await page.evaluate("document.querySelector('.long').scrollHeight");
      await page.evaluate(`document.querySelector(".long").scrollTo(0, ${known})`);
      const hasMore = `document.querySelector(".long").scrollHeight > ${known} ||
        document.querySelector(".long").textContent.includes("tag: 1 long")`;
      await expect.poll(() => page.evaluate(hasMore), { timeout: 110_000 }).toBe(true);
    }
    await first.waitFor();
    expect(await page.getByRole("row").count()).toBeLessThan(80);
    await console.mustBeSound();
  });
});
