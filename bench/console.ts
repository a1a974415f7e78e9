import { globSync, statSync } from "node:fs";
import path from "node:path";
import { CosmosClient } from "@azure/cosmos";
import type { Page } from "playwright-core";
import { EMULATOR_KEY } from "../local/cosmos/authorization.ts";
import { DATABASE, JOBS_CONTAINER } from "../shared/azure/cosmos/client.ts";
import { launch } from "../tools/screenshots/chromium.ts";
import { head, median, percentile, row } from "./measure.ts";
import { Stack } from "./stack.ts";
import { type Item, itemsOf, storeJobs } from "./stored-jobs.ts";

/**
 * What the console costs in a real browser, on loopback: its bytes, its first paint with an empty cache and with a full
 * one, and the frames while 10,000 jobs scroll past, first as they are read page by page, then as the list has them all.
 */
const JOBS = 10_000;
const PAINTS = 9;
/** Ten rows a frame: 22,000 pixels a second. */
const PIXELS_A_FRAME = 360;
const FRAME_MS = 1000 / 60;
const PATIENCE_MS = 120_000;
const TENANT = "team-a";

/** When the screen's own heading is there: what is painted first is the page's frame. */
const REMEMBER_USABLE = `new MutationObserver(() => {
  if (document.querySelector("h1") !== null) globalThis.usable ??= performance.now();
}).observe(document, { childList: true, subtree: true })`;
const PAINTED = `new Promise((resolve) => {
  const told = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  const bytes = () => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .reduce((sum, { encodedBodySize, transferSize }) => sum + (transferSize === 0 ? 0 : encodedBodySize), 0);
  const look = () => (told() === undefined ? setTimeout(look, 10) : resolve({ paint: told(), usable: globalThis.usable, bytes: bytes(), requests: 1 + performance.getEntriesByType("resource").length }));
  look();
})`;

const stack = await Stack.start();
const browser = await launch();
try {
  head("measure", "value");
  const built = path.resolve(import.meta.dirname, "../dist/console");
  const files = globSync("**/*.gz", { cwd: built });
  const bytes = files.reduce((sum, file) => sum + statSync(path.join(built, file)).size, 0);
  row("all files, gzip, KB", `${(bytes / 1000).toFixed(1)} in ${files.length}`);
  await paints("the sign-in", "console", { isSignedIn: false });
  await paints("the list of jobs", "console/jobs", { isSignedIn: true });
  await storeEnded();
  await scroll();
} finally {
  await browser.close();
  await stack.stop();
}

interface Painted {
  readonly paint: number;
  readonly usable: number;
  readonly requests: number;
  readonly bytes: number;
}

/** A tab of its own, with an empty cache. */
async function tab(isSignedIn: boolean): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(PATIENCE_MS);
  await context.addInitScript(REMEMBER_USABLE);
  const session = JSON.stringify({ credential: `local-${TENANT}`, kind: "tenant" });
  if (isSignedIn)
    await context.addInitScript(`sessionStorage.setItem("switchyard.session", ${JSON.stringify(session)})`);
  return context.newPage();
}

/** The first paint of anything, by the browser's own clock: ms from the navigation's start. */
async function paints(name: string, at: string, { isSignedIn }: { isSignedIn: boolean }): Promise<void> {
  const [cold, warm]: [Painted[], Painted[]] = [[], []];
  for (let n = 0; n < PAINTS; n++) {
    const page = await tab(isSignedIn);
    for (const kept of [cold, warm]) {
      await page.goto(`${stack.url}/${at}`);
      await page.locator("h1").first().waitFor();
      kept.push(await page.evaluate(PAINTED));
    }
    await page.context().close();
  }
  for (const [cache, kept] of [
    ["nothing cached", cold],
    ["all cached", warm],
  ] as const) {
    const times = (of: (each: Painted) => number) => {
      const sorted = kept.map(of).toSorted((a, b) => a - b);
      return `${percentile(sorted, 0.5).toFixed(0)}; ${sorted[0]?.toFixed(0)} to ${sorted.at(-1)?.toFixed(0)}`;
    };
    row(
      `${name}, ${cache}: first paint, ms`,
      times(({ paint }) => paint),
    );
    row(
      `${name}, ${cache}: its heading, ms`,
      times(({ usable }) => usable),
    );
    const kb = median(kept.map(({ bytes }) => bytes)) / 1000;
    row(`${name}, ${cache}: read, KB; requests`, `${kb.toFixed(1)}; ${kept[0]?.requests}`);
  }
}

async function storeEnded(): Promise<void> {
  const endpoint = `http://127.0.0.1:${stack.emulators().cosmos_port}/`;
  const client = new CosmosClient({ endpoint, key: EMULATOR_KEY });
  const jobs = client.database(DATABASE).container(JOBS_CONTAINER);
  await storeJobs(jobs, JOBS, (n) => [itemsOf(n, TENANT)[0] as Item]);
  client.dispose();
}

async function scroll(): Promise<void> {
  const page = await tab(true);
  await page.goto(`${stack.url}/console/jobs`);
  await page.locator(".long tbody a").first().waitFor();
  const client = await page.context().newCDPSession(page);
  // CPU time, whatever else this machine does.
  await client.send("Performance.setTimeDomain", { timeDomain: "threadTicks" });
  await client.send("Performance.enable");
  const cpuMs = async () => {
    const { metrics } = await client.send("Performance.getMetrics");
    return 1000 * (metrics.find(({ name }) => name === "TaskDuration")?.value ?? Number.NaN);
  };
  for (const isWhole of [false, true]) {
    await page.evaluate(`document.querySelector(".long").scrollTo(0, 0)`);
    const before = await cpuMs();
    const frames: number[] = await page.evaluate(scrolled(!isWhole));
    told(isWhole ? "all known" : "read page by page", frames, (await cpuMs()) - before);
  }
  await page.context().close();
}

/** Scrolls to the end of the list, a step each frame, and answers how long each frame took, ms. */
function scrolled(waitsForMore: boolean): string {
  return `new Promise((resolve) => {
    const box = document.querySelector(".long");
    const rows = () => Number(box.querySelector("table").getAttribute("aria-rowcount")) - 1;
    const frames = [];
    let before;
    const frame = (now) => {
      if (before !== undefined) frames.push(now - before);
      before = now;
      box.scrollTop += ${PIXELS_A_FRAME};
      const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 2;
      if (isAtEnd && (!${waitsForMore} || rows() >= ${JOBS})) resolve(frames);
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  })`;
}

function told(name: string, frames: readonly number[], cpuMs: number): void {
  const sorted = frames.toSorted((a, b) => a - b);
  const dropped = frames.reduce((sum, ms) => sum + Math.max(0, Math.round(ms / FRAME_MS) - 1), 0);
  const at = (share: number) => percentile(sorted, share).toFixed(1);
  row(`${JOBS.toLocaleString("en")} jobs scroll past, ${name}: frames`, frames.length);
  row(`… a frame, ms: median, 99 of 100, longest`, `${at(0.5)}, ${at(0.99)}, ${at(1)}`);
  row(`… CPU of the page's thread a frame, ms`, (cpuMs / frames.length).toFixed(1));
  row(`… frames left out`, `${dropped} (${((100 * dropped) / (frames.length + dropped)).toFixed(1)} %)`);
}
