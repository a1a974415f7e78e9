import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import OpenAI from "openai";
import { describeMachine } from "./machine.ts";
import { head, row, timed } from "./measure.ts";
import { Stack } from "./stack.ts";

/**
 * `--count N` (1,000) deliveries to one endpoint that answers in 20 ms: alone, beside an endpoint of the same tenant that hangs, and
 * beside one of another tenant's. What a job costs the store with and without an endpoint.
 */
const { values } = parseArgs({ options: { count: { type: "string", default: "1000" } } });
const COUNT = Number(values.count);
const IN_FLIGHT = 32;
const ANSWERS_IN_MS = 20;

let arrived = 0;
let whole = Promise.withResolvers<void>();
const receiver = createServer((request, response) => {
  request.resume();
  if (request.url === "/hangs") return;
  setTimeout(() => {
    response.writeHead(204).end();
    if (++arrived === COUNT) whole.resolve();
  }, ANSWERS_IN_MS);
});
await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
const at = (path: string) => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}${path}`;

const stack = await Stack.start();
const body = JSON.stringify({ body: { model: "gpt-sim", messages: [{ role: "user", content: "Hi" }] } });
const submit = async (key: string) => {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const answer = await fetch(`${stack.url}/api/jobs`, { method: "POST", headers, body });
  await answer.arrayBuffer();
  if (answer.status !== 202) throw new Error(`a submit was answered ${answer.status}`);
};
const endpoint = (apiKey: string, path: string) =>
  new OpenAI({ baseURL: `${stack.url}/v1`, apiKey }).webhooks.create({
    ...{ name: path, url: at(path), event_types: ["job.completed"] as never },
  });
const [mine, others] = ["local-team-a", "local-team-b"] as const;

/** Seconds until all is delivered, from the first submit and from the last, and what the emulators counted a job. */
async function measured(what: string, isTold: boolean, also?: string): Promise<void> {
  arrived = 0;
  whole = Promise.withResolvers();
  const before = await stack.counters();
  const begun = performance.now();
  const submitting = timed(COUNT, IN_FLIGHT, () => submit(mine));
  if (also !== undefined) await timed(COUNT, IN_FLIGHT, () => submit(also));
  const submitted = await submitting;
  if (isTold) await whole.promise;
  else await quiet();
  const seconds = (performance.now() - begun) / 1000;
  const after = await stack.counters();
  const added = (name: RegExp) =>
    Object.keys(after)
      .filter((each) => name.test(each))
      .reduce((sum, each) => sum + (after[each] ?? 0) - (before[each] ?? 0), 0);
  const jobs = also === undefined ? COUNT : 2 * COUNT;
  const told = [/^Cosmos batch$/, /^Service Bus \w+\.ops\.sent$/, /^Cosmos request_units$/].map((name) =>
    (added(name) / jobs).toFixed(2),
  );
  row(what, submitted.toFixed(1), isTold ? seconds.toFixed(1) : "–", ...told);
}

/** Resolves once no job lives any more. */
async function quiet(): Promise<void> {
  const headers = { authorization: "Bearer local-operator" };
  for (;;) {
    const answer = await fetch(`${stack.url}/api/ops/status`, { headers });
    const { backlog, running } = (await answer.json()) as { backlog: { queued: number }; running: number };
    if (backlog.queued + running === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

await describeMachine();
console.log(`${COUNT} jobs of one tenant, a model at 0 ms\n`);
head("jobs", "submitted, s", "all delivered, s", "batches a job", "messages a job", "RU a job");
for (let n = 0; n < 2; n++) await timed(COUNT / 4, IN_FLIGHT, () => submit(mine));
await quiet();
await measured("without an endpoint", false);
await endpoint(mine, "/takes");
await measured("with one that answers in 20 ms", true);
await endpoint(others, "/hangs");
await measured("… beside another tenant's that hangs, and its 1,000 jobs", true, others);
await endpoint(mine, "/hangs");
await measured("… beside one of the same tenant's that hangs", true);
receiver.closeAllConnections();
receiver.close();
await stack.stop();
