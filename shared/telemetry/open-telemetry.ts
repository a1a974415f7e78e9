import { type ObservableCounter, SpanKind, SpanStatusCode, TraceFlags, ValueType } from "@opentelemetry/api";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, type MetricReader } from "@opentelemetry/sdk-metrics";
import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace";
import type { Job } from "../job/job.ts";
import { METRICS, type MetricName } from "./names.ts";
import { type CalledDeployment, jobAttributes, type ToldSpan, taleOf } from "./tale.ts";
import { type Change, GAUGES, type Telemetry } from "./telemetry.ts";

export interface OpenTelemetryDeps {
  readonly processor: SpanProcessor;
  /** Absent: metrics are not exported. */
  readonly reader?: MetricReader;
  /** The share of jobs that are traced, of those whose caller says nothing: 0 to 1. */
  readonly share: number;
  readonly instance: string;
  readonly deployment: (name: string) => CalledDeployment;
  readonly random: () => number;
  readonly randomHex: (bytes: number) => string;
}

/** https://www.w3.org/TR/trace-context/#traceparent-header, whose later versions begin as the first does. */
const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

const SCOPE = { name: "switchyard" };

/** Telemetry by OpenTelemetry. Spans are handed over whole, after they ended: none is lost with a worker that dies. */
export function openTelemetryOf(deps: OpenTelemetryDeps): Telemetry {
  const { processor, reader, randomHex } = deps;
  const resource = resourceFromAttributes({
    "service.name": "switchyard",
    "service.instance.id": deps.instance,
  }).merge(detectResources({ detectors: [envDetector] }));
  const provider = new MeterProvider({ resource, readers: reader === undefined ? [] : [reader] });
  const meter = provider.getMeter(SCOPE.name);
  const instruments = Object.fromEntries(
    Object.entries(METRICS).map(([name, metric]) => {
      const { unit } = metric;
      if (!("buckets" in metric))
        return [name, sumsOf(meter.createObservableCounter(name, { unit, valueType: ValueType.DOUBLE }))];
      const advice = { explicitBucketBoundaries: [...metric.buckets] };
      const histogram = meter.createHistogram(name, { unit, advice });
      return [name, histogram.record.bind(histogram)];
    }),
  ) as Record<MetricName, (value: number, attributes: Record<string, string>) => void>;

  const tell = (told: ToldSpan, job: Job) => {
    const [, traceId = "", rootId = ""] = TRACEPARENT.exec(job.traceparent ?? "") ?? [];
    if (traceId === "") return;
    const of = (spanId: string) => ({ traceId, spanId, traceFlags: TraceFlags.SAMPLED });
    const parentId = told.isRoot === true ? job.caller_span_id : rootId;
    const context = of(told.isRoot === true ? rootId : randomHex(8));
    const { error } = told;
    const span: ReadableSpan = {
      name: told.name,
      kind: told.isCall === true ? SpanKind.CLIENT : SpanKind.INTERNAL,
      spanContext: () => context,
      ...(parentId === undefined ? {} : { parentSpanContext: { ...of(parentId), isRemote: true } }),
      startTime: timeOf(told.startMs),
      endTime: timeOf(told.endMs),
      duration: timeOf(told.endMs - told.startMs),
      status:
        error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
      attributes: {
        ...jobAttributes(job),
        ...told.attributes,
        ...(error === undefined ? {} : { "error.type": error }),
      } as ReadableSpan["attributes"],
      ...{ links: [], events: [], ended: true, resource, instrumentationScope: SCOPE },
      ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
    };
    processor.onEnd(span);
  };

  return {
    begin(caller) {
      const [, callersTrace, callersSpan, flags = "00"] = TRACEPARENT.exec(caller ?? "") ?? [];
      const isSampled =
        callersTrace === undefined ? deps.random() < deps.share : (Number.parseInt(flags, 16) & 1) === 1;
      if (!isSampled) return {};
      return {
        traceparent: `00-${callersTrace ?? randomHex(16)}-${randomHex(8)}-01`,
        ...(callersSpan === undefined ? {} : { caller_span_id: callersSpan }),
      };
    },
    changed(change: Change) {
      const { spans, measures } = taleOf(change, deps.deployment);
      if (change.job.traceparent !== undefined) for (const span of spans) tell(span(), change.job);
      for (const { name, value, attributes } of measures) instruments[name](value, attributes);
    },
    charged(container, requestUnits, isThrottled) {
      instruments["switchyard.cosmos.request_units"](requestUnits, { container });
      if (isThrottled) instruments["switchyard.cosmos.throttled"](1, { container });
    },
    gauge(name, read) {
      meter.createObservableGauge(name, { description: GAUGES[name] }).addCallback((result) => {
        for (const { value, attributes } of read()) result.observe(value, attributes);
      });
    },
    flush: async () => void (await Promise.allSettled([processor.forceFlush(), provider.forceFlush()])),
  };
}

/** Adds up here what is asked for as it is exported: a counter of the SDK hashes all attributes at each call. */
function sumsOf(counter: ObservableCounter): (value: number, attributes: Record<string, string>) => void {
  const sums = new Map<string, { value: number; readonly attributes: Record<string, string> }>();
  counter.addCallback((result) => {
    for (const { value, attributes } of sums.values()) result.observe(value, attributes);
  });
  return (value, attributes) => {
    const key = Object.values(attributes).join("\n");
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { value, attributes });
    else sum.value += value;
  };
}

/** Seconds and nanoseconds. */
const timeOf = (ms: number): [number, number] => [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)];
