import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { ServiceBusClient, type ServiceBusReceiver, type ServiceBusSender } from "@azure/service-bus";
import { queueSettings } from "../local/service-bus/queue-settings.ts";
import { startServiceBus } from "../local/service-bus/server.ts";
import { head, row } from "./measure.ts";

/**
 * `node bench/service-bus.ts [messages]`: the emulator in a process of its own, the SDK's client here, everything
 * stored on disk. CPU is the server's, in microseconds a message.
 */
const MESSAGES = Number(process.argv[2] ?? 20_000);
/** V8 goes on compiling for some thousand messages: they are gone before anything is measured. */
const WARM_UP = 5_000;
const BODY = { v: 1, job_id: "j".repeat(36), tenant_id: "team-a", padding: "x".repeat(100) };

interface Report {
  readonly port?: number;
  readonly startMs?: number;
  readonly cpuUs?: number;
  readonly rssBytes?: number;
}

async function serve(databaseFile: string): Promise<void> {
  const start = performance.now();
  const server = await startServiceBus({ port: 0, databaseFile, queues: [queueSettings("bench")] });
  process.send?.({ port: server.port, startMs: performance.now() - start });
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuUs: user + system, rssBytes: process.memoryUsage().rss });
  });
  process.on("disconnect", () => server.close().then(() => process.exit(0)));
}

const heard = (child: ChildProcess) =>
  new Promise<Report>((resolve) => child.once("message", resolve as never));

async function usage(child: ChildProcess): Promise<Required<Pick<Report, "cpuUs" | "rssBytes">>> {
  const answer = heard(child);
  child.send("usage");
  const { cpuUs = 0, rssBytes = 0 } = await answer;
  return { cpuUs, rssBytes };
}

async function sendOneByOne(sender: ServiceBusSender, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await sender.sendMessages({ body: BODY });
}

async function sendConcurrently(sender: ServiceBusSender, count: number, width: number): Promise<void> {
  let left = count;
  const work = async () => {
    while (left-- > 0) await sender.sendMessages({ body: BODY });
  };
  await Promise.all(Array.from({ length: width }, work));
}

async function receiveAll(
  receiver: ServiceBusReceiver,
  count: number,
  maxConcurrentCalls: number,
): Promise<void> {
  let left = count;
  await new Promise<void>((resolve, reject) => {
    receiver.subscribe(
      {
        processMessage: async (message) => {
          await receiver.completeMessage(message);
          if (--left === 0) resolve();
        },
        processError: async ({ error }) => reject(error),
      },
      { autoCompleteMessages: false, maxConcurrentCalls },
    );
  });
  await receiver.close();
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-bench-"));
  const child = fork(fileURLToPath(import.meta.url), [], {
    env: { ...process.env, BENCH_SERVER_FILE: join(folder, "service-bus.db") },
  });
  const { port, startMs = 0 } = await heard(child);
  const client = new ServiceBusClient(
    `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=bench;SharedAccessKey=key;UseDevelopmentEmulator=true;`,
  );
  const sender = client.createSender("bench");
  console.log(`Server ready in ${startMs.toFixed(0)} ms; ${MESSAGES} messages a round.\n`);
  head("what", "a second", "CPU us a message", "memory MB");
  const measure = async (what: string, count: number, run: () => Promise<void>) => {
    const before = await usage(child);
    const start = performance.now();
    await run();
    const seconds = (performance.now() - start) / 1_000;
    const after = await usage(child);
    const cpu = (after.cpuUs - before.cpuUs) / count;
    const memoryMb = after.rssBytes / 1_048_576;
    row(what, (count / seconds).toFixed(0), cpu.toFixed(0), memoryMb.toFixed(0));
  };
  for (const width of [16, 64]) {
    await sendConcurrently(sender, WARM_UP, 50);
    await receiveAll(client.createReceiver("bench"), WARM_UP, width);
  }
  // A receiver that stops keeps its prefetched messages locked, so each round empties the queue.
  await measure("send, one by one", MESSAGES / 2, () => sendOneByOne(sender, MESSAGES / 2));
  await measure("receive + complete, 16 concurrent", MESSAGES / 2, () =>
    receiveAll(client.createReceiver("bench"), MESSAGES / 2, 16),
  );
  await measure("send, 50 under way", MESSAGES / 2, () => sendConcurrently(sender, MESSAGES / 2, 50));
  await measure("receive + complete, 64 concurrent", MESSAGES / 2, () =>
    receiveAll(client.createReceiver("bench"), MESSAGES / 2, 64),
  );
  await measure("send 50 and receive 64 at once", MESSAGES, async () => {
    await Promise.all([
      sendConcurrently(sender, MESSAGES, 50),
      receiveAll(client.createReceiver("bench"), MESSAGES, 64),
    ]);
  });
  // One message at a time, there and back on one connection: what a lightly loaded service feels.
  await measure("send and receive, one by one", MESSAGES / 10, async () => {
    const received = receiveAll(client.createReceiver("bench"), MESSAGES / 10, 64);
    await sendOneByOne(sender, MESSAGES / 10);
    await received;
  });
  await client.close();
  child.disconnect();
  await new Promise((resolve) => child.once("exit", resolve));
  rmSync(folder, { recursive: true });
}

const { BENCH_SERVER_FILE } = process.env;
if (process.send !== undefined && BENCH_SERVER_FILE !== undefined) await serve(BENCH_SERVER_FILE);
else await main();
