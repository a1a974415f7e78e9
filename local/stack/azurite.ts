import { fork } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { HostLog } from "../host/host-log.ts";
import { Child } from "./child.ts";
import { DEFAULT_AZURITE_PORT } from "./settings.ts";

export interface AzuriteOptions {
  /** The blob service's; queues and tables take the next two. 0: three free ones. */
  readonly port: number;
  /** Its data is in a folder below. */
  readonly dataDir: string;
  readonly log: HostLog;
}

export interface RunningAzurite {
  readonly blobPort: number;
  readonly queuePort: number;
  readonly tablePort: number;
  close(): Promise<void>;
}

/** Azurite is not there, or its ports are not; the emulators do without it, `func start` does not. */
export class AzuriteNotStarted extends Error {
  override readonly name = "AzuriteNotStarted";
}

const EXTENSION = extname(fileURLToPath(import.meta.url));
const ENTRY = fileURLToPath(new URL(`./azurite-process${EXTENSION}`, import.meta.url));
const CLOSE_MS = 4_000;
/** What everybody's Azurite is called; its key is published with it. */
const ACCOUNT =
  "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/**
 * The storage that Core Tools keeps its timers' leases in. Started again when it dies. Versions of the storage API
 * that this Azurite does not know yet are let through: Core Tools is often newer (Azurite#2651).
 */
export async function startAzurite({ port, dataDir, log }: AzuriteOptions): Promise<RunningAzurite> {
  if (!isInstalled()) {
    throw new AzuriteNotStarted("it is not installed; npm ci brings it");
  }
  const ports = port === 0 ? [0, 0, 0] : [port, port + 1, port + 2];
  for (const wanted of new Set(ports)) {
    if (wanted !== 0 && !(await isFree(wanted))) {
      throw new AzuriteNotStarted(
        `port ${wanted} of 127.0.0.1 is taken, perhaps by an Azurite of your own; else set AZURITE_PORT (0 takes free ones)`,
      );
    }
  }
  const location = join(dataDir, "azurite");
  mkdirSync(location, { recursive: true });
  const child = new Child({
    name: "Azurite",
    spawn: (known) => {
      const at = [known?.blobPort, known?.queuePort, known?.tablePort];
      const portOf = (n: number) => String(at[n] ?? ports[n]);
      const flags = [
        ...["--location", location, "--silent", "--skipApiVersionCheck", "--disableTelemetry"],
        ...["--blobHost", "127.0.0.1", "--queueHost", "127.0.0.1", "--tableHost", "127.0.0.1"],
        ...["--blobPort", portOf(0), "--queuePort", portOf(1), "--tablePort", portOf(2)],
      ];
      return fork(ENTRY, flags, { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
    },
    log,
    onChange: () => undefined,
  });
  const { blobPort = 0, queuePort = 0, tablePort = 0 } = await child.start();
  return {
    blobPort,
    queuePort,
    tablePort,
    close: () => child.stop((process) => process.disconnect(), CLOSE_MS),
  };
}

/** The value of AzureWebJobsStorage for it. */
export function storageConnection({ blobPort, queuePort, tablePort }: Omit<RunningAzurite, "close">): string {
  if (blobPort === DEFAULT_AZURITE_PORT) return "UseDevelopmentStorage=true";
  const at = (service: string, port: number) =>
    `${service}Endpoint=http://127.0.0.1:${port}/devstoreaccount1;`;
  return `${ACCOUNT};${at("Blob", blobPort)}${at("Queue", queuePort)}${at("Table", tablePort)}`;
}

function isInstalled(): boolean {
  try {
    createRequire(import.meta.url).resolve("azurite/package.json");
    return true;
  } catch {
    return false;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
