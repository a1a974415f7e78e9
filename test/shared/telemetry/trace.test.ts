import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { submitJob } from "../../../shared/job/intake/submit.ts";
import { StoreUnavailable } from "../../../shared/store.ts";
import { openTelemetryOf } from "../../../shared/telemetry/open-telemetry.ts";
import type { Telemetry } from "../../../shared/telemetry/telemetry.ts";
import { submission } from "../job/samples.ts";
import { answer, completion, silence } from "../labs.ts";
import { GRACE_MS, silent, TestClock, World } from "../world.ts";

const world = await World.open();
afterAll(() => world.close());
const { clock, labs, nudges, releases } = world;

const exporter = new InMemorySpanExporter();
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
let reader: PeriodicExportingMetricReader;
let draws: number[] = [];
let ids = 0;
let telemetry: Telemetry;

beforeEach(() => {
  for (const list of [labs.calls, nudges.sent, releases.sent]) list.length = 0;
  exporter.reset();
  metrics.reset();
  reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 });
  telemetry = openTelemetryOf({
    processor: new SimpleSpanProcessor({ exporter }),
    ...{ reader, share: 0.1, instance: "one" },
    deployment: (name) => world.catalogue.deployment(name),
    random: () => draws.shift() ?? 0,
    randomHex: (bytes) => (++ids).toString(16).padStart(bytes * 2, "a"),
  });
});

const CANARY = "canary-7f3a";
/** All that a tenant and a lab say, in places that must not be told of. */
const said = {
  ...{ model: "both", metadata: { [`${CANARY}-key`]: `${CANARY}-value` } },
  bodyText: `{"model":"both","messages":[{"role":"user","content":"${CANARY}-prompt"}]}`,
};

async function submit(change: { readonly traceparent?: string } = {}) {
  const { service } = world.instance("door", { telemetry });
  const nowMs = clock.now();
  const { job } = await submitJob(
    { ...service.intake, log: silent },
    { ...submission, ...said, deadlineMs: nowMs + 3_600_000, ...change },
    { tenantId: "team-a", actor: `team-a/key:${CANARY}`, idempotencyKey: null },
  );
  const { tenant_id, job_id } = job.value;
  return { job: job.value, nudge: { v: 1, tenant_id, job_id } };
}

const spans = () =>
  exporter
    .getFinishedSpans()
    .toSorted((a, b) => msOf(a.startTime) - msOf(b.startTime) || msOf(a.endTime) - msOf(b.endTime));
const msOf = ([seconds, nanos]: ReadableSpan["startTime"]) => seconds * 1000 + nanos / 1e6;
const named = (name: string) => spans().filter((span) => span.name === name);

/** By name and, where there are some, attributes: the sum of a counter, or how often a histogram was given something. */
async function metric(name: string, attributes: Record<string, string> = {}): Promise<number> {
  metrics.reset();
  await reader.forceFlush();
  const all = metrics
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
  const points = all
    .filter(({ descriptor }) => descriptor.name === name)
    .flatMap(({ dataPoints }): readonly DataPoint<unknown>[] => dataPoints);
  return points
    .filter((point) => Object.entries(attributes).every(([key, value]) => point.attributes[key] === value))
    .reduce((sum, { value }) => sum + (typeof value === "number" ? value : (value as Histogram).count), 0);
}

