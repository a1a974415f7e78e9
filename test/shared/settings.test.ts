import { expect, it } from "vitest";
import { parseSettings } from "../../shared/settings.ts";

it("calls two processes of one instance by two names, so that each hears what the other reports", () => {
  const environment = {
    SERVICEBUS: "Endpoint=sb://x;SharedAccessKey=k",
    COSMOS: "AccountEndpoint=https://x;AccountKey=k",
  };
  let count = 0;
  const nameOf = (platforms: object) => {
    const parsed = parseSettings({ ...environment, ...platforms }, () => `${count++}`.padEnd(8, "0"));
    if ("faults" in parsed) throw new Error(parsed.faults.join());
    return parsed.settings.instance;
  };
  for (const platforms of [
    { WEBSITE_INSTANCE_ID: "0123456789abcdef" },
    { WEBSITE_POD_NAME: "0123456789abcdef" },
    { CONTAINER_NAME: "0123456789abcdef" },
  ]) {
    const names = [nameOf(platforms), nameOf(platforms)];
    expect(new Set(names).size).toBe(2);
    for (const name of names) expect(name).toMatch(/^456789abcdef-\w{4}$/);
  }
});

it.each([
  [{}, { to: "nowhere", share: 0.1 }],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "" }, { to: "nowhere", share: 0.1 }],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" }, { to: "collector", share: 0.1 }],
  [
    { OTEL_TRACES_EXPORTER: "console", OTEL_TRACES_SAMPLER_ARG: "1" },
    { to: "lines", share: 1 },
  ],
  [
    { OTEL_TRACES_EXPORTER: "otlp", OTEL_TRACES_SAMPLER_ARG: "0.025" },
    { to: "nowhere", share: 0.025 },
  ],
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: "http://x", OTEL_SDK_DISABLED: "TRUE" },
    { to: "nowhere", share: 0.1 },
  ],
])("telemetry goes where OpenTelemetry's own settings say: %j", (settings, expected) => {
  const environment = {
    SERVICEBUS: "Endpoint=sb://x;SharedAccessKey=k",
    COSMOS: "AccountEndpoint=https://x;AccountKey=k",
  };
  const parsed = parseSettings({ ...environment, ...settings }, () => "aaaaaaaa");
  expect("settings" in parsed && parsed.settings.telemetry).toEqual(expected);
  const wrong = { ...environment, ...settings, OTEL_TRACES_SAMPLER_ARG: "1.5" };
  expect(parseSettings(wrong, () => "aaaaaaaa")).toHaveProperty("faults");
});
