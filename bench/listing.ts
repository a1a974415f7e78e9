import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { processLog } from "../functions/log.ts";
import { EMULATOR_KEY } from "../local/cosmos/authorization.ts";
import { cosmosResources } from "../local/cosmos/resources.ts";
import { startCosmos } from "../local/cosmos/server.ts";
import { JOBS_CONTAINER, openDatabase } from "../shared/azure/cosmos/client.ts";
import { CosmosContent } from "../shared/azure/cosmos/content.ts";
import { CosmosJobStore } from "../shared/azure/cosmos/job-store.ts";
import { StoredItems } from "../shared/azure/cosmos/stored-items.ts";
import { systemClock } from "../shared/clock.ts";
import type { ListFilter } from "../shared/job/ports.ts";
import { head, latenciesMs, median, row } from "./measure.ts";
import { type Item, itemsOf, storeJobs } from "./stored-jobs.ts";

/**
 * What a list costs beside many ended jobs of the tenant: by a status that most, some, five or none of them have, by a
 * model, and behind the last page. Emulator and SDK in one process, the store on disk.
 */
const { values } = parseArgs({ options: { jobs: { type: "string", default: "150000" } } });
const count = Number(values.jobs);
const TENANT = "team-a";
const TIMES = 9;

const folder = mkdtempSync(path.join(tmpdir(), "switchyard-bench-"));
const infra = readFileSync(path.join(import.meta.dirname, "../infra/resources.json"), "utf8");
const cosmos = await startCosmos({
  port: 0,
  databaseFile: path.join(folder, "cosmos.db"),
  resources: cosmosResources(JSON.parse(infra)),
});
const connectionString = `AccountEndpoint=http://127.0.0.1:${cosmos.port}/;AccountKey=${EMULATOR_KEY}`;
const { database, dispose } = openDatabase({ kind: "connection_string", connectionString }, () => {
  throw new Error("no identity here");
});
const container = database.container(JOBS_CONTAINER);
await storeJobs(container, count, (n) => {
  const [job, ...content] = itemsOf(n, TENANT);
  const status = n < 5 ? "cancelled" : n % 10 === 3 ? "failed" : "completed";
  return [{ ...(job as Item), status } as Item, ...content];
});

const items = new StoredItems(container, processLog);
const contents = new CosmosContent(items, systemClock);
const store = new CosmosJobStore(items, { contentDays: 30, auditDays: 0 }, contents);
head("list", "jobs", "median ms", "slowest ms");
const limit = 20;
const oldest = await store.list(TENANT, { limit: 5, status: "cancelled" });
const first = oldest.jobs.at(-1);
if (first === undefined) throw new Error("no job is stored");
const after = { created_at_ms: first.created_at_ms + 10, job_id: first.job_id };
await measure("all", {});
await measure("completed: nine of ten", { status: "completed" });
await measure("failed: one of ten", { status: "failed" });
await measure("cancelled: the five oldest", { status: "cancelled" });
await measure("queued: none", { status: "queued" });
await measure("of a model that all have", { model: "gpt-sim" });
await measure("of a model that none has", { model: "none" });
await measure("completed, of a model that none has", { status: "completed", model: "none" });
await measure("all, the last page", { after });
await measure("completed, the last page", { status: "completed", after });
dispose();
await cosmos.close();
rmSync(folder, { recursive: true });

async function measure(name: string, filter: Partial<ListFilter>): Promise<void> {
  let found = 0;
  const latencies = await latenciesMs(TIMES, async () => {
    found = (await store.list(TENANT, { limit, ...filter })).jobs.length;
  });
  row(name, found, median(latencies).toFixed(1), (latencies.at(-1) ?? Number.NaN).toFixed(1));
}
