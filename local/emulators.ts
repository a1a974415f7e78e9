import { parseArgs } from "node:util";
import { createHostLog, type HostLog } from "./host/host-log.ts";
import { AzuriteNotStarted, startAzurite, storageConnection } from "./stack/azurite.ts";
import { StartFailed } from "./stack/child.ts";
import { startEmulators } from "./stack/emulator-set.ts";
import { lockFolderSoon, watchFolder } from "./stack/folder-lock.ts";
import { outliveFrozenHosts } from "./stack/processes-file.ts";
import type { StackSettings } from "./stack/settings.ts";
import { stackSettings } from "./stack/settings-files.ts";

/**
 * `npm run emulators`: Service Bus, Cosmos and the simulated models in one process, and Azurite in another, for
 * `func start` or any other host. `npm start` runs the same file with a channel to itself, over which it hears `{ready: true, ...ports}` and
 * says `{stop: true}`; its hosts need no Azurite.
 */
const HELP = `Usage: npm run emulators [-- --only-models]

Runs the Service Bus and Cosmos emulators, the simulated model endpoints and Azurite until SIGINT or SIGTERM.
Settings (environment, local.settings.json): SERVICEBUS_PORT (5672), COSMOS_PORT (8081), MODEL_ENDPOINTS_PORT (7072),
AZURITE_PORT (10000, and the next two), MODEL_LATENCY_SCALE (1), DATA_DIR (.switchyard), SERVICEBUS_CONFIG.
A port of 0 takes a free one.

  --only-models   the simulated model endpoints alone, beside docker-compose.yml or an Azure of your own
  --help          this text
`;
/** A stack that has just been killed lets go of its folder within this time. */
const PATIENCE_MS = 5_000;
const owned = process.send !== undefined;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { "only-models": { type: "boolean" }, help: { type: "boolean", short: "h" } },
  });
  const onlyModels = values["only-models"] === true;
  if (values.help === true) {
    process.stdout.write(HELP);
    return;
  }
  const folder = process.cwd();
  let wanted = false;
  let close: (() => Promise<void>) | undefined;
  const end = () => {
    wanted = true;
    const closing = close;
    close = undefined;
    closing?.().then(
      () => process.exit(0),
      (thrown) => fail(thrown),
    );
  };
  const settings = stackSettings(process.env, folder);
  onEnd(end, settings.dataDir);
  const log = createHostLog({}, "emulators");
  process.on("exit", () => log.flush());
  const lock = await lockFolderSoon(settings.dataDir, "emulators", PATIENCE_MS);
  if (!owned) watchFolder(lock, settings.dataDir, fail);
  // `func start` needs every emulator, whatever the app's own connection strings say.
  const emulators = await startEmulators(
    owned ? settings : { ...settings, emulateServiceBus: !onlyModels, emulateCosmos: !onlyModels },
    folder,
    (line) => log.write("warning", "Emulators", line),
  );
  let azurite: Promise<{ close(): Promise<void> } | undefined> | undefined;
  close = async () => {
    await Promise.all([emulators.close(), azurite?.then((running) => running?.close())]);
    lock.release();
  };
  const { serviceBusPort, cosmosPort, modelEndpointsPort, controlPort } = emulators;
  if (wanted) end();
  else if (owned)
    process.send?.({ ready: true, serviceBusPort, cosmosPort, modelEndpointsPort, controlPort });
  else {
    if (!onlyModels) {
      process.stdout.write(`Service Bus     sb://127.0.0.1:${serviceBusPort}\n`);
      process.stdout.write(`Cosmos DB       http://127.0.0.1:${cosmosPort}/\n`);
    }
    process.stdout.write(`Model endpoints http://127.0.0.1:${modelEndpointsPort}/\n`);
    process.stdout.write(`Control         http://127.0.0.1:${controlPort}/ (counters, faults)\n`);
    process.stdout.write("Ctrl-C ends them; their data stays.\n");
    if (!onlyModels) azurite = startStorage(settings, log);
  }
}

/** The others do not wait for Azurite, and go on without it. */
async function startStorage({ azuritePort, dataDir }: StackSettings, log: HostLog) {
  try {
    const azurite = await startAzurite({ port: azuritePort, dataDir, log });
    process.stdout.write(`Azurite         AzureWebJobsStorage=${storageConnection(azurite)}\n`);
    return azurite;
  } catch (thrown) {
    if (!(thrown instanceof AzuriteNotStarted || thrown instanceof StartFailed)) throw thrown;
    process.stdout.write(`Azurite         not started: ${thrown.message}\n`);
    return undefined;
  }
}

function onEnd(end: () => void, dataDir: string): void {
  if (!owned) {
    process.on("SIGINT", end);
    process.on("SIGTERM", end);
    process.on("SIGHUP", end);
    return;
  }
  // Ctrl-C goes to the whole group; start ends the hosts first and then says so here.
  process.on("SIGINT", () => undefined);
  process.on("SIGHUP", () => undefined);
  // SIGTERM may have gone to the group as well: start answers with `stop` at once if this process alone was meant.
  process.on("SIGTERM", () => process.send?.({ terminated: true }));
  process.on("message", (message: { stop?: boolean }) => {
    if (message.stop === true) end();
  });
  process.on("disconnect", () => {
    // The stack was killed; hosts that it had frozen hear of it only when they go on.
    void outliveFrozenHosts(dataDir).then(end);
  });
}

function fail(thrown: unknown): never {
  process.stderr.write(`${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exit(1);
}

main().catch(fail);
