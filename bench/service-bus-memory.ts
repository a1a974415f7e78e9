import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ServiceBusClient } from "@azure/service-bus";
import { queueSettings } from "../local/service-bus/queue-settings.ts";
import { startServiceBus } from "../local/service-bus/server.ts";
import { cpuMs, head, row } from "./measure.ts";

/**
 * `npm run bench -- service-bus-memory [messages]`: so many messages (1,000,000) sent in batches, received and
 * completed, through a server in a process of its own. Its memory after each tenth must not grow; then its CPU when
 * nothing happens.
 */
const MESSAGES = Number(process.argv[2] ?? 1_000_000);
const ROUNDS = 10;
const BATCH = 200;
const CONCURRENT = 256;
const IDLE_SECONDS = 20;
const MB = 1_048_576;
const BODY = { v: 1, job_id: "j".repeat(36), tenant_id: "team-a" };

async function serve(databaseFile: string): Promise<void> {
  const server = await startServiceBus({ port: 0, databaseFile, queues: [queueSettings("bench")] });
  process.send?.({ port: server.port });
  process.on("message", () => {
    const { rss, heapUsed } = process.memoryUsage();
    process.send?.({ rss, heapUsed, counters: server.counters() });
  });
  process.on("disconnect", () => server.close().then(() => process.exit(0)));
}

interface Report {
  readonly port?: number;
  readonly rss?: number;
  readonly heapUsed?: number;
  readonly counters?: Record<string, number>;
}

const heard = (child: ChildProcess) =>
  new Promise<Report>((resolve) => child.once("message", resolve as (report: unknown) => void));

async function through(client: ServiceBusClient, count: number): Promise<void> {
  const receiver = client.createReceiver("bench");
  let left = count;
  const received = new Promise<void>((resolve, reject) => {
    receiver.subscribe(
      {
        processMessage: async (message) => {
          await receiver.completeMessage(message);
          if (--left === 0) resolve();
        },
        processError: async ({ error }) => reject(error),
      },
      { autoCompleteMessages: false, maxConcurrentCalls: CONCURRENT },
    );
  });
  const sender = client.createSender("bench");
  for (let sent = 0; sent < count; sent += BATCH) {
    await sender.sendMessages(Array.from({ length: BATCH }, () => ({ body: BODY })));
  }
  await received;
  await receiver.close();
  await sender.close();
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-bench-"));
  const child = fork(fileURLToPath(import.meta.url), [], {
    env: { ...process.env, BENCH_SERVER_FILE: join(folder, "service-bus.db") },
  });
  const { port } = await heard(child);
  const client = new ServiceBusClient(
    `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=bench;SharedAccessKey=key;UseDevelopmentEmulator=true;`,
  );
  head("messages so far", "resident, MB", "heap, MB", "left in the queue");
  for (let round = 1; round <= ROUNDS; round++) {
    await through(client, MESSAGES / ROUNDS);
    const report = heard(child);
    child.send("report");
    const { rss = 0, heapUsed = 0, counters = {} } = await report;
    const left = (counters["bench.ready"] ?? 0) + (counters["bench.locked"] ?? 0);
    row((round * MESSAGES) / ROUNDS, (rss / MB).toFixed(0), (heapUsed / MB).toFixed(0), left);
  }
  await client.close();
  const before = cpuMs(child.pid ?? 0);
  await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1_000));
  const idle = (cpuMs(child.pid ?? 0) - before) / (IDLE_SECONDS * 10);
  console.log(`\nidle for ${IDLE_SECONDS} s: ${idle.toFixed(2)} % of one core`);
  child.disconnect();
  await new Promise((resolve) => child.once("exit", resolve));
  rmSync(folder, { recursive: true });
}

const { BENCH_SERVER_FILE } = process.env;
if (process.send !== undefined && BENCH_SERVER_FILE !== undefined) await serve(BENCH_SERVER_FILE);
else await main();
