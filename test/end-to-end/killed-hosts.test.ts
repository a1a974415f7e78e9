import { afterAll, describe, expect, it } from "vitest";
import { chat, Stack } from "./stack.ts";

const KILLS = 25;
/** Twenty-five in a minute, whoever it hits: a host lives for some five seconds, and starts for one or two of them. */
const EVERY_MS = 60_000 / KILLS;
const JOBS = 600;
const AT_ONCE = 30;
/** The groups of functions that call models. */
const WORKERS = ["function:run-job", "function:run-released-job"];

/** What a client does whose connection dies with a host. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (thrown) {
      if (!(thrown instanceof TypeError)) throw thrown;
    }
  }
}

/** It may have ended since it was listed. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}

describe.each([
  ["two hosts", ["--instances", "2"]],
  ["two processes of each group", ["--split", "--instances", "2"]],
])("workers that die, of %s", { tags: ["long"] }, (_name, layout) => {
  const stack = new Stack({}, layout);
  afterAll(() => stack.remove());

  it("25 kills in a minute on two hosts fail no job", async () => {
    await stack.start();
    const ids: string[] = [];
    while (ids.length < JOBS) {
      const page = Array.from({ length: AT_ONCE }, () => stack.submit(chat("[[sim:latency_ms=4000]] Slow")));
      for (const { json } of await Promise.all(page)) ids.push(json.id);
    }
    const hosts = () => {
      const { host, groups } = stack.processes();
      return groups === undefined ? host : WORKERS.flatMap((group) => groups[group] ?? []);
    };
    const since = new Map<number, number>();
    let killed = 0;
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        for (const pid of hosts()) if (!since.has(pid)) since.set(pid, performance.now());
        const [oldest] = hosts().toSorted((a, b) => (since.get(a) ?? 0) - (since.get(b) ?? 0));
        if (oldest === undefined) return;
        kill(oldest);
        killed++;
        if (killed < KILLS) return;
        clearInterval(timer);
        resolve();
      }, EVERY_MS);
    });
    // Where processes start so slowly that none lived to call anybody, one kill more waits until one does.
    const running = async () =>
      (await patiently(() => stack.call("/api/ops/status", { key: "local-operator" }))).json.running;
    await expect.poll(running).toBeGreaterThan(0);
    for (const pid of hosts()) kill(pid);
    let lost = 0;
    for (const id of ids) {
      const { json } = await patiently(() => stack.ended(id));
      expect([id, json.status, json.error]).toEqual([id, "completed", null]);
      const { data } = (await patiently(() => stack.call(`/api/jobs/${id}/audit`))).json;
      lost += data.filter(({ event }: { event: string }) => event === "attempt_lost").length;
    }
    // The kills have met calls, and not only processes.
    expect(lost).toBeGreaterThan(0);
  });
});
