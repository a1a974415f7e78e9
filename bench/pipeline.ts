import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Agent, request } from "undici";
import { cpuMs, head, percentile, row, timed } from "./measure.ts";

/**
 * The whole service as `npm start` runs it, simulated models at 0 ms, one load client in this process: submits a
 * second, jobs a second end to end, added latency, and what a job costs in CPU. Linux only: CPU time is from /proc.
 */
const JOBS = 5_000;
const IN_FLIGHT = 32;
const SEQUENTIAL_JOBS = 200;
const WARM_UP_JOBS = 500;

const root = path.resolve(import.meta.dirname, "..");
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-bench-"));
const connections = new Agent({ connections: IN_FLIGHT });
const headers = { authorization: "Bearer local-team-a", "content-type": "application/json" };
const envelope = (n: number) =>
  JSON.stringify({
    body: { model: "gpt-sim", messages: [{ role: "user", content: `Say the number ${n}.` }] },
  });

const { child, url } = await start();
const { host, emulators } = JSON.parse(readFileSync(path.join(folder, "processes.json"), "utf8")) as {
  host: number[];
  emulators: number;
};
try {
  await timed(WARM_UP_JOBS, IN_FLIGHT, wholeJob);

  head("measure", "value");
  const submitSeconds = await timed(JOBS, IN_FLIGHT, submit);
  row("submits a second, 32 in flight", Math.round(JOBS / submitSeconds));
  await drained();

  const countedBefore = await counters();
  const before = { app: appCpu(), emulators: cpuMs(emulators), own: cpuMs(process.pid) };
  const seconds = await timed(JOBS, IN_FLIGHT, wholeJob);
  row(`jobs a second end to end, ${JOBS} jobs`, Math.round(JOBS / seconds));
  row("app CPU ms a job", ((appCpu() - before.app) / JOBS).toFixed(2));
  row("emulators CPU ms a job", ((cpuMs(emulators) - before.emulators) / JOBS).toFixed(2));
  row("load client CPU ms a job", ((cpuMs(process.pid) - before.own) / JOBS).toFixed(2));

  const counted = await counters();
  for (const [name, value] of Object.entries(counted)) {
    const each = (value - (countedBefore[name] ?? 0)) / JOBS;
    if (each >= 0.005) row(`${name} a job`, each.toFixed(2));
  }

  const latencies: number[] = [];
  await timed(SEQUENTIAL_JOBS, 1, async (n) => {
    const startedAt = performance.now();
    await wholeJob(n);
    latencies.push(performance.now() - startedAt);
  });
  latencies.sort((a, b) => a - b);
  row(`added latency p50 ms, ${SEQUENTIAL_JOBS} jobs one by one`, percentile(latencies, 0.5).toFixed(1));
  row("added latency p99 ms", percentile(latencies, 0.99).toFixed(1));
} finally {
  child.kill("SIGTERM");
  await once(child, "exit");
  await connections.close();
  rmSync(folder, { recursive: true });
}

async function start(): Promise<{ child: ChildProcess; url: string }> {
  const ports = { PORT: "0", SERVICEBUS_PORT: "0", COSMOS_PORT: "0", MODEL_ENDPOINTS_PORT: "0" };
  const started = spawn(
    process.execPath,
    [path.join(root, "dist/local/start.js"), ...process.argv.slice(2)],
    {
      cwd: root,
      env: { ...process.env, ...ports, DATA_DIR: folder, MODEL_LATENCY_SCALE: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let output = "";
  const found = await new Promise<string>((resolve, reject) => {
    started.stdout?.on("data", (chunk: Buffer) => {
      output += output.length < 10_000 ? chunk.toString() : "";
      const ready = /^ready (\S+)$/m.exec(output)?.[1];
      if (ready !== undefined) resolve(ready);
    });
    started.once("exit", (code) => reject(new Error(`the service ended with ${code}`)));
  });
  return { child: started, url: found };
}

/** What the emulators counted: Cosmos operations and estimated request units, Service Bus operations. */
async function counters(): Promise<Record<string, number>> {
  const { control } = JSON.parse(readFileSync(path.join(folder, "emulators.json"), "utf8")) as {
    control: string;
  };
  const { cosmos, service_bus } = (await (await fetch(control)).json()) as Record<
    string,
    Record<string, number>
  >;
  const named = (prefix: string, from: Record<string, number> = {}) =>
    Object.entries(from).map(([name, value]) => [`${prefix} ${name}`, value] as const);
  return Object.fromEntries([...named("Cosmos", cosmos), ...named("Service Bus", service_bus)]);
}

function appCpu(): number {
  return host.reduce((sum, pid) => sum + cpuMs(pid), 0);
}

async function submit(n: number): Promise<string> {
  const answer = await request(`${url}/api/jobs`, {
    method: "POST",
    headers,
    body: envelope(n),
    dispatcher: connections,
  });
  const job = (await answer.body.json()) as { id: string };
  if (answer.statusCode !== 202) throw new Error(`submit was answered ${answer.statusCode}`);
  return job.id;
}

/** Submits, and waits until the result is seen. */
async function wholeJob(n: number): Promise<void> {
  const id = await submit(n);
  for (;;) {
    const answer = await request(`${url}/api/jobs/${id}`, {
      headers: { ...headers, prefer: "wait=30" },
      dispatcher: connections,
    });
    const { status } = (await answer.body.json()) as { status: string };
    if (status === "completed") return;
    if (status !== "queued" && status !== "in_progress") throw new Error(`${id} is ${status}`);
  }
}

/** Until no job is left that has not ended. */
async function drained(): Promise<void> {
  for (const status of ["queued", "in_progress"]) {
    for (;;) {
      const answer = await request(`${url}/api/jobs?status=${status}&limit=1`, {
        headers,
        dispatcher: connections,
      });
      const { data } = (await answer.body.json()) as { data: unknown[] };
      if (data.length === 0) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
