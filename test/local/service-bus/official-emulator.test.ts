import { expect, test } from "vitest";
import { queuesFromConfig } from "../../../local/service-bus/config.ts";
import { officialConfig } from "../../../local/service-bus/official-emulator.ts";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";

test("what the official emulator would not take is brought within its limits, and said", () => {
  const { config, changes } = officialConfig([
    queueSettings("a", { lockDurationMs: 1_000, maxDeliveryCount: 50 }),
    queueSettings("b", {
      defaultTtlMs: 600_000,
      requiresDuplicateDetection: true,
      duplicateWindowMs: 86_400_000,
    }),
  ]);
  expect(queuesFromConfig(JSON.parse(JSON.stringify(config)))).toMatchObject([
    { name: "a", lockDurationMs: 5_000, defaultTtlMs: 3_600_000, maxDeliveryCount: 10 },
    { name: "b", lockDurationMs: 60_000, defaultTtlMs: 600_000, duplicateWindowMs: 300_000 },
  ]);
  expect(changes).toEqual([
    "a: LockDuration PT1S on Azure, PT5S in the official emulator",
    "a: DefaultMessageTimeToLive unlimited on Azure, PT1H in the official emulator",
    "a: MaxDeliveryCount 50 on Azure, 10 in the official emulator",
    "b: DuplicateDetectionHistoryTimeWindow P1D on Azure, PT5M in the official emulator",
  ]);
});

test("more queues than it takes are refused", () => {
  const queues = Array.from({ length: 51 }, (_, n) => queueSettings(`q${n}`));
  expect(() => officialConfig(queues)).toThrow(/51 queues/);
});
