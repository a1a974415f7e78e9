import { afterAll, describe, expect, it } from "vitest";
import { chat, Stack } from "./stack.ts";

/** An instance that hands nothing back is found by a lease that is over, and not within this time. */
const NEVER_FOUND = { LEASE_SECONDS: "60", SWEEP_SECONDS: "60" };
const JOBS = 8;
/** Half a lease: what is called again sooner was handed back, however busy the machine is. */
const AGAIN_SECONDS = 30;

interface Entry {
  readonly event: string;
  readonly reason: string | null;
  readonly at: number;
}

/** A connection may be one of those that the ending host closes: as any client would, it is tried again. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (thrown) {
      if (!(thrown instanceof TypeError) || tries === 3) throw thrown;
    }
  }
}

describe.each([
  ["two hosts", ["--instances", "2"]],
  ["two processes of each group", ["--split", "--instances", "2"]],
])("an instance that is told to end, of %s", { tags: ["long"] }, (_name, layout) => {
  const stack = new Stack({ ...NEVER_FOUND, DRAIN_SECONDS: "3" }, layout);
  afterAll(() => stack.remove());

  it("hands its running calls back: all complete, no attempt is spent", { timeout: 240_000 }, async () => {
    await stack.start();
    const submitted = Array.from({ length: JOBS }, () => stack.submit(chat("[[sim:latency_ms=4000]] Slow")));
    const ids = (await Promise.all(submitted)).map(({ json }) => String(json.id));
    const running = async () => (await stack.call("/api/jobs?status=in_progress&limit=100")).json.data.length;
    await expect.poll(running, { timeout: 60_000 }).toBeGreaterThan(JOBS / 2);
    const { host, groups } = stack.processes();
    const workers = groups?.["function:run-job"] ?? host;
    process.kill(workers[0] ?? 0, "SIGTERM");
    let handedBack = 0;
    for (const id of ids) {
      const { json } = await patiently(() => stack.ended(id));
      expect(json.status).toBe("completed");
      const trail: Entry[] = (await patiently(() => stack.call(`/api/jobs/${id}/audit`))).json.data;
      const failed = trail.findIndex(({ event }) => event === "attempt_failed");
      if (failed < 0) continue;
      handedBack++;
      const [before, after] = [trail[failed], trail[failed + 1]];
      expect(before?.reason).toBe("instance_ending");
      expect(after?.event).toBe("attempt_started");
      expect((after?.at ?? 0) - (before?.at ?? 0)).toBeLessThan(AGAIN_SECONDS);
    }
    expect(handedBack).toBeGreaterThan(0);
  });
});
