import { readFileSync } from "node:fs";
import path from "node:path";
import { queuesFromResources } from "../../local/service-bus/config.ts";
import { officialConfig } from "../../local/service-bus/official-emulator.ts";

const root = path.resolve(import.meta.dirname, "../..");
export const EMULATOR_CONFIG_FILE = path.join(root, "infra/emulators/Config.json");

/** The official Service Bus emulator's Config.json, as infra/resources.json has it. */
export function emulatorConfig(): string {
  const resources = JSON.parse(readFileSync(path.join(root, "infra/resources.json"), "utf8"));
  const { config } = officialConfig(queuesFromResources(resources));
  return `${JSON.stringify(config, null, 2)}\n`;
}
