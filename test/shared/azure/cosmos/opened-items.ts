import { EMULATOR_KEY } from "../../../../local/cosmos/authorization.ts";
import { cosmosResources } from "../../../../local/cosmos/resources.ts";
import { startCosmos } from "../../../../local/cosmos/server.ts";
import { CONTROL_CONTAINER, JOBS_CONTAINER, openDatabase } from "../../../../shared/azure/cosmos/client.ts";
import { StoredItems } from "../../../../shared/azure/cosmos/stored-items.ts";
import { cosmosPorts } from "../../../../shared/azure/ports.ts";
import type { Log } from "../../../../shared/log.ts";
import { resources, silent, type TestClock } from "../../world.ts";

export type OpenedItems = Awaited<ReturnType<typeof openItems>>;

/** The app's adapters over the local Cosmos DB, and the containers beneath them, for what the app itself never does. */
export async function openItems(clock: TestClock, log: Log = silent) {
  const options = { port: 0, databaseFile: ":memory:", resources: cosmosResources(resources), clock };
  const emulator = await startCosmos(options);
  const connectionString = `AccountEndpoint=http://127.0.0.1:${emulator.port}/;AccountKey=${EMULATOR_KEY}`;
  const cosmos = { kind: "connection_string", connectionString } as const;
  const nobody = () => {
    throw new Error("no identity here");
  };
  const settings = { cosmos, contentRetentionDays: 30, auditRetentionDays: 0 };
  const { ports, dispose } = cosmosPorts(settings, nobody, clock, log);
  const beneath = openDatabase(cosmos, nobody);
  const jobs = beneath.database.container(JOBS_CONTAINER);
  const control = beneath.database.container(CONTROL_CONTAINER);
  return {
    ...{ ports, jobs, control },
    items: { jobs: new StoredItems(jobs, log), control: new StoredItems(control, log) },
    async close() {
      dispose();
      beneath.dispose();
      await emulator.close();
    },
  };
}
