import { parseArgs } from "node:util";
import { createHostLog } from "./host/host-log.ts";
import { lockFolderSoon } from "./stack/folder-lock.ts";
import { stackSettings } from "./stack/settings-files.ts";
import { Stack } from "./stack/stack.ts";

const MAX_INSTANCES = 64;
const HELP = `Usage: npm start [-- --instances N]

Runs the whole service on this machine: emulators, simulated models and N Functions hosts behind one port.
Prints "ready http://127.0.0.1:PORT" once it serves; SIGINT or SIGTERM end it, a second SIGINT at once.

  --instances N   host processes, 1 to ${MAX_INSTANCES} (1)
  --help          this text

Settings (environment, then local.settings.json): PORT (7071), DATA_DIR (.switchyard), SERVICEBUS_PORT (5672),
COSMOS_PORT (8081), MODEL_ENDPOINTS_PORT (7072), MODEL_LATENCY_SCALE (1), SERVICEBUS_CONFIG, MODELS_FILE,
TENANTS_FILE, SERVICEBUS, COSMOS, DRAIN_SECONDS (10), HOST_CUT_SECONDS (none). A port of 0 takes a free one.
`;
/** A stack that has just been killed lets go of its folder within this time. */
const PATIENCE_MS = 2_000;
/** Ctrl-C under npm arrives twice, from the terminal and from npm: only a later one is a second one. */
const SECOND_SIGINT_MS = 500;
/** How often to look whether npm is still there; a killed npm leaves no other trace. */
const PARENT_LOOK_MS = 500;

async function main(): Promise<void> {
  const instances = readInstances();
  if (instances === undefined) return;
  const folder = process.cwd();
  const settings = stackSettings(process.env, folder);
  const log = createHostLog({});
  const lock = await lockFolderSoon(settings.dataDir, "start", PATIENCE_MS);
  const stack = new Stack({ settings, folder, instances, log });

  let stoppedAt: number | undefined;
  const end = () => {
    if (stoppedAt !== undefined) return;
    stoppedAt = performance.now();
    stack.stop().then(
      () => {
        lock.release();
        log.flush();
        process.exit(0);
      },
      (thrown) => fail(thrown, stack),
    );
  };
  process.on("SIGTERM", end);
  process.on("SIGHUP", end);
  process.on("SIGINT", () => {
    if (stoppedAt !== undefined && performance.now() - stoppedAt > SECOND_SIGINT_MS) {
      stack.kill();
      process.exit(130);
    }
    end();
  });
  endWithNpm(end);

  try {
    const port = await stack.start();
    if (stoppedAt === undefined) process.stdout.write(`ready http://127.0.0.1:${port}\n`);
  } catch (thrown) {
    // Stopped while it started: then the ends of the children are not failures.
    if (stoppedAt !== undefined) return;
    stoppedAt = performance.now();
    await stack.stop();
    log.flush();
    fail(thrown, stack);
  }
}

/** Undefined when help was asked for. */
function readInstances(): number | undefined {
  const { values } = parseArgs({
    options: { instances: { type: "string", default: "1" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return undefined;
  }
  const instances = Number(values.instances);
  if (!/^\d+$/.test(values.instances) || instances < 1 || instances > MAX_INSTANCES) {
    throw new RangeError(`--instances must be 1 to ${MAX_INSTANCES}; it is "${values.instances}".`);
  }
  return instances;
}

/** A shell between npm and this process may die of a signal, and npm of SIGKILL: then nothing would ever stop us. */
function endWithNpm(end: () => void): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) end();
  }, PARENT_LOOK_MS).unref();
}

function fail(thrown: unknown, stack?: Stack): never {
  stack?.kill();
  process.stderr.write(`${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exit(1);
}

main().catch((thrown) => fail(thrown));
