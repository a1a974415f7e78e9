import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { glob, readFile } from "node:fs/promises";
import { Server } from "node:http";
import Module from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { coreApi, Registry } from "./core-api.ts";
import type { HostLog } from "./host-log.ts";

/** The app cannot be loaded; the message is what the app itself said, or what is missing. */
export class AppNotLoaded extends Error {
  override readonly name = "AppNotLoaded";
}

const CORE_MODULE = "@azure/functions-core";

/**
 * Loads the app below `root` as the cloud's worker does: `@azure/functions-core` can be required, then every file that
 * package.json's `main` (a glob) names is imported. A file that fails to load stops the start.
 */
export async function loadApp(root: string, log: HostLog): Promise<Registry> {
  const registry = new Registry();
  supplyCoreModule(coreApi(registry, log));
  const main = await readMain(root);
  const files: string[] = [];
  for await (const file of glob(main, { cwd: root })) files.push(file);
  if (files.length === 0) {
    throw new AppNotLoaded(`Nothing matches "main": "${main}" of package.json. Run npm run build first.`);
  }
  for (const file of files.sort()) {
    try {
      await import(pathToFileURL(join(root, file)).href);
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw new AppNotLoaded(why, { cause: thrown });
    }
  }
  registry.closed = true;
  registry.proxy = await proxyOf(registry);
  for (const fn of registry.functions.values()) refuseUnsupported(fn.name, fn.metadata.bindings);
  if (registry.functions.size === 0) throw new AppNotLoaded(`No function is registered by "${main}".`);
  return registry;
}

/**
 * The server that the library opens for requests and answers that stream, where the app is set up for it; undefined
 * otherwise. Here nothing connects to it (see answerStreamed), and it would listen beyond this machine: it is closed.
 */
async function proxyOf({ model }: Registry): Promise<Server | undefined> {
  let proxy: Server | undefined;
  const listens = (message: unknown) => {
    const { server } = message as { server: unknown };
    if (server instanceof Server) proxy = server;
  };
  const channel = "tracing:net.server.listen:asyncStart";
  subscribe(channel, listens);
  try {
    const { HttpUri } = (await model?.getCapabilities({})) ?? {};
    if (HttpUri === undefined) return undefined;
  } finally {
    unsubscribe(channel, listens);
  }
  if (proxy === undefined)
    throw new AppNotLoaded("The app streams by a server that is not the library's own.");
  proxy.removeAllListeners("close").close();
  return proxy;
}

/** The real worker's way: every `require` of the name gets the object, in dependencies of ES modules too. */
function supplyCoreModule(core: object): void {
  const prototype = Module.prototype as unknown as { require(this: unknown, id: string): unknown };
  const original = prototype.require;
  prototype.require = function (id) {
    return id === CORE_MODULE ? core : original.call(this, id);
  };
}

async function readMain(root: string): Promise<string> {
  const file = join(root, "package.json");
  const { main } = JSON.parse(await readFile(file, "utf8")) as { main?: unknown };
  if (typeof main !== "string") throw new AppNotLoaded(`${file} has no "main".`);
  return main;
}

const TRIGGERS = ["httptrigger", "timertrigger", "servicebustrigger", "cosmosdbtrigger"];

function refuseUnsupported(
  name: string,
  bindings: Readonly<Record<string, { type: string; direction: string }>>,
) {
  for (const [key, binding] of Object.entries(bindings)) {
    const type = binding.type.toLowerCase();
    const isResponse = key === "$return" && type === "http";
    if (isResponse || TRIGGERS.includes(type)) continue;
    throw new AppNotLoaded(
      `Function "${name}": the binding ${binding.type} (${binding.direction}) is not supported by the local host.`,
    );
  }
}
