import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { onLeft, watchClients } from "../../functions/clients.ts";

let server: Server;
/** Called when a request has come in, with what answers it. */
let came: (answer: () => void) => void;

beforeAll(async () => {
  watchClients();
  server = createServer((_request, response) => came(() => response.end("answered")));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

/** A client whose request has come in, as the invocation of that id. */
async function client(id: string): Promise<{ socket: Socket; answer: () => void }> {
  const { promise, resolve } = Promise.withResolvers<() => void>();
  came = resolve;
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.write(`GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\nx-ms-invocation-id: ${id}\r\n\r\n`);
  return { socket, answer: await promise };
}
const closed = (socket: Socket) => new Promise((resolve) => socket.resume().once("close", resolve));

it("a client that leaves before its answer is noticed, one that has it is not", async () => {
  const leaver = await client("one");
  const left = new Promise<void>((resolve) => onLeft("one", resolve));
  leaver.socket.destroy();
  await left;

  const stays = await client("two");
  let noticed = 0;
  onLeft("two", () => noticed++);
  const forget = onLeft("two", () => noticed++);
  forget();
  stays.answer();
  await closed(stays.socket);
  // Its end was heard of here too.
  await client("three").then(({ socket }) => socket.destroy());
  expect(noticed).toBe(0);
  onLeft("nobody", () => noticed++)();
});

it("a client that left before its function began has left", async () => {
  const leaver = await client("early");
  const left = new Promise<void>((resolve) => onLeft("early", resolve));
  leaver.socket.destroy();
  await left;
  let noticed = 0;
  onLeft("early", () => noticed++)();
  expect(noticed).toBe(1);
});
