import { once } from "node:events";
import rhea, {
  type Connection,
  type ConnectionOptions,
  type EventContext,
  type Message,
  type Receiver,
  type Sender,
  type Session,
} from "rhea";
import { afterEach } from "vitest";

/** Bare AMQP clients: they do what other SDKs do, and what no SDK would. */

export type Link = Sender | Receiver;

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

/** A session of its own, as SDKs give each pair of links. */
export async function openSession(connection: Connection): Promise<Session> {
  const { session_buffer_size } = connection as unknown as { session_buffer_size: unknown };
  const session = connection.create_session(session_buffer_size as never);
  session.begin();
  await once(session, "session_open");
  return session;
}

/**
 * The addresses that the reply to an attach names, source and target; null for an end that it does not name. `error`:
 * the condition of the detach that follows then.
 */
export async function attached(link: Link): Promise<{ ends: (string | null)[]; error?: string }> {
  const kind = link.is_sender() ? "sender" : "receiver";
  const closed = once(link, `${kind}_close`);
  await once(link, `${kind}_open`);
  const [source, target] = [addressOf(link.source), addressOf(link.target)];
  const ends = [source, target];
  // As .NET does: the end that is the peer's decides whether a detach is waited for.
  if ((link.is_sender() ? target : source) !== null) return { ends };
  await closed;
  return { ends, error: (link.error as { condition: string } | undefined)?.condition ?? "none" };
}

/** rhea gives an end that is not there as a value that holds null. */
function addressOf(end: unknown): string | null {
  const { address, value } = end as { address?: string; value?: unknown };
  return value === null ? null : (address ?? "");
}

/**
 * A pair of links for requests, as the .NET SDK has them: both ends settle on sending, requests carry no tag, and the
 * reply to the attach decides whether they go out settled. Two unsettled ones with the same tag are its undoing.
 */
export class RequestPair {
  readonly #sender: Sender;
  readonly #replyTo: string;
  readonly #unsettled = new Set<string>();
  readonly #waiting = new Map<string, (reply: Message) => void>();
  #requests = 0;

  static async open(
    connection: Connection,
    node: string,
    replyTo = `reply-${Math.random()}`,
  ): Promise<RequestPair> {
    const session = await openSession(connection);
    const modes = { snd_settle_mode: 1, rcv_settle_mode: 0 } as const;
    const name = `${node}-${Math.random()}`;
    const sender = session.open_sender({
      ...modes,
      name: `${name}:sender`,
      source: {},
      target: node,
    } as never);
    const receiver = session.open_receiver({
      ...modes,
      name: `${name}:receiver`,
      source: node,
      target: replyTo,
      credit_window: 50,
    } as never);
    const pair = new RequestPair(sender, receiver, replyTo);
    await Promise.all([once(sender, "sendable"), once(receiver, "receiver_open")]);
    return pair;
  }

  private constructor(sender: Sender, receiver: Receiver, replyTo: string) {
    this.#sender = sender;
    this.#replyTo = replyTo;
    receiver.on("message", ({ message }: EventContext) => {
      const id = String(message?.correlation_id);
      if (message !== undefined) this.#waiting.get(id)?.(message);
      this.#waiting.delete(id);
    });
  }

  /** The condition with which the link for requests is closed. */
  async closed(): Promise<string | undefined> {
    await once(this.#sender, "sender_close");
    return (this.#sender.error as { condition: string } | undefined)?.condition;
  }

  request(properties: Record<string, unknown>, body: unknown): Promise<Message> {
    const message_id = `request-${this.#requests++}`;
    const tag = "";
    if ((this.#sender as unknown as { snd_settle_mode: number }).snd_settle_mode !== 1) {
      if (this.#unsettled.has(tag)) throw new Error("An item with the same key has already been added");
      this.#unsettled.add(tag);
    }
    const reply = new Promise<Message>((resolve) => this.#waiting.set(message_id, resolve));
    const message = { message_id, reply_to: this.#replyTo, application_properties: properties, body };
    this.#sender.send(message as Message, Buffer.from(tag) as never);
    return reply;
  }
}

/** A SAS token as the SDKs make it; its signature says nothing here. */
export function sasToken(audience: string, untilMs: number): string {
  const [sr, se] = [encodeURIComponent(audience), Math.floor(untilMs / 1_000)];
  return `SharedAccessSignature sr=${sr}&sig=c2lnbmF0dXJl&se=${se}&skn=RootManageSharedAccessKey`;
}

/** The status code of the answer to a token for an audience. */
export async function putToken(
  cbs: RequestPair,
  audience: string,
  untilMs: number,
): Promise<number | undefined> {
  const reply = await cbs.request(
    { operation: "put-token", type: "servicebus.windows.net:sastoken", name: audience },
    sasToken(audience, untilMs),
  );
  return reply.application_properties?.["status-code"];
}
