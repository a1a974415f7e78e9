import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Stack } from "../../end-to-end/stack.ts";

/** What an instance's process takes while two tenants send it all at once what it may not read at once. */
const HEAP_MB = 1024;
const BODIES = 120;
const BODY_BYTES = 1_000_000;
/** An idle process, its young generation, and twice the 256 MB for bodies. */
const APP_MB = 680;
/** The local host is the same process. As Azure's, it reads each body whole before the app can refuse it. */
const HOST_MB = (2 * BODIES * BODY_BYTES) / 1e6;
/** Of a body, so that what it is parsed into is many times its bytes. */
const VALUES = 20_000;

const files = { MODELS_FILE: "" };
const stack = new Stack(Object.assign(files, { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` }));
beforeAll(() => {
  const text = readFileSync(path.resolve(import.meta.dirname, "../../../models.json"), "utf8");
  files.MODELS_FILE = path.join(stack.folder, "catalogue.json");
  // However long a request may be: its tokens refuse it nowhere.
  writeFileSync(files.MODELS_FILE, text.replaceAll(/"context_tokens": \d+,/g, ""));
  return stack.start();
});
afterAll(() => stack.remove());

/** The most memory that the process has ever had, MB. */
function peakMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** The store takes its time: what was let in stays with the instance meanwhile. */
async function slowStore(ms: number): Promise<void> {
  const { control } = JSON.parse(readFileSync(path.join(stack.folder, "emulators.json"), "utf8"));
  const rules = ms === 0 ? [] : [{ operation: "batch", effect: { kind: "delay", ms } }];
  await fetch(`${control}faults`, { method: "POST", body: JSON.stringify({ cosmos: { seed: 1, rules } }) });
}

it("120 bodies of 1 MB at once: the rest is answered 503 with Retry-After, and memory stays bounded", {
  tags: ["long"],
}, async () => {
  const { host: pids } = stack.processes();
  await slowStore(2_000);
  const each = `{"a":"${"x".repeat(BODY_BYTES / VALUES - 9)}"}`;
  const text = `{"body":{"model":"gpt-sim","messages":[],"x":[${`${each},`.repeat(VALUES - 1)}${each}]}}`;
  const submits = Array.from({ length: BODIES }, async (_, n) => {
    const answer = await fetch(`${stack.url}/api/jobs`, {
      ...{ method: "POST", body: text },
      headers: { authorization: `Bearer local-team-${"ab"[n % 2]}`, "content-type": "application/json" },
    });
    return { answer, code: ((await answer.json()) as { code?: string }).code };
  });
  const answers = await Promise.all(submits);
  await slowStore(0);
  const accepted = answers.filter(({ answer }) => answer.status === 202);
  const busy = answers.filter(({ code }) => code === "service_busy");
  // How many is a matter of speed: each has left before the next comes, or has not.
  expect(accepted.length).toBeGreaterThan(8);
  expect(busy.length).toBeGreaterThan(16);
  for (const { answer } of busy) expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(Math.max(...pids.map(peakMegabytes))).toBeLessThan(APP_MB + HOST_MB);
});
