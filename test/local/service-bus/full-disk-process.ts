import { ServiceBusClient } from "@azure/service-bus";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { startServiceBus } from "../../../local/service-bus/server.ts";

/** A server whose disk fills up: sends until it is refused, and says what was stored and what is there. */
const [databaseFile = ""] = process.argv.slice(2);
const server = await startServiceBus({
  port: 0,
  databaseFile,
  queues: [queueSettings("q")],
  log: () => undefined,
});
const connect = () =>
  new ServiceBusClient(
    `Endpoint=sb://127.0.0.1:${server.port};SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true`,
    { retryOptions: { maxRetries: 0 } },
  );
const sender = connect().createSender("q");
let stored = 0;
let refused = "";
while (refused === "" && stored < 1_000) {
  try {
    await sender.sendMessages({ body: "x".repeat(10_000) });
    stored++;
  } catch (thrown) {
    refused = thrown instanceof Error ? thrown.message : String(thrown);
  }
}
let kept = 0;
const receiver = connect().createReceiver("q");
for (;;) {
  const page = await receiver.peekMessages(100);
  if (page.length === 0) break;
  kept += page.length;
}
process.stdout.write(`${JSON.stringify({ stored, refused, kept })}\n`, () => process.exit(0));
