import { expect, it } from "vitest";
import type { OpsDeployment } from "../../../console/resources.ts";
import { quotaWords, type Switch, troubleOf } from "../../../console/rows/labs.ts";

const well: OpsDeployment = {
  ...{ name: "gpt", provider: "openai", model: "gpt-sim", breaker: "closed", next_probe: null, in_flight: 3 },
  ...{ longest_seconds: 20, last_error: null },
  quota: { pool: "gpt", requests: { per_minute: 60, left: 10 }, tokens: null },
};
const ill = (illness: string): Partial<OpsDeployment> => ({
  ...{ breaker: "open", next_probe: 5, last_error: { illness, message: "HTTP 500", at: 1 } },
});
const off: Switch = {
  ...{ kind: "provider", name: "openai", state: "off", mode: "fail_over" },
  ...{ since: 1, actor: "ops", reason: null },
};

it.each<[incident: string, change: Partial<OpsDeployment>, switches: readonly Switch[], told: RegExp]>([
  ["down", ill("deployment_failing"), [], /^Its calls fail\. .*by itself/],
  ["key refused", ill("credential_refused"), [], /refuses our key\. Give the app a valid key/],
  ["account empty", ill("account_empty"), [], /account at the lab is empty\. Pay/],
  ["hangs", { longest_seconds: 900 }, [], /A call has run for 15 min.*timeout_seconds/],
  [
    "throttles",
    { quota: { ...well.quota, requests: { per_minute: 60, left: 0 } } },
    [],
    /^Its quota is used up\. Jobs wait/,
  ],
  ["switched off, and down", ill("deployment_failing"), [off], /^The lab is switched off\./],
])("a lab that is %s says so, and what to do", (_incident, change, switches, told) => {
  const { what, todo } = troubleOf({ ...well, ...change }, switches) ?? { what: "", todo: "" };
  expect(`${what} ${todo}`).toMatch(told);
});

it("what is left of a quota is told once somebody has heard of it, and is nobody's alarm before", () => {
  expect(quotaWords({ per_minute: 60_000, left: 425.7 })).toBe("425 of 60,000 left");
  const requests = { per_minute: 60_000, left: null };
  expect(quotaWords(requests)).toBe("60,000; how much is left is not known yet");
  expect(troubleOf({ ...well, quota: { ...well.quota, requests } }, [])).toBeUndefined();
});

it("a lab that is well says nothing", () => {
  expect(troubleOf(well, [])).toBeUndefined();
});
