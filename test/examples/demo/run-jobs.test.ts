import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { connect } from "../../../examples/demo/api.ts";
import type { ProgressState } from "../../../examples/demo/progress.ts";
import { runJobs } from "../../../examples/demo/run-jobs.ts";
import { job, outcome } from "./outcomes.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A service that answers each request by its method and path. */
async function service(answer: (key: string, req: IncomingMessage) => [number, unknown]): Promise<string> {
  const server = createServer((req, res) => {
    req.resume().on("end", () => {
      const [status, body] = answer(`${req.method} ${req.url}`, req);
      res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it("submits each prompt to each lab under its own key, and waits until all have ended", async () => {
  const seen: string[] = [];
  let polls = 0;
  const base = await service((key, req) => {
    if (key === "POST /api/jobs") {
      seen.push(`${req.headers["idempotency-key"]} by ${req.headers.authorization}`);
      // The first answer is lost on the way: the same submit comes again.
      if (seen.length === 1) return [503, {}];
      return [202, job({ status: "queued", response: null })];
    }
    if (key.endsWith("/audit")) return [200, { data: outcome().audit }];
    expect(req.headers.prefer).toMatch(/^wait=\d+$/);
    return [200, job(polls++ === 0 ? { status: "in_progress", response: null } : {})];
  });
  const api = connect(base, "local-team-a", AbortSignal.timeout(10_000));
  const states: ProgressState[] = [];
  const { prompt } = outcome();
  const labs = [
    { name: "openai", model: "gpt-sim" },
    { name: "xai", model: "grok-sim" },
  ];
  const outcomes = await runJobs(
    api,
    [prompt],
    labs,
    () => 0,
    (state) => states.push(state),
  );
  expect(outcomes.map(({ lab, job: ended }) => [lab, ended.status])).toEqual([
    ["openai", "completed"],
    ["xai", "completed"],
  ]);
  expect(outcomes[0]?.audit).toHaveLength(3);
  const keys = ["gpt-sim", "grok-sim"].map((model) => `demo/summarise-pride/${model} by Bearer local-team-a`);
  expect(new Set(seen)).toEqual(new Set(keys));
  expect(seen).toHaveLength(3);
  expect(states.at(-1)).toEqual({
    submitted: 2,
    ended: 2,
    total: 2,
    byLab: [
      ["openai", 1],
      ["xai", 1],
    ],
    elapsedMs: 0,
  });
});

it("ends at once when the service refuses", async () => {
  const base = await service(() => [401, { code: "unauthorized" }]);
  const api = connect(base, "wrong", AbortSignal.timeout(10_000));
  await expect(api.models()).rejects.toThrow('GET /api/models: 401 {"code":"unauthorized"}');
});

it("ends with the reason it was told to end for", async () => {
  const ending = new AbortController();
  const base = await service((key) => {
    ending.abort(new Error("Ended by SIGINT."));
    return [200, key];
  });
  await expect(connect(base, "k", ending.signal).models()).rejects.toThrow("Ended by SIGINT.");
});
