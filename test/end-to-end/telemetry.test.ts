import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { Stack } from "./stack.ts";

const job = { model: "gpt-sim", messages: [{ role: "user", content: "Hello" }] };
const held = { headers: { prefer: "wait=30" } };

it("npm start -- --telemetry prints the spans of a job, each as one JSON object", {
  tags: ["long"],
}, async () => {
  const stack = new Stack({}, ["--telemetry"]);
  try {
    await stack.start();
    const { json } = await stack.submit(job, held);
    expect(json.status).toBe("completed");
    await stack.stop();
    const spans = stack.output
      .split("\n")
      .filter((line) => line.startsWith('{"span":'))
      .map((line) => JSON.parse(line));
    expect(spans.map(({ span }) => span)).toEqual(["accept", "claim", "chat gpt-sim", "end", "job"]);
    expect(new Set(spans.map(({ trace_id }) => trace_id)).size).toBe(1);
    for (const { attributes } of spans) expect(attributes).toMatchObject({ "switchyard.job.id": json.id });
  } finally {
    await stack.remove();
  }
});

it("sends traces and metrics to a collector, what is left as the process ends too", {
  tags: ["long"],
}, async () => {
  const received: { path: string; body: string }[] = [];
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.push({ path: request.url ?? "", body: Buffer.concat(chunks).toString() });
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  }).listen(0, "127.0.0.1");
  await once(collector, "listening");
  const { port } = collector.address() as AddressInfo;
  const stack = new Stack({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_TRACES_SAMPLER_ARG: "1",
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
  });
  try {
    await stack.start();
    const caller = { traceparent: `00-${"c".repeat(32)}-${"d".repeat(16)}-01` };
    await stack.submit(job, { headers: { ...held.headers, ...caller } });
    // The sweeper's age is known once it has swept.
    const swept = async () => (await stack.call("/api/ops/status", { key: "local-operator" })).json.sweeper;
    await expect.poll(swept).not.toBeNull();
    await stack.stop();
    const told = (path: string) =>
      received
        .filter((each) => each.path === path)
        .map(({ body }) => body)
        .join("\n");
    for (const name of ["accept", "claim", "chat gpt-sim", "end", "job"])
      expect(told("/v1/traces")).toContain(`"name":"${name}"`);
    expect(told("/v1/traces")).toContain(`"traceId":"${"c".repeat(32)}"`);
    expect(told("/v1/traces")).toContain("deployment.environment.name");
    for (const name of ["switchyard.jobs.ended", "switchyard.cosmos.request_units", "switchyard.sweeper.age"])
      expect(told("/v1/metrics")).toContain(`"name":"${name}"`);
  } finally {
    await stack.remove();
    collector.close();
  }
});
