import { randomInt } from "node:crypto";
import { createHostLog } from "./host/host-log.ts";
import { bannerOf } from "./stack/banner.ts";
import { lockFolderSoon, watchFolder } from "./stack/folder-lock.ts";
import { HELP, readLayout } from "./stack/layout.ts";
import { reachOwnAccounts } from "./stack/reach.ts";
import { stackSettings } from "./stack/settings-files.ts";
import { Stack } from "./stack/stack.ts";

/** A seed that is easily typed again. */
const MAX_RANDOM_SEED = 1_000_000;
/** A stack that has just been killed lets go of its folder within this time. */
const PATIENCE_MS = 2_000;
/** Ctrl-C under npm arrives twice, from the terminal and from npm: only a later one is a second one. */
const SECOND_SIGINT_MS = 500;
/** How often to look whether npm is still there; a killed npm leaves no other trace. */
const PARENT_LOOK_MS = 500;

async function main(): Promise<void> {
  const layout = readLayout(process.argv.slice(2), () => randomInt(MAX_RANDOM_SEED));
  if (layout === undefined) {
    process.stdout.write(HELP);
    return;
  }
  const folder = process.cwd();
  const settings = stackSettings(process.env, folder);
  const log = createHostLog({}, "start");
  await reachOwnAccounts(settings.env);
  const lock = await lockFolderSoon(settings.dataDir, "start", PATIENCE_MS);
  const stack = new Stack({ settings, folder, layout, log });

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
  watchFolder(lock, settings.dataDir, (why) => fail(why, stack));

  try {
    const port = await stack.start();
    const url = `http://127.0.0.1:${port}`;
    if (stoppedAt === undefined) process.stdout.write(`${bannerOf(url, settings)}ready ${url}\n`);
  } catch (thrown) {
    // Stopped while it started: the children's ends are no failure.
    if (stoppedAt !== undefined) return;
    stoppedAt = performance.now();
    await stack.stop();
    log.flush();
    fail(thrown, stack);
  }
}

/** A shell between npm and this process may die of a signal alone, and npm of SIGKILL: nobody would ever stop us. */
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
