import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll } from "vitest";
import { launch } from "../../tools/screenshots/chromium.ts";
import { Stack } from "../end-to-end/stack.ts";
import { ConsolePage } from "./browser.ts";

interface SignedIn {
  readonly stack: Stack;
  /** A page of its own for a test, which closes it. */
  open(key?: string, options?: BrowserContextOptions): Promise<{ console: ConsolePage; page: Page }>;
}

/** A stack and a browser for the tests of a file. @param made what must be there before the stack starts */
export function signedIn(made: () => Promise<Stack> | Stack = () => new Stack()): SignedIn {
  let stack: Stack;
  let browser: Browser;
  let opened: ConsolePage[] = [];
  beforeAll(async () => {
    stack = await made();
    [browser] = await Promise.all([launch(), stack.start()]);
  });
  afterEach(async () => {
    for (const each of opened) await each.close();
    opened = [];
  });
  afterAll(async () => {
    await browser?.close();
    await stack?.remove();
  });
  return {
    get stack() {
      return stack;
    },
    open: async (key, options) => {
      const console = await ConsolePage.open(browser, stack.url, key, options);
      opened.push(console);
      return { console, page: console.page };
    },
  };
}
