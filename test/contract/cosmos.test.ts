import { cosmosContract } from "./cosmos-contract.ts";
import { azureDatabases, openLocalDatabase } from "./cosmos-targets.ts";
import { azureConnection } from "./targets.ts";

cosmosContract("local", openLocalDatabase);

const azure = azureConnection("Cosmos DB");
if (azure !== undefined) cosmosContract("on Azure", azureDatabases(azure));
