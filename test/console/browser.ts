import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";
import { chromiumPath } from "../../tools/screenshots/chromium.ts";

/** Without one the tests are skipped, which .ci/run takes for a fault. */
if (chromiumPath === undefined) {
  const words =
    "The tests of the console in a browser were SKIPPED: there is no Chromium. `apt-get install chromium` brings one, CHROMIUM names another.";
  if (process.env.REQUIRE_CHROMIUM === "1") throw new Error(words);
  console.warn(words);
}

const PATIENCE_MS = 110_000;

/** What the policy kept from happening is told to the page alone. */
const REMEMBER_VIOLATIONS = `
  globalThis.violations = [];
  document.addEventListener("securitypolicyviolation", (event) => {
    globalThis.violations.push([event.violatedDirective, event.blockedURI, event.sample].join(" "));
  });`;

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** A page of the console, which remembers what went wrong in it. */
export class ConsolePage {
  readonly page: Page;
  readonly #faults: string[] = [];
  readonly #url: string;

  private constructor(page: Page, url: string) {
    this.page = page;
    this.#url = url;
    page.on("pageerror", (error) => this.#faults.push(`error: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      const text = message.text();
      // An answer that is a refusal is written there by the browser itself: whether it should be one is the test's to say.
      const isRefusal = /^Failed to load resource: the server responded|net::ERR_/.test(text);
      if (message.type() === "error" && !isRefusal) this.#faults.push(`console: ${text}`);
    });
  }

  /** @param key who is signed in; undefined: nobody */
  static async open(
    browser: Browser,
    url: string,
    key?: string,
    options: BrowserContextOptions = {},
  ): Promise<ConsolePage> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    // A bound on what hangs, not on what is slow.
    context.setDefaultTimeout(PATIENCE_MS);
    await context.addInitScript(REMEMBER_VIOLATIONS);
    const opened = new ConsolePage(await context.newPage(), url);
    await opened.page.goto(`${url}/console`);
    if (key !== undefined) {
      await opened.page.getByLabel("API key").fill(key);
      await opened.page.getByRole("button", { name: "Sign in" }).click();
      await opened.page.getByRole("navigation").first().waitFor();
    }
    return opened;
  }

  /** Goes to a screen as a link in a message would: the page is loaded anew. */
  async goTo(path: string): Promise<void> {
    await this.page.goto(`${this.#url}/console/${path}`);
  }

  /** What a screen must be, whatever it shows: nothing broke, nothing was blocked, everybody can use it. */
  async mustBeSound(): Promise<void> {
    const violations: string[] = await this.page.evaluate("violations");
    expect([...this.#faults, ...violations]).toEqual([]);
    await this.page.evaluate(axe);
    const findings = await this.page.evaluate(async () => {
      const { axe: checker } = globalThis as unknown as {
        axe: {
          run(): Promise<{
            violations: { id: string; help: string; nodes: { html: string; failureSummary: string }[] }[];
          }>;
        };
      };
      const { violations: found } = await checker.run();
      return found.map(
        ({ id, help, nodes }) => `${id}: ${help}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`,
      );
    });
    expect(findings).toEqual([]);
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}
