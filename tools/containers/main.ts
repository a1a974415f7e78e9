import { readFileSync } from "node:fs";
import path from "node:path";
import { CosmosClient } from "@azure/cosmos";
import { cosmosResources } from "../../local/cosmos/resources.ts";
import { createCosmos } from "./create-cosmos.ts";

/**
 * `npm run containers`: makes the Cosmos database and containers of infra/resources.json at COSMOS, a connection
 * string from the environment, else from local.settings.json, else from its sample.
 */
const root = path.resolve(import.meta.dirname, "../..");
const resources = cosmosResources(JSON.parse(readFileSync(path.join(root, "infra/resources.json"), "utf8")));

function connectionString(): string {
  for (const file of ["local.settings.json", "local.settings.sample.json"]) {
    try {
      const { Values } = JSON.parse(readFileSync(path.join(root, file), "utf8"));
      if (typeof Values?.COSMOS === "string") return Values.COSMOS;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    }
  }
  throw new Error("COSMOS is not set.");
}

try {
  const client = new CosmosClient(process.env.COSMOS ?? connectionString());
  for (const line of await createCosmos(client, resources)) console.log(line);
  client.dispose();
} catch (thrown) {
  console.error(`The containers could not be made: ${thrown instanceof Error ? thrown.message : thrown}`);
  process.exitCode = 1;
}
