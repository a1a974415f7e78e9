import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EMULATOR_KEY } from "../cosmos/authorization.ts";
import type { ReadyMessage } from "./child.ts";
import { withModelEndpointsPort } from "./models-file.ts";
import type { StackSettings } from "./settings.ts";
import { writeWhole } from "./written-file.ts";

/** Name and key of the local stack's own accounts: what is known to everybody protects nothing but loopback. */
const SERVICE_BUS_KEY = "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE";

/** The environment of a host beside emulators that listen on these ports. */
export function hostEnv(settings: StackSettings, ports: ReadyMessage): Record<string, string> {
  const env: Record<string, string> = { ...settings.env, DATA_DIR: settings.dataDir };
  if (settings.emulateServiceBus) {
    env.SERVICEBUS = `Endpoint=sb://127.0.0.1:${ports.serviceBusPort};${SERVICE_BUS_KEY};UseDevelopmentEmulator=true;`;
  }
  if (settings.emulateCosmos) {
    env.COSMOS = `AccountEndpoint=http://127.0.0.1:${ports.cosmosPort}/;AccountKey=${EMULATOR_KEY};`;
  }
  const modelsFile = localModelsFile(settings, ports.modelEndpointsPort);
  if (modelsFile !== undefined) env.MODELS_FILE = modelsFile;
  return env;
}

/** The catalogue with the model endpoints' real port, where that is not the one the file has. */
function localModelsFile(settings: StackSettings, port: number | undefined): string | undefined {
  if (port === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(settings.modelsFile, "utf8");
  } catch {
    // The app says which file it misses.
    return undefined;
  }
  const changed = withModelEndpointsPort(text, port);
  if (changed === undefined || changed === text) return undefined;
  const file = join(settings.dataDir, "models.json");
  writeWhole(file, changed);
  return file;
}
