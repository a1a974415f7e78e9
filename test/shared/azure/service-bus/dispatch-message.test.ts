import { expect, it } from "vitest";
import { nudgeOf } from "../../../../shared/azure/service-bus/nudges.ts";
import { isDispatch } from "../../../../shared/azure/service-bus/releases.ts";

it("is told from a nudge, by either version's reader", () => {
  expect(isDispatch({ v: 1, dispatch: true })).toBe(true);
  expect(nudgeOf({ v: 1, dispatch: true })).toBeUndefined();
  for (const other of [undefined, null, "dispatch", {}, { dispatch: true }, { v: 1, dispatch: "yes" }])
    expect(isDispatch(other)).toBe(false);
  expect(isDispatch({ v: 1, tenant_id: "a", job_id: "b" })).toBe(false);
});
