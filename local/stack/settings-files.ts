import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Env, readStackSettings, SettingsInvalid, type StackSettings } from "./settings.ts";

/** The settings of the stack in `folder`, from the environment and the two files Core Tools knows. */
export function stackSettings(environment: Env, folder: string): StackSettings {
  const values = valuesOf(join(folder, "local.settings.json"));
  const sample = valuesOf(join(folder, "local.settings.sample.json"));
  return readStackSettings(environment, values, sample, folder);
}

/** `Values` of a local settings file; a file that is not there has none. */
function valuesOf(file: string): Env {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw thrown;
  }
  try {
    const { Values = {} } = JSON.parse(text) as { Values?: Record<string, unknown> };
    return Object.fromEntries(Object.entries(Values).map(([name, value]) => [name, String(value)]));
  } catch (thrown) {
    throw new SettingsInvalid(
      `${file} is not valid JSON: ${thrown instanceof Error ? thrown.message : thrown}`,
    );
  }
}
