import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import {
  BatchSpanProcessor,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
} from "@opentelemetry/sdk-trace";
import { type OpenTelemetryDeps, openTelemetryOf } from "./open-telemetry.ts";
import type { Telemetry } from "./telemetry.ts";

type Deps = Omit<OpenTelemetryDeps, "processor" | "reader">;

/** To a collector, by OTLP over HTTP. Where it is, and with which headers, the exporters read from OTEL_… themselves. */
export function toCollector(deps: Deps): Telemetry {
  const processor = new BatchSpanProcessor({ exporter: new OTLPTraceExporter() });
  const reader = new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() });
  return openTelemetryOf({ ...deps, processor, reader });
}

/** Spans alone, each as one JSON object. */
export function toLines(deps: Deps, write: (line: string) => void): Telemetry {
  const exporter: SpanExporter = {
    export(spans, done) {
      for (const span of spans) write(`${JSON.stringify(lineOf(span))}\n`);
      done({ code: 0 });
    },
    shutdown: async () => undefined,
  };
  return openTelemetryOf({ ...deps, processor: new SimpleSpanProcessor({ exporter }) });
}

function lineOf({ name, parentSpanContext, startTime, duration, status, attributes, ...span }: ReadableSpan) {
  const { traceId, spanId } = span.spanContext();
  const ms = ([seconds, nanos]: ReadableSpan["startTime"]) => seconds * 1000 + nanos / 1e6;
  return {
    ...{ span: name, trace_id: traceId, span_id: spanId, parent_span_id: parentSpanContext?.spanId ?? null },
    start: new Date(ms(startTime)).toISOString(),
    duration_ms: ms(duration),
    error: status.message ?? null,
    attributes,
  };
}
