import { queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { startServiceBus } from "../../../local/service-bus/server.ts";

/** A server in a process of its own, to be killed: its file is the first argument; it says its port. */
const [databaseFile = ""] = process.argv.slice(2);
const server = await startServiceBus({
  port: 0,
  databaseFile,
  queues: [queueSettings("q", { lockDurationMs: 300_000 })],
});
process.send?.({ port: server.port });
process.on("disconnect", () => process.exit(0));
