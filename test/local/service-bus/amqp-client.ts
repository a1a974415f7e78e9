import { once } from "node:events";
import rhea, { type Connection, type ConnectionOptions } from "rhea";
import { afterEach } from "vitest";

/** Bare AMQP clients: they do what other SDKs do, and what no SDK would. */

const open: Connection[] = [];

afterEach(() => {
  for (const connection of open.splice(0)) connection.close();
});

/** The name of a key and the key, as Qpid JMS or AMQP.NET Lite send them (SASL PLAIN). */
export const BY_KEY = { username: "RootManageSharedAccessKey", password: "key" } as const;

/** As the .NET SDK begins: it knows this mechanism alone, and sends tokens afterwards. */
export const BY_TOKEN = {
  sasl_mechanisms: {
    MSSBCBS: () => ({ start: (say: (error: undefined, response: string) => void) => say(undefined, "") }),
  },
} as object;

/** A connection that closes with the test; errors of it and its links are no failure by themselves. */
export async function connectAmqp(port: number, options: object = BY_KEY): Promise<Connection> {
  const container = rhea.create_container();
  const quiet = [
    "connection_error",
    "disconnected",
    "error",
    "session_error",
    "sender_error",
    "receiver_error",
  ];
  for (const event of quiet) container.on(event, () => undefined);
  const connection = container.connect({
    ...{ port, host: "127.0.0.1", reconnect: false },
    ...options,
  } as ConnectionOptions);
  open.push(connection);
  await once(connection, "connection_open");
  return connection;
}
