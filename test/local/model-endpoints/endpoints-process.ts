import { startModelEndpoints } from "../../../local/model-endpoints/server.ts";

// Model endpoints in a process of their own, for a test that kills it.
const [databaseFile = ":memory:"] = process.argv.slice(2);
const { port } = await startModelEndpoints({ port: 0, databaseFile, latencyScale: 0 });
process.send?.({ port });
process.on("disconnect", () => process.exit());
