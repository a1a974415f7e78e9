import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { cpus, loadavg, totalmem } from "node:os";
import OpenAI from "openai";
import { head, row, timed } from "./measure.ts";

/**
 * What this machine can do, at this moment, apart from the project: without it, figures of two machines, or of one at
 * two times, cannot be compared. Alone: `node bench/machine.ts`.
 */
const CALLS = 3_000;
const CALLS_IN_FLIGHT = 16;
const WARM_UP_CALLS = 1_000;
const JS_ROUNDS = 200_000;
const ROUNDS = 3;

/** CPU ms of a fixed piece of plain JavaScript: objects to JSON text and back. The best of some rounds. */
export function plainJavaScriptMs(): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    let length = 0;
    for (let n = 0; n < JS_ROUNDS; n++) {
      const text = JSON.stringify({ id: n, status: "queued", metadata: { a: "b" }, usage: [n, n + 1] });
      length += (JSON.parse(text) as { status: string }).status.length;
    }
    const { user, system } = process.cpuUsage(before);
    if (length > 0) best = Math.min(best, (user + system) / 1000);
  }
  return best;
}

/**
 * The same on every core at once, the mean. A virtual machine's cores may be halves of real ones, and shared with
 * others': alone on one of them nothing is seen of that.
 */
export async function plainJavaScriptOnAllCoresMs(): Promise<number> {
  const one = async () => {
    const child = fork(import.meta.filename, ["--plain"], { execArgv: [] });
    const [ms] = (await once(child, "message")) as [number];
    return ms;
  };
  const all = await Promise.all(cpus().map(one));
  return all.reduce((sum, ms) => sum + ms, 0) / all.length;
}

/** CPU ms of one call of the openai client as it comes, against a bare server in another process. */
export async function openaiCallMs(): Promise<number> {
  const server = fork(import.meta.filename, ["--server"], { execArgv: [] });
  const [port] = (await once(server, "message")) as [number];
  const client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: "none", maxRetries: 0 });
  const call = () =>
    client.chat.completions.create({ model: "m", messages: [{ role: "user", content: "Hello" }] });
  await timed(WARM_UP_CALLS, CALLS_IN_FLIGHT, call);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    await timed(CALLS, CALLS_IN_FLIGHT, call);
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1000 / CALLS);
  }
  server.disconnect();
  await once(server, "exit");
  return best;
}

function serve(): void {
  const message = { role: "assistant", content: "Hello" };
  const answer = JSON.stringify({
    ...{ id: "c", object: "chat.completion", created: 1, model: "m" },
    choices: [{ index: 0, finish_reason: "stop", message }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  });
  // Kept as long as the client lives: one that waits long for its turn must not find its connection closed.
  const server = createServer({ noDelay: true, keepAliveTimeout: 0 }, (request, response) => {
    request.resume().once("end", () => {
      response.writeHead(200, { "content-type": "application/json", "content-length": answer.length });
      response.end(answer);
    });
  });
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
  process.on("disconnect", () => process.exit(0));
}

/** Prints it as a table; answers the openai client's figure, by which the project's own can be judged. */
export async function describeMachine(): Promise<number> {
  const load = loadavg()[0] ?? 0;
  const callMs = await openaiCallMs();
  head("machine", "");
  row("processor", `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`);
  row("memory", `${Math.round(totalmem() / 2 ** 30)} GB`);
  row("Node", process.version);
  row("load average before the run", load.toFixed(1));
  row("fixed plain JavaScript, CPU ms", Math.round(plainJavaScriptMs()));
  row("the same on every core at once", Math.round(await plainJavaScriptOnAllCoresMs()));
  row("one call of the openai client as it comes, CPU ms", callMs.toFixed(2));
  console.log("");
  return callMs;
}

if (process.argv[2] === "--server") serve();
else if (process.argv[2] === "--plain") process.send?.(plainJavaScriptMs());
else if (process.argv[1] === import.meta.filename) await describeMachine();
