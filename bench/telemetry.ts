import { spawn } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { end } from "../shared/job/ending/end.ts";
import { acceptJob } from "../shared/job/intake/accept.ts";
import { type Draft, draftOf, startAttempt } from "../shared/job/life-cycle.ts";
import { startTelemetry } from "../shared/telemetry/start.ts";
import { noTelemetry, type Telemetry } from "../shared/telemetry/telemetry.ts";
import { LoadClient } from "./load-client.ts";
import { describeMachine } from "./machine.ts";
import { head, median, row, timed } from "./measure.ts";
import { Stack } from "./stack.ts";

/**
 * What telemetry costs where it is on. First what a job's three changes cost to tell, exports included, in this process
 * alone. With --stack also the whole service in turns: without it, and with a share of jobs traced. The collector is a
 * process of its own, whose CPU is not counted. What telemetry costs where it is off, `npm run bench -- turns --against
 * FOLDER` tells, beside a build that has none.
 */
const { values } = parseArgs({
  options: {
    stack: { type: "boolean", default: false },
    rounds: { type: "string", default: "8" },
    jobs: { type: "string", default: "1000" },
    "warm-up": { type: "string", default: "5000" },
  },
});
const ROUNDS = Number(values.rounds);
const JOBS = Number(values.jobs);
const WARM_UP_JOBS = Number(values["warm-up"]);
const IN_FLIGHT = 64;
const NOW_MS = Date.now();
/** Of the first part: how many jobs are told of in a round. */
const TOLD_JOBS = 2_000;
/** So many spans are sent before more come than are kept. */
const JOBS_A_FLUSH = 400;

const COLLECTOR = `require("node:http").createServer({ keepAliveTimeout: 0 }, (request, response) => {
  request.resume().on("end", () => response.writeHead(200, { "content-type": "application/json" }).end("{}"));
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });`;

await describeMachine();
const collector = spawn(process.execPath, ["-e", COLLECTOR], { stdio: ["ignore", "pipe", "inherit"] });
const [port] = (await once(collector.stdout, "data")) as [Buffer];
const endpoint = `http://127.0.0.1:${port.toString().trim()}`;
process.env.OTEL_EXPORTER_OTLP_ENDPOINT = endpoint;
try {
  await telling();
  if (values.stack) await inTheService();
} finally {
  collector.kill();
}

async function telling(): Promise<void> {
  let ids = 0;
  const randomHex = (bytes: number) => (++ids).toString(16).padStart(bytes * 2, "a");
  const deployment = () => ({
    model: "gpt-sim",
    base_url: "https://resource.services.ai.azure.com/openai/v1",
  });
  head("telemetry", "CPU µs a job to tell of it");
  const kinds: [string, Telemetry][] = [["off", noTelemetry]];
  for (const share of [0, 0.1, 1]) {
    const deps = { instance: "bench", random: Math.random, randomHex, deployment };
    const name = share === 0 ? "metrics alone" : `${share * 100} % of jobs traced`;
    kinds.push([name, await startTelemetry({ to: "collector", share }, deps)]);
  }
  for (const [name, telemetry] of kinds) {
    const spent: number[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const jobs = Array.from({ length: TOLD_JOBS }, (_, n) => changesOf(telemetry, n));
      const before = process.cpuUsage();
      for (const [n, changes] of jobs.entries()) {
        for (const change of changes) {
          const { job, records, from = job } = change;
          telemetry.changed({ job, records, from, decidedMs: NOW_MS, storedMs: NOW_MS + 3 });
          telemetry.charged("jobs", 18.05, false);
        }
        if ((n + 1) % JOBS_A_FLUSH === 0) await telemetry.flush();
      }
      const { user, system } = process.cpuUsage(before);
      if (round > 0) spent.push((user + system) / TOLD_JOBS);
    }
    row(name, median(spent).toFixed(1));
  }
}

/** The straight path: accepted, claimed, completed. */
function changesOf(telemetry: Telemetry, n: number): Draft[] {
  const trace = telemetry.begin(undefined);
  const accepted = acceptJob(
    {
      ...{ endpoint: "/v1/chat/completions", model: "gpt-sim", bodyText: "{}", priority: "standard" },
      ...{ metadata: {}, notBeforeMs: null, deadlineMs: NOW_MS + 86_400_000, envelopeSha256: "e".repeat(64) },
    },
    {
      ...{ tenantId: "team-a", jobId: `job_${String(n).padStart(32, "0")}`, actor: "team-a/key:1f2e3d4c" },
      ...{ nowMs: NOW_MS, nudgeGraceMs: 20_000, trace, retention: { contentDays: 30, auditDays: 0 } },
    },
  );
  const claimed = startAttempt(draftOf(accepted.job), {
    ...{ claimId: "claim", requestSha256: "b".repeat(64), leaseSeconds: 20, reason: null },
    deployment: { name: "gpt-sim-local", provider: "openai", simulated: true },
    ...{ nowMs: NOW_MS, actor: "worker:bench" },
  });
  const usage = { input_tokens: 19, output_tokens: 10, total_tokens: 29 };
  const cost = { amount: "0.000118", currency: "USD" };
  const call = { outcome: "completed", usage, cost, latencyMs: 812, responseSha256: "c".repeat(64) };
  const ending = { status: "completed", nowMs: NOW_MS, actor: "worker:bench", call } as const;
  return [accepted, claimed, end(draftOf(claimed.job), ending)];
}

async function inTheService(): Promise<void> {
  const sides: { name: string; stack: Stack; client: LoadClient; cpuMs: number[] }[] = [];
  try {
    for (const share of [undefined, "0.1", "1"]) {
      const on = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: share ?? "" };
      const stack = await Stack.start({
        env: share === undefined ? { OTEL_EXPORTER_OTLP_ENDPOINT: "" } : on,
      });
      const name = share === undefined ? "off" : `${Number(share) * 100} % of jobs traced`;
      sides.push({ name, stack, client: new LoadClient(stack.url, IN_FLIGHT), cpuMs: [] });
    }
    for (const { name, client } of sides) {
      process.stderr.write(`warm-up of "${name}"\n`);
      await timed(WARM_UP_JOBS, IN_FLIGHT, (n) => client.heldJob(n));
    }
    for (let n = 1; n <= ROUNDS; n++) {
      for (const side of n % 2 === 0 ? sides.toReversed() : sides) {
        const before = side.stack.cpu();
        await timed(JOBS, IN_FLIGHT, (job) => side.client.heldJob(job));
        side.cpuMs.push((side.stack.cpu().app - before.app) / JOBS);
      }
      process.stderr.write(`round ${n} of ${ROUNDS}\n`);
    }
    console.log();
    head("telemetry", "CPU ms a job: app", "ratio");
    const off = median(sides[0]?.cpuMs ?? []);
    for (const { name, cpuMs } of sides)
      row(name, median(cpuMs).toFixed(3), (median(cpuMs) / off).toFixed(3));
  } finally {
    for (const { client, stack } of sides) {
      client.close();
      await stack.stop();
    }
  }
}
