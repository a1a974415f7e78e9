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
/** Of 256 MiB each of two tenants holds at most a third: four times a body's bytes until it is answered. */
const MOST_HELD = 2 * Math.ceil(2 ** 28 / 3 / (4 * BODY_BYTES));
/** While it is parsed it takes eight times its bytes: fewer are let in where all come before one is parsed. */
const LEAST_HELD = 2 * Math.floor(2 ** 28 / 3 / (8 * BODY_BYTES));

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

const KEYS = ["local-team-a", "local-team-b"];

/** The jobs of both tenants that have not ended, with the keys of their tenants. */
async function jobsHeld(): Promise<{ id: string; key: string }[]> {
  const lists = KEYS.map(async (key) => {
    const { json } = await stack.call("/api/jobs?limit=100&status=queued", { key });
    return json.data.map(({ id }: { id: string }) => ({ id, key }));
  });
  return (await Promise.all(lists)).flat();
}

it("120 bodies of 1 MB at once: the rest is answered 503 with Retry-After, and memory stays bounded", {
  tags: ["long"],
}, async () => {
  const { host: pids } = stack.processes();
  const each = `{"a":"${"x".repeat(BODY_BYTES / VALUES - 9)}"}`;
  const text = `{"model":"gpt-sim","messages":[],"x":[${`${each},`.repeat(VALUES - 1)}${each}]}`;
  // Nothing that is let in leaves: each client waits for a call that begins when the test is over.
  const later = String(Math.floor(Date.now() / 1000) + 3600);
  const answers: { status: number; retryAfter: string | null; code: string }[] = [];
  const calls = Array.from({ length: BODIES }, async (_, n) => {
    const answer = await fetch(`${stack.url}/openai/v1/chat/completions`, {
      ...{ method: "POST", body: text },
      headers: {
        authorization: `Bearer ${KEYS[n % 2]}`,
        "content-type": "application/json",
        "x-switchyard-not-before": later,
      },
    });
    const { error } = (await answer.json()) as { error: { code: string } };
    answers.push({ status: answer.status, retryAfter: answer.headers.get("retry-after"), code: error.code });
  });
  await expect
    .poll(async () => (await jobsHeld()).length + answers.length, { timeout: 180_000, interval: 500 })
    .toBeGreaterThanOrEqual(BODIES);
  const refused = [...answers];
  while (answers.length < BODIES) {
    for (const { id, key } of await jobsHeld())
      await stack.call(`/api/jobs/${id}/cancel`, { method: "POST", key });
  }
  await Promise.all(calls);

  const count = (code: string) => answers.filter((answer) => answer.code === code).length;
  // A store that is slow to answer is given up: then another has its place.
  const [held, busy, lost] = [count("job_cancelled"), count("service_busy"), count("store_unavailable")];
  expect(held + busy + lost).toBe(BODIES);
  expect(held + lost).toBeGreaterThanOrEqual(LEAST_HELD);
  expect(held).toBeLessThanOrEqual(MOST_HELD + lost);
  for (const { status, retryAfter } of refused) {
    expect(status).toBe(503);
    expect(Number(retryAfter)).toBeGreaterThan(0);
  }
  expect(Math.max(...pids.map(peakMegabytes))).toBeLessThan(APP_MB + HOST_MB);
});
