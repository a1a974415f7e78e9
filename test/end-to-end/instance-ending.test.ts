import { afterAll, describe, expect, it } from "vitest";
import { chat, Stack } from "./stack.ts";

/** An instance that hands nothing back is found by a lease that is over, and not within this time. */
const NEVER_FOUND = { LEASE_SECONDS: "300", SWEEP_SECONDS: "300" };
const JOBS = 8;
/** Half a lease: what is called again sooner was handed back, however busy the machine is. */
const AGAIN_SECONDS = 150;

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

  it("hands its running calls back: all complete, no attempt is spent", async () => {
    await stack.start();
    // The first call of each lasts until it is handed back.
    const submitted = Array.from({ length: JOBS }, () => stack.submit(chat("[[sim:hang,times=1]] Slow")));
    const ids = (await Promise.all(submitted)).map(({ json }) => String(json.id));
    const running = async () => (await stack.call("/api/jobs?status=in_progress&limit=100")).json.data.length;
    await expect.poll(running).toBe(JOBS);
    const workers = () => {
      const { host, groups } = stack.processes();
      return groups?.["function:run-job"] ?? host;
    };
    // One after the other, so that somebody is always there to go on.
    for (const pid of workers()) {
      process.kill(pid, "SIGTERM");
      await expect.poll(() => workers().length === 2 && !workers().includes(pid)).toBe(true);
    }
    for (const id of ids) {
      const { json } = await patiently(() => stack.ended(id));
      expect(json.status).toBe("completed");
      const trail: Entry[] = (await patiently(() => stack.call(`/api/jobs/${id}/audit`))).json.data;
      const failures = trail.flatMap(({ event }, n) => (event === "attempt_failed" ? [n] : []));
      expect(failures.length).toBeGreaterThan(0);
      for (const n of failures) {
        expect(trail[n]?.reason).toBe("instance_ending");
        expect(trail[n + 1]?.event).toBe("attempt_started");
        expect((trail[n + 1]?.at ?? 0) - (trail[n]?.at ?? 0)).toBeLessThan(AGAIN_SECONDS);
      }
    }
  });
});
