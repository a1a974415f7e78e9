import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ask, CHAT, endpoints } from "./endpoints.ts";

it("has counted every call it answered, even if it is killed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "model-endpoints-"));
  const databaseFile = join(folder, "calls.db");
  const child = fork(new URL("./endpoints-process.ts", import.meta.url), [databaseFile], { execArgv: [] });
  try {
    const [{ port }] = (await once(child, "message")) as [{ port: number }];
    let answered = 0;
    const content = "x [[sim:status=503,times=1]]";
    const callers = Array.from({ length: 8 }, async (_, caller) => {
      for (let i = 0; ; i++) {
        const response = await fetch(`http://127.0.0.1:${port}${CHAT}`, {
          method: "POST",
          headers: { "x-switchyard-job": `${caller}` },
          body: JSON.stringify(ask(content)),
        });
        expect(response.status).toBe(i === 0 ? 503 : 200);
        await response.arrayBuffer();
        if (++answered === 200) child.kill("SIGKILL");
      }
    });
    const ends = await Promise.allSettled(callers);
    for (const end of ends)
      expect(end).toMatchObject({ reason: { message: expect.stringMatching(/fetch failed|terminated/) } });

    const { counters, post } = await endpoints({ databaseFile });
    expect(answered).toBeGreaterThanOrEqual(200);
    // Up to one call more of each caller was counted and then not heard of.
    expect(counters().calls).toBeGreaterThanOrEqual(answered);
    expect(counters().calls).toBeLessThanOrEqual(answered + 8);
    // Directives do not begin anew either.
    expect((await post(CHAT, ask(content), { "x-switchyard-job": "0" })).status).toBe(200);
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});
