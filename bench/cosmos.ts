import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { CosmosClient } from "@azure/cosmos";
import { EMULATOR_KEY } from "../local/cosmos/authorization.ts";
import { cpuMs, head, row, timed } from "./measure.ts";

/** The Cosmos emulator in one process, durable, the SDK in another: operations a second, and whose CPU they cost. */
const OPERATIONS = 10_000;
/** V8 goes on compiling for some thousand operations: they are done before anything is measured. */
const WARM_UP = 5_000;
const IN_FLIGHT = 20;

const folder = mkdtempSync(path.join(tmpdir(), "switchyard-bench-"));
const startedAt = performance.now();
const server = fork(path.join(import.meta.dirname, "cosmos-server.ts"), [path.join(folder, "cosmos.db")]);
const [{ port }] = (await once(server, "message")) as [{ port: number }];
const startMs = performance.now() - startedAt;

const client = new CosmosClient({ endpoint: `http://127.0.0.1:${port}/`, key: EMULATOR_KEY });
const { database } = await client.databases.create({ id: "bench" });
const { container } = await database.containers.create({ id: "items", partitionKey: { paths: ["/pk"] } });

await timed(WARM_UP, IN_FLIGHT, async (n) => {
  await container.items.create({ id: `w${n}`, pk: `w${n % 100}`, text: "x".repeat(200) });
  await container.item(`w${n}`, `w${n % 100}`).read();
});
head("operation", "a second", "emulator CPU ms", "SDK CPU ms");
await measure("create", (n) =>
  container.items.create({ id: `i${n}`, pk: `p${n % 100}`, text: "x".repeat(200) }),
);
await measure("point read", (n) => container.item(`i${n}`, `p${n % 100}`).read());
await measure("query by partition, TOP 1", (n) =>
  container.items.query("SELECT TOP 1 * FROM c", { partitionKey: `p${n % 100}` }).fetchAll(),
);
console.log(`\nStart-up ${Math.round(startMs)} ms, with Node's own.`);

client.dispose();
server.disconnect();
await once(server, "exit");
rmSync(folder, { recursive: true });

async function measure(name: string, work: (n: number) => Promise<unknown>): Promise<void> {
  const pid = server.pid ?? 0;
  const before = { server: cpuMs(pid), own: cpuMs(process.pid) };
  const seconds = await timed(OPERATIONS, IN_FLIGHT, work);
  const each = (ms: number) => (ms / OPERATIONS).toFixed(3);
  row(
    name,
    Math.round(OPERATIONS / seconds),
    each(cpuMs(pid) - before.server),
    each(cpuMs(process.pid) - before.own),
  );
}
