import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { LoadClient } from "./load-client.ts";
import { describeMachine } from "./machine.ts";
import { head, median, row, timed } from "./measure.ts";
import { Stack } from "./stack.ts";

/**
 * What telemetry costs when it is on: one build without it, and with a share of jobs traced, in turns. Spans and metrics go
 * to a collector in this process, whose CPU is not counted. What it costs when it is off, `npm run bench -- turns
 * --against FOLDER` tells, beside a build that has none.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "8" },
    jobs: { type: "string", default: "2000" },
    "warm-up": { type: "string", default: "20000" },
  },
});
const ROUNDS = Number(values.rounds);
const JOBS = Number(values.jobs);
const IN_FLIGHT = 64;

await describeMachine();
let exports = 0;
let exportedBytes = 0;
const collector = createServer((request, response) => {
  request.on("data", (chunk: Buffer) => {
    exportedBytes += chunk.length;
  });
  request.on("end", () => {
    exports++;
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
}).listen(0, "127.0.0.1");
await once(collector, "listening");
const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;

interface Side {
  readonly name: string;
  readonly stack: Stack;
  readonly client: LoadClient;
  readonly cpuMs: number[];
}
const sides: Side[] = [];
try {
  for (const share of [undefined, "0.1", "1"]) {
    const env =
      share === undefined ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: share };
    const stack = await Stack.start({ env });
    const name = share === undefined ? "off" : `${Number(share) * 100} % of jobs traced`;
    sides.push({ name, stack, client: new LoadClient(stack.url, IN_FLIGHT), cpuMs: [] });
  }
  for (const { client } of sides) await timed(Number(values["warm-up"]), IN_FLIGHT, (n) => client.heldJob(n));
  for (let n = 1; n <= ROUNDS; n++) {
    for (const side of n % 2 === 0 ? sides.toReversed() : sides) {
      const before = side.stack.cpu();
      await timed(JOBS, IN_FLIGHT, (job) => side.client.heldJob(job));
      side.cpuMs.push((side.stack.cpu().app - before.app) / JOBS);
    }
    process.stderr.write(`round ${n} of ${ROUNDS}\n`);
  }
  head("telemetry", "CPU ms a job: app", "ratio");
  const off = median(sides[0]?.cpuMs ?? []);
  for (const { name, cpuMs } of sides) row(name, median(cpuMs).toFixed(3), (median(cpuMs) / off).toFixed(3));
  console.log(`\n${exports} exports, ${(exportedBytes / 1e6).toFixed(1)} MB.`);
} finally {
  for (const { client, stack } of sides) {
    client.close();
    await stack.stop();
  }
  collector.close();
}
