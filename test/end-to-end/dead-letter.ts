import path from "node:path";
import { ServiceBusClient } from "@azure/service-bus";
import { queuesFromResources } from "../../local/service-bus/config.ts";
import { type RunningServiceBus, startServiceBus } from "../../local/service-bus/server.ts";
import { resources } from "../shared/world.ts";

/** A Service Bus of a test's own, whose messages are kept in a folder. */
export function busOf(folder: string): Promise<RunningServiceBus> {
  return startServiceBus({
    port: 0,
    databaseFile: path.join(folder, "bus.db"),
    queues: queuesFromResources(resources),
  });
}

export const connectionOf = ({ port }: RunningServiceBus) =>
  `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=k;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;`;

/** Sends messages to the nudges and gives them up, before there is a worker that would take them. */
export async function deadLetter(
  connection: string,
  bodies: readonly object[],
  queue = "nudges",
): Promise<void> {
  const client = new ServiceBusClient(connection);
  await client
    .createSender(queue)
    .sendMessages(bodies.map((body) => ({ body, contentType: "application/json" })));
  const receiver = client.createReceiver(queue);
  for (let left = bodies.length; left > 0; ) {
    const messages = await receiver.receiveMessages(left, { maxWaitTimeInMs: 5_000 });
    for (const message of messages) {
      await receiver.deadLetterMessage(message, {
        deadLetterReason: "Tried",
        deadLetterErrorDescription: "d",
      });
    }
    left -= messages.length;
  }
  await client.close();
}