describe("the trace of a job", () => {
  it("is whole, with a lost worker, a wait and two calls of other workers", async () => {
    // The first worker dies during its call; the second is told to come back later; the third is answered.
    labs.reply(
      "openai-one",
      silence,
      answer(503, { error: { message: `${CANARY} is away` } }),
      answer(200, completion(CANARY)),
    );
    world.catalogue = labs.catalogue("openai-one");
    const { job, nudge } = await submit();
    expect(job.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);

    // Its clock stands still, so it renews nothing: to all others it is gone.
    const dead = world.instance("dead", { clock: new TestClock(clock.now()), telemetry });
    const called = labs.nextCall();
    const stuck = dead.run(nudge);
    await called;
    const worker = world.instance("worker", { telemetry });
    const startedMs = clock.now();
    for (let rounds = 0; rounds < 2; rounds++) {
      clock.advance(GRACE_MS + 1_000);
      await worker.sweep();
    }
    const foundMs = clock.now();
    await worker.run(releases.of(nudge).at(-1) ?? nudge);
    const waiting = (await world.job(nudge)) as { waiting?: { for: string; until_ms: number } };
    expect(waiting.waiting).toMatchObject({ for: "deployment" });
    clock.advance((waiting.waiting?.until_ms ?? 0) - clock.now());
    await worker.run(nudge);
    const kept = { traceparent: job.traceparent };
    expect(await world.job(nudge)).toMatchObject({ status: "completed", attempts: 3, ...kept });

    const [, traceId, rootId] = job.traceparent?.split("-") ?? [];
    expect(
      spans()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(
      [
        ...["accept", "claim", "chat openai-one-model", "claim", "chat openai-one-model", "wait"],
        ...["claim", "chat openai-one-model", "end", "job"],
      ].sort(),
    );
    for (const span of spans()) {
      expect(span.spanContext().traceId).toBe(traceId);
      if (span.name === "job")
        expect([span.spanContext().spanId, span.parentSpanContext]).toEqual([rootId, undefined]);
      else expect(span.parentSpanContext?.spanId).toBe(rootId);
    }
    expect(new Set(spans().map((span) => span.spanContext().spanId)).size).toBe(spans().length);
    const [lost, failed, answered] = named("chat openai-one-model");
    expect(lost?.attributes).toMatchObject({ "error.type": "worker_lost", "switchyard.attempt": 1 });
    expect([lost?.startTime, lost?.endTime].map((time) => time && msOf(time))).toEqual([startedMs, foundMs]);
    expect(failed?.attributes).toMatchObject({ "switchyard.attempt": 2, "switchyard.outcome": "retry" });
    expect(answered?.attributes).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "openai-one-model",
      "gen_ai.usage.input_tokens": 10,
      "gen_ai.usage.output_tokens": 5,
      "server.address": "127.0.0.1",
      "switchyard.outcome": "completed",
    });
    expect(named("wait")[0]?.attributes).toMatchObject({ "switchyard.wait.reason": "deployment_failing" });
    expect(named("job")[0]?.attributes).toMatchObject({
      "switchyard.status": "completed",
      "switchyard.attempts": 3,
    });
    expect(await metric("switchyard.jobs.accepted", { priority: "standard" })).toBe(1);
    expect(await metric("switchyard.jobs.ended", { status: "completed" })).toBe(1);
    expect(await metric("switchyard.calls", { outcome: "lost" })).toBe(1);
    expect(await metric("switchyard.calls", { outcome: "completed" })).toBe(1);
    expect(await metric("gen_ai.client.operation.duration")).toBe(2);
    expect(await metric("gen_ai.client.token.usage")).toBe(2);
    expect(await metric("switchyard.cost", { currency: "USD" })).toBeGreaterThan(0);
    expect(await metric("switchyard.wait.duration", { reason: "deployment_failing" })).toBe(1);
    dead.running.abort(nudge.job_id, "over");
    await stuck;
  });

  it("has nothing that a tenant or a lab said", async () => {
    labs.reply("openai-one", answer(400, { error: { message: `${CANARY} is not allowed`, code: CANARY } }));
    const { nudge } = await submit();
    await world.instance("worker", { telemetry }).run(nudge);
    expect(await world.job(nudge)).toMatchObject({
      status: "failed",
      error: { message: expect.stringContaining(CANARY) },
    });
    await reader.forceFlush();
    const told = JSON.stringify([
      spans().map(({ name, attributes, status, events }) => ({ name, attributes, status, events })),
      metrics.getMetrics(),
    ]);
    expect(told).toContain("upstream_bad_request");
    expect(told).not.toContain(CANARY);
  });

  it("goes on the caller's, and follows its sampling", async () => {
    const caller = `00-${"c".repeat(32)}-${"d".repeat(16)}-01`;
    labs.reply("openai-one", answer(200, completion("yes")));
    draws = [0.99, 0.99, 0.99];
    const traced = await submit({ traceparent: caller });
    expect(traced.job).toMatchObject({ caller_span_id: "d".repeat(16) });
    expect(traced.job.traceparent).toContain(`00-${"c".repeat(32)}-`);
    await world.instance("worker", { telemetry }).run(traced.nudge);
    expect(named("job")[0]?.parentSpanContext?.spanId).toBe("d".repeat(16));
    for (const traceparent of [
      caller.replace(/01$/, "00"),
      "nonsense",
      `00-${"0".repeat(32)}-${"d".repeat(16)}-01`,
    ])
      expect((await submit({ traceparent })).job.traceparent).toBeUndefined();
    draws = [0.09];
    expect((await submit()).job.traceparent).toBeDefined();
  });

  it("counts jobs that are not traced all the same", async () => {
    draws = [0.5];
    labs.reply("openai-one", answer(200, completion("yes")));
    const { nudge } = await submit();
    await world.instance("worker", { telemetry }).run(nudge);
    expect(spans()).toEqual([]);
    expect(await metric("switchyard.jobs.ended", { status: "completed" })).toBe(1);
  });

  it("has a change whose answer was lost, once it is found stored", async () => {
    labs.reply("openai-one", answer(200, completion("yes")));
    const { nudge } = await submit();
    const { store } = world.ports;
    let writes = 0;
    const losing: typeof store = Object.assign(Object.create(null), {
      ...Object.fromEntries(
        (
          [
            "create",
            "read",
            "readWithRequest",
            "readResponse",
            "readWithResponse",
            "find",
            "list",
            "audit",
            "hasRecord",
          ] as const
        ).map((name) => [name, (...args: never[]) => (store[name] as (...of: never[]) => unknown)(...args)]),
      ),
      write: async (...args: Parameters<typeof store.write>) => {
        const result = await store.write(...args);
        if (++writes === 2) throw new StoreUnavailable("the answer is lost");
        return result;
      },
    });
    await world.instance("worker", { telemetry, store: losing }).run(nudge);
    expect(await world.job(nudge)).toMatchObject({ status: "completed" });
    expect(named("end")).toHaveLength(1);
    expect(await metric("switchyard.jobs.ended")).toBe(1);
  });
});

it("gauges tell of this instance when they are read", async () => {
  const worker = world.instance("worker", { telemetry });
  expect(await metric("switchyard.breaker.open")).toBe(0);
  await worker.sweep();
  clock.advance(7_000);
  expect(await metric("switchyard.sweeper.age")).toBe(7);
  telemetry.charged("jobs", 12.5, false);
  telemetry.charged("jobs", 1, true);
  expect(await metric("switchyard.cosmos.request_units", { container: "jobs" })).toBe(13.5);
  expect(await metric("switchyard.cosmos.throttled")).toBe(1);
});

it("a collector that does not answer holds up no process that is told to end", async () => {
  const stuck: Telemetry = { ...telemetry, flush: () => new Promise(() => undefined) };
  await world.turning(world.instance("ending", { telemetry: stuck }).service.handOver());
});
