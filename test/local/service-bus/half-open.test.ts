import { once } from "node:events";
import type { Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { queueSettings } from "../../../local/service-bus/queue-settings.ts";
import { connectAmqp } from "./amqp-client.ts";
import { receive, receiveOne, startEmulator } from "./emulator.ts";

const LOCK_MS = 5_000;
const queues = [queueSettings("q", { lockDurationMs: LOCK_MS })];

/** A bare client that waits for messages, and the socket it has. */
async function waitingPeer(port: number): Promise<Socket> {
  const connection = await connectAmqp(port);
  const receiver = connection.open_receiver({ source: "q", autoaccept: false, credit_window: 0 });
  await once(receiver, "receiver_open");
  receiver.add_credit(10);
  await new Promise((resolve) => setImmediate(resolve)); // rhea writes at the end of the turn
  const { socket } = connection as unknown as { socket: Socket };
  onTestFinished(() => void socket.destroy());
  return socket;
}

test("a peer that is gone without a word is taken for dead; what it was given comes back", async () => {
  const { client, clock, server, log } = await startEmulator({ queues, idleTimeoutMs: 500 });
  const socket = await waitingPeer(server.port);
  // As when its cable is pulled: it neither hears nor says anything more, and nobody closes the socket.
  socket.pause();
  socket.write = () => true;
  await client.createSender("q").sendMessages([{ body: 1 }, { body: 2 }]);
  await expect.poll(() => server.counters()["q.locked"]).toBe(2);
  await expect.poll(() => server.counters().connections).toBe(1);
  clock.advance(LOCK_MS);
  const again = await receive(client.createReceiver("q"), 2);
  expect(again.map(({ body, deliveryCount }) => [body, deliveryCount])).toEqual([
    [1, 1],
    [2, 1],
  ]);
  expect(log).toEqual([]);
});

test("a peer that only stops sending is answered with the end of the connection", async () => {
  const { client, server } = await startEmulator({ queues });
  const socket = await waitingPeer(server.port);
  const closed = once(socket, "close");
  socket.end();
  await closed;
  await client.createSender("q").sendMessages({ body: 1 });
  expect((await receiveOne(client.createReceiver("q"))).deliveryCount).toBe(0);
});
