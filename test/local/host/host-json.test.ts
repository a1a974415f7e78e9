import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { HostJsonInvalid, readHostJson } from "../../../local/host/host-json.ts";

describe("host.json", () => {
  it("is read as the cloud reads it", () => {
    const text = readFileSync(new URL("../../../host.json", import.meta.url), "utf8");
    expect(readHostJson(text, {})).toMatchObject({
      functionTimeoutMs: 30 * 60_000,
      serviceBus: { autoComplete: true, maxAutoLockRenewalMs: 35 * 60_000 },
    });
  });

  it("has the cloud's defaults", () => {
    expect(readHostJson("{}", {})).toEqual({
      routePrefix: "api",
      functionTimeoutMs: 30 * 60_000,
      logLevels: {},
      serviceBus: { maxConcurrentCalls: 16, autoComplete: true, maxAutoLockRenewalMs: 5 * 60_000 },
    });
  });

  it("yields to app settings of the cloud's names", () => {
    const env = {
      AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls: "3",
      AzureFunctionsJobHost__extensions__http__routePrefix: "/v2/",
      AzureFunctionsJobHost__functionTimeout: "00:00:01.5",
    };
    expect(readHostJson('{"functionTimeout": "-1"}', env)).toMatchObject({
      routePrefix: "v2",
      functionTimeoutMs: 1500,
      serviceBus: { maxConcurrentCalls: 3 },
    });
  });

  it("takes an unlimited and a day-long time-out", () => {
    expect(readHostJson('{"functionTimeout": "-1"}', {}).functionTimeoutMs).toBeUndefined();
    expect(readHostJson('{"functionTimeout": "1.00:00:00"}', {}).functionTimeoutMs).toBe(86_400_000);
  });

  it.each([
    ["{", "valid JSON"],
    ['{"functionTimeout": "soon"}', "functionTimeout"],
    ['{"extensions": {"serviceBus": {"maxConcurrentCalls": 0}}}', "maxConcurrentCalls"],
    ['{"extensions": {"http": {"routePrefix": 1}}}', "routePrefix"],
  ])("says what is wrong with %s", (text, what) => {
    expect(() => readHostJson(text, {})).toThrow(HostJsonInvalid);
    expect(() => readHostJson(text, {})).toThrow(what);
  });
});
