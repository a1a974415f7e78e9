import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { queuesFromConfig, queuesFromResources } from "../../local/service-bus/config.ts";
import { EMULATOR_CONFIG_FILE, emulatorConfig } from "../../tools/docs/emulator-config.ts";

const resources = JSON.parse(readFileSync("infra/resources.json", "utf8"));

it("infra/emulators/Config.json is what infra/resources.json says: npm run docs writes it", () => {
  expect(readFileSync(EMULATOR_CONFIG_FILE, "utf8")).toBe(emulatorConfig());
});

it("our Service Bus reads it as well, as the queues of infra/resources.json within that emulator's limits", () => {
  const official = queuesFromConfig(JSON.parse(readFileSync(EMULATOR_CONFIG_FILE, "utf8")));
  expect(
    official.map(({ name, requiresSession, lockDurationMs }) => ({ name, requiresSession, lockDurationMs })),
  ).toEqual(
    queuesFromResources(resources).map(({ name, requiresSession, lockDurationMs }) => ({
      name,
      requiresSession,
      lockDurationMs,
    })),
  );
  for (const queue of official) expect(queue.defaultTtlMs).toBeLessThanOrEqual(3_600_000);
});

it("docker-compose.yml mounts it, and publishes what local.settings.sample.json names, to this machine alone", () => {
  const compose = readFileSync("docker-compose.yml", "utf8");
  expect(compose).toContain("./infra/emulators/Config.json:/ServiceBus_Emulator/ConfigFiles/Config.json");
  expect(compose).toContain("servicebus-emulator:1.1.2");
  const published = [...compose.matchAll(/- "(.*):\d+"$/gm)].map((match) => match[1]);
  expect(published).toEqual(expect.arrayContaining(["127.0.0.1:5672", "127.0.0.1:8081", "127.0.0.1:10000"]));
  expect(published.filter((port) => !port?.startsWith("127.0.0.1:"))).toEqual([]);
});
