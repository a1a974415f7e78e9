import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cosmosResources } from "../cosmos/resources.ts";
import { startCosmos } from "../cosmos/server.ts";
import { startModelEndpoints } from "../model-endpoints/server.ts";
import { queuesFromConfig, queuesFromResources } from "../service-bus/config.ts";
import { startServiceBus } from "../service-bus/server.ts";
import { startControl } from "./control.ts";
import { onPort, PortTaken } from "./ports.ts";
import { privateFolder } from "./private-folder.ts";
import type { StackSettings } from "./settings.ts";
import { writeWhole } from "./written-file.ts";

/** The emulators of one stack; a port is undefined where that one is not wanted. */
export interface EmulatorSet {
  readonly serviceBusPort: number | undefined;
  readonly cosmosPort: number | undefined;
  readonly modelEndpointsPort: number;
  /** Counters and faults; also named in DATA_DIR/emulators.json. */
  readonly controlPort: number;
  close(): Promise<void>;
}

/** Starts the emulators the settings ask for; their data is in `dataDir`. All of them, or none. */
export async function startEmulators(
  settings: StackSettings,
  folder: string,
  log: (line: string) => void,
): Promise<EmulatorSet> {
  privateFolder(settings.dataDir);
  const file = (name: string) => join(settings.dataDir, name);
  const resources = readJson(join(folder, "infra", "resources.json"));
  const running: { close(): Promise<void> }[] = [];
  const keep = <T extends { close(): Promise<void> }>(server: T): T => {
    running.unshift(server);
    return server;
  };
  try {
    const serviceBus = settings.emulateServiceBus
      ? keep(
          await onPort("SERVICEBUS_PORT", settings.serviceBusPort, (port) =>
            startServiceBus({
              port,
              databaseFile: file("service-bus.db"),
              queues:
                settings.serviceBusConfigFile === undefined
                  ? queuesFromResources(resources)
                  : queuesFromConfig(readJson(settings.serviceBusConfigFile)),
              log,
            }),
          ),
        )
      : undefined;
    const cosmos = settings.emulateCosmos
      ? keep(
          await onPort("COSMOS_PORT", settings.cosmosPort, (port) =>
            startCosmos({
              port,
              databaseFile: file("cosmos.db"),
              resources: cosmosResources(resources),
              log,
            }),
          ),
        )
      : undefined;
    const models = keep(await startModels(settings, file("model-endpoints.db"), log));
    const control = keep(await startControl({ serviceBus, cosmos, models }));
    writeWhole(
      file("emulators.json"),
      JSON.stringify({
        control: `http://127.0.0.1:${control.port}/`,
        service_bus_port: serviceBus?.port ?? null,
        cosmos_port: cosmos?.port ?? null,
        model_endpoints_port: models.port,
      }),
    );
    return {
      serviceBusPort: serviceBus?.port,
      cosmosPort: cosmos?.port,
      modelEndpointsPort: models.port,
      controlPort: control.port,
      close: () => closeAll(running),
    };
  } catch (thrown) {
    await closeAll(running);
    throw thrown;
  }
}

async function startModels(settings: StackSettings, databaseFile: string, log: (line: string) => void) {
  const start = (port: number) =>
    startModelEndpoints({
      port,
      databaseFile,
      ...settings.modelEndpoints,
      log: ({ event, reason }) => log(`model endpoints: ${event}: ${reason}`),
    });
  try {
    return await onPort("MODEL_ENDPOINTS_PORT", settings.modelEndpointsPort, start);
  } catch (thrown) {
    if (thrown instanceof PortTaken && settings.modelEndpointsPortIsDefault) return start(0);
    throw thrown;
  }
}

async function closeAll(servers: readonly { close(): Promise<void> }[]): Promise<void> {
  for (const server of servers) await server.close();
}

function readJson(file: string): unknown {
  const text = readFileSync(file, "utf8");
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new Error(`${file} is not valid JSON: ${thrown instanceof Error ? thrown.message : thrown}`);
  }
}
