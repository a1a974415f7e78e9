import { expect, it } from "vitest";
import { readStackSettings, SettingsInvalid } from "../../../local/stack/settings.ts";

const FOLDER = "/app";
const read = (environment = {}, values = {}, sample = {}) =>
  readStackSettings(environment, values, sample, FOLDER);

it("has its defaults", () => {
  expect(read()).toMatchObject({
    port: 7071,
    dataDir: "/app/.switchyard",
    serviceBusPort: 5672,
    cosmosPort: 8081,
    modelEndpointsPort: 7072,
    modelEndpointsPortIsDefault: true,
    serviceBusConfigFile: undefined,
    modelsFile: "/app/models.json",
    emulateServiceBus: true,
    emulateCosmos: true,
    drainSeconds: 10,
    freezeTimeScale: 1,
    env: { LEASE_SECONDS: "3", SWEEP_SECONDS: "1" },
  });
});

it("takes the environment before local.settings.json, and that before the sample", () => {
  const { env, port } = read(
    { LEASE_SECONDS: "7", PORT: "" },
    { LEASE_SECONDS: "8", SWEEP_SECONDS: "9", PORT: "1" },
    { SWEEP_SECONDS: "10", MAX_ATTEMPTS: "11", PORT: "2" },
  );
  expect(env).toMatchObject({ LEASE_SECONDS: "7", SWEEP_SECONDS: "9", MAX_ATTEMPTS: "11" });
  // An empty value counts as absent.
  expect(port).toBe(1);
});

it("hands on the cloud's own setting of the node process's arguments", () => {
  expect(read().nodeArguments).toEqual([]);
  const sample = { languageWorkers__node__arguments: "--max-semi-space-size=64" };
  expect(read({}, {}, sample).nodeArguments).toEqual(["--max-semi-space-size=64"]);
  const own = { languageWorkers__node__arguments: " --max-semi-space-size=32  --trace-warnings" };
  expect(read({}, own, sample).nodeArguments).toEqual(["--max-semi-space-size=32", "--trace-warnings"]);
});

it("emulates no account of the user's own", () => {
  expect(read({ SERVICEBUS: "Endpoint=sb://mine/" })).toMatchObject({
    emulateServiceBus: false,
    emulateCosmos: true,
  });
  expect(read({}, { COSMOS__accountEndpoint: "https://mine/" })).toMatchObject({ emulateCosmos: false });
});

it("takes the sample's connection strings, and copies of them, for its own", () => {
  const sample = {
    SERVICEBUS: "Endpoint=sb://127.0.0.1:5672;",
    COSMOS: "AccountEndpoint=http://127.0.0.1:8081/;",
  };
  for (const settings of [read({}, {}, sample), read({}, { ...sample }, sample)]) {
    expect(settings).toMatchObject({ emulateServiceBus: true, emulateCosmos: true });
    expect(settings.env).not.toHaveProperty("SERVICEBUS");
  }
  expect(read(sample, {}, sample)).toMatchObject({ emulateServiceBus: false, emulateCosmos: false });
});

it("lists every fault", () => {
  const env = {
    ...{ PORT: "seventy", COSMOS_PORT: "70000", DRAIN_SECONDS: "-1", HOST_CUT_SECONDS: "x" },
    FREEZE_TIME_SCALE: "0",
  };
  expect(() => read(env)).toThrow(SettingsInvalid);
  for (const name of Object.keys(env)) expect(() => read(env)).toThrow(name);
  expect(read({ PORT: "0" }).port).toBe(0);
});
