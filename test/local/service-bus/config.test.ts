import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ConfigInvalid,
  configFromQueues,
  queuesFromConfig,
  queuesFromResources,
} from "../../../local/service-bus/config.ts";
import { formatDuration, parseDuration } from "../../../local/service-bus/duration.ts";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";

const config = (...queues: unknown[]) => ({
  UserConfig: {
    Namespaces: [{ Name: "sbemulatorns", Queues: queues, Topics: [] }],
    Logging: { Type: "File" },
  },
});

function faultsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof ConfigInvalid) return thrown.faults;
    throw thrown;
  }
  return [];
}

describe("durations", () => {
  test.each([
    ["PT1M", 60_000],
    ["PT1H", 3_600_000],
    ["P14D", 14 * 86_400_000],
    ["P1DT2H3M4.5S", 93_784_500],
    ["PT0S", 0],
    ["P10675199DT2H48M5.4775807S", Number.POSITIVE_INFINITY],
  ])("%s", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "P", "PT", "1M", "PT1", "P1M", "P1Y", "PT-1S", "P1DT"])("%s is none", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test("written and read again", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3_000_000_000_000 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });
});

describe("Config.json", () => {
  test("the official emulator's own queue", () => {
    const [queue] = queuesFromConfig(
      config({
        Name: "queue.1",
        Properties: {
          DeadLetteringOnMessageExpiration: false,
          DefaultMessageTimeToLive: "PT1H",
          DuplicateDetectionHistoryTimeWindow: "PT20S",
          ForwardDeadLetteredMessagesTo: "",
          ForwardTo: "",
          LockDuration: "PT1M",
          MaxDeliveryCount: 3,
          RequiresDuplicateDetection: false,
          RequiresSession: false,
        },
      }),
    );
    const changes = { defaultTtlMs: 3_600_000, duplicateWindowMs: 20_000, maxDeliveryCount: 3 };
    expect(queue).toEqual(queueSettings("queue.1", changes));
  });

  test("every fault is listed, each by name", () => {
    const faults = faultsOf(() =>
      queuesFromConfig({
        UserConfig: {
          Namespaces: [
            {
              Name: "n",
              Topics: [{ Name: "t" }],
              Queues: [
                {
                  Name: "a",
                  Properties: { LockDuration: "PT10M", Colour: "red", MaxDeliveryCount: "three" },
                },
                { Name: "a", Properties: { ForwardTo: "nowhere" } },
                { Name: "$bad", Properties: { DefaultMessageTimeToLive: "one hour" } },
                { Name: "loop1", Properties: { ForwardTo: "loop2" } },
                { Name: "loop2", Properties: { ForwardTo: "loop1" } },
              ],
            },
          ],
          Logging: { Type: "Paper" },
          Extra: 1,
        },
      }),
    ).join("\n");
    for (const named of [
      "LockDuration|lock duration",
      "Colour",
      "MaxDeliveryCount",
      "declared twice",
      "nowhere",
    ]) {
      expect(faults).toMatch(new RegExp(named));
    }
    for (const named of ["\\$bad", "DefaultMessageTimeToLive", "circle", "Topics", "Logging.Type", "Extra"]) {
      expect(faults).toMatch(new RegExp(named));
    }
  });

  test.each([null, 5, {}, { UserConfig: {} }, { UserConfig: { Namespaces: {} } }])(
    "%j is refused",
    (json) => {
      expect(faultsOf(() => queuesFromConfig(json))).not.toEqual([]);
    },
  );

  test("what is written from queues reads as those queues", () => {
    const queues = [
      queueSettings("a", { lockDurationMs: 30_000, requiresSession: true, maxDeliveryCount: 5 }),
      queueSettings("b", { forwardTo: "c", requiresDuplicateDetection: true }),
      queueSettings("c", {
        defaultTtlMs: 90_000,
        deadLetteringOnExpiration: true,
        forwardDeadLetteredTo: "b",
      }),
    ];
    expect(queuesFromConfig(JSON.parse(JSON.stringify(configFromQueues(queues))))).toEqual(queues);
  });
});

describe("infra/resources.json", () => {
  test("the project's own file", () => {
    const queues = queuesFromResources(JSON.parse(readFileSync("infra/resources.json", "utf8")));
    expect(queues.map(({ name }) => name)).toContain("nudges");
    expect(queues[0]?.requiresDuplicateDetection).toBe(false);
  });

  test("faults are listed", () => {
    const faults = faultsOf(() =>
      queuesFromResources({ service_bus: { queues: [{ name: "q", lock_duration_seconds: "60", size: 1 }] } }),
    );
    expect(faults).toHaveLength(2);
    expect(faultsOf(() => queuesFromResources({}))).toHaveLength(1);
  });
});
