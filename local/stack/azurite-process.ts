import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * Azurite, in a process of its own that ends with its parent: the arguments are Azurite's own. Says
 * `{ready: true, blobPort, queuePort, tablePort}` once all three of its services listen.
 */
const PORT = /listening at http:\/\/127\.0\.0\.1:(\d+)/;
/** Azurite writes its tables out when it ends; a full disk must not keep it for ever. */
const END_MS = 3_000;

const ports: Record<string, number> = {};
// Azurite tells where it listens on the console and nowhere else.
const write = console.log;
console.log = (...words: unknown[]) => {
  const [line] = words;
  const port = PORT.exec(String(line))?.[1];
  const service = /^Azurite (Blob|Queue|Table) /.exec(String(line))?.[1];
  if (port === undefined || service === undefined) return write(...words);
  ports[`${service.toLowerCase()}Port`] = Number(port);
  if (Object.keys(ports).length === 3) process.send?.({ ready: true, ...ports });
};
// Azurite listens once: a second SIGINT (Ctrl-C goes to every process of the terminal) would kill it as it writes.
let ending = false;
process.on("SIGINT", () => {
  ending = true;
});
process.on("disconnect", () => {
  setTimeout(() => process.exit(0), END_MS);
  if (!ending) process.kill(process.pid, "SIGINT");
});

const { resolve } = createRequire(import.meta.url);
const manifest = resolve("azurite/package.json");
await import(pathToFileURL(join(dirname(manifest), "dist/src/azurite.js")).href);
