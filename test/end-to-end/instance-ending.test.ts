import { afterAll, describe, expect, it } from "vitest";
import { chat, Stack } from "./stack.ts";

/** An instance that hands nothing back is found by a lease that is over, and not within this time. */
const NEVER_FOUND = { LEASE_SECONDS: "60", SWEEP_SECONDS: "60" };
const JOBS = 8;
/** Within 2 s by the clock of an idle machine (test/shared/job/run/instance-ending.test.ts); this one may be busy. */
const AGAIN_SECONDS = 15;

/** Connections to a host that ends are closed; a client that keeps them must be ready to ask again. */
const ANEW = { headers: { connection: "close" } };

interface Entry {
  readonly event: string;
  readonly reason: string | null;
  readonly at: number;
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
      const { json } = await stack.ended(id, ANEW);
      expect(json.status).toBe("completed");
      const trail: Entry[] = (await stack.call(`/api/jobs/${id}/audit`, ANEW)).json.data;
      const failed = trail.findIndex(({ event }) => event === "attempt_failed");
      if (failed < 0) continue;
      handedBack++;
      const [before, after] = [trail[failed], trail[failed + 1]];
      expect(before?.reason).toBe("instance_ending");
      expect(after?.event).toBe("attempt_started");
      expect((after?.at ?? 0) - (before?.at ?? 0)).toBeLessThanOrEqual(AGAIN_SECONDS);
    }
    expect(handedBack).toBeGreaterThan(0);
  });
});
