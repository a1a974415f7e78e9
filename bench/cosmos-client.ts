import { CosmosClient } from "@azure/cosmos";
import { EMULATOR_KEY } from "../local/cosmos/authorization.ts";
import { keySigner } from "../shared/azure/cosmos/key.ts";
import { undiciHttpClient } from "../shared/azure/cosmos/undici-http-client.ts";
import { cpuMs, row, timed } from "./measure.ts";

/**
 * One way to open the SDK, in a process of its own for bench/cosmos.ts: V8 compiles for what it has seen, and would not
 * be as fast for a second client. Arguments: `default` or `app`, the emulator's port, its process.
 */
const OPERATIONS = 10_000;
/** V8 goes on compiling for some thousand operations: they are done before anything is measured. */
const WARM_UP = 5_000;
const IN_FLIGHT = 20;

const [way, port, serverPid] = process.argv.slice(2);
const endpoint = `http://127.0.0.1:${port}/`;
const { httpClient, close } = undiciHttpClient();
const client =
  way === "app"
    ? new CosmosClient({ endpoint, tokenProvider: keySigner(EMULATOR_KEY), httpClient })
    : new CosmosClient({ endpoint, key: EMULATOR_KEY });
const name = way === "app" ? "as the app opens it" : "as it comes";

const { database } = await client.databases.createIfNotExists({ id: "bench" });
const { container } = await database.containers.create({ id: name, partitionKey: { paths: ["/pk"] } });
const item = (prefix: string, n: number) => ({
  ...{ id: `${prefix}${n}`, pk: `${prefix}${n % 100}` },
  text: "x".repeat(200),
});
const read = (prefix: string, n: number) => container.item(`${prefix}${n}`, `${prefix}${n % 100}`).read();

await timed(WARM_UP, IN_FLIGHT, async (n) => {
  await container.items.create(item("w", n));
  await read("w", n);
});
await measure("create", (n) => container.items.create(item("i", n)));
await measure("point read", (n) => read("i", n));
await measure("query by partition, TOP 1", (n) =>
  container.items.query("SELECT TOP 1 * FROM c", { partitionKey: `i${n % 100}` }).fetchAll(),
);
client.dispose();
await close();

async function measure(operation: string, work: (n: number) => Promise<unknown>): Promise<void> {
  const pid = Number(serverPid);
  const before = { server: cpuMs(pid), own: cpuMs(process.pid) };
  const seconds = await timed(OPERATIONS, IN_FLIGHT, work);
  const each = (ms: number) => (ms / OPERATIONS).toFixed(3);
  row(
    operation,
    name,
    Math.round(OPERATIONS / seconds),
    each(cpuMs(pid) - before.server),
    each(cpuMs(process.pid) - before.own),
  );
}
