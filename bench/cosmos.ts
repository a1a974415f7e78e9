import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { head } from "./measure.ts";

/**
 * The Cosmos emulator in one process, durable, the SDK in another: operations a second, and whose CPU they cost. The
 * SDK as it comes, and as the app opens it (undici, signatures kept for a second): shared/azure/cosmos/client.ts.
 */
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-bench-"));
const startedAt = performance.now();
const server = fork(path.join(import.meta.dirname, "cosmos-server.ts"), [path.join(folder, "cosmos.db")]);
const [{ port }] = (await once(server, "message")) as [{ port: number }];
const startMs = performance.now() - startedAt;

head("operation", "SDK", "a second", "emulator CPU ms", "SDK CPU ms");
for (const way of ["default", "app"]) {
  const script = path.join(import.meta.dirname, "cosmos-client.ts");
  const [code] = await once(fork(script, [way, String(port), String(server.pid)]), "exit");
  if (code !== 0) throw new Error(`the client ended with ${code}`);
}
console.log(`\nStart-up ${Math.round(startMs)} ms, with Node's own.`);

server.disconnect();
await once(server, "exit");
rmSync(folder, { recursive: true });
