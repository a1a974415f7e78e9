import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Deployment } from "../../../shared/model/catalogue.ts";
import { createModelClient } from "../../../shared/model/client.ts";
import type { Outcome } from "../../../shared/model/outcome.ts";
import { TestClock } from "../../shared/world.ts";

/** A proxy before the labs that answers late, twice, or for another: nobody gets what somebody else asked for. */
interface Asked {
  readonly socket: Socket;
  /** Which connection it came on, from 0. */
  readonly connection: number;
  readonly callId: string;
  readonly body: string;
}

const clock = new TestClock();
let server: Server;
let asked: Asked[];
let sockets: Socket[];
let onAsked: (one: Asked) => void;
let client: ReturnType<typeof createModelClient>;

beforeEach(async () => {
  asked = [];
  sockets = [];
  onAsked = () => undefined;
  server = createServer((socket) => {
    const connection = sockets.push(socket) - 1;
    let text = "";
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      for (;;) {
        const end = text.indexOf("\r\n\r\n");
        const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
        if (end < 0 || text.length < end + 4 + length) return;
        const callId = /x-ms-client-request-id: (\S+)/i.exec(text)?.[1] ?? "";
        const one = { socket, connection, callId, body: text.slice(end + 4, end + 4 + length) };
        text = text.slice(end + 4 + length);
        asked.push(one);
        onAsked(one);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  client = createModelClient({
    ...{ settings: {}, clock, jobName: async (_, jobId) => `name-${jobId}` },
    credential: () => {
      throw new Error("no identity here");
    },
  });
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await client.close();
  server.close();
});

async function call(tenantId: string, jobId: string, timeoutSeconds = 60): Promise<Outcome> {
  // As in the app, where a job is stored before the next call: the connection of the last one is free by then.
  await new Promise((resolve) => setImmediate(resolve));
  const deployment = {
    ...{ name: "one", provider: "openai", protocol: "openai", model: "m", timeout_seconds: timeoutSeconds },
    ...{ base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, auth: { kind: "none" } },
    ...{ endpoints: ["/v1/chat/completions"], capabilities: [], limits: {}, simulated: false },
    price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
  } as unknown as Deployment;
  const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: `asked by ${tenantId}` }] });
  const signal = new AbortController().signal;
  return client.call({
    deployment,
    endpoint: "/v1/chat/completions",
    body,
    tenantId,
    jobId,
    attempt: 1,
    signal,
  });
}

/** An answer as it is on the wire. */
function answer(content: string, { status = 200, named }: { status?: number; named?: string } = {}): string {
  const body = JSON.stringify({ choices: [{ message: { role: "assistant", content } }] });
  const id = named === undefined ? "" : `x-ms-client-request-id: ${named}\r\n`;
  return `HTTP/1.1 ${status} X\r\ncontent-type: application/json\r\n${id}content-length: ${body.length}\r\n\r\n${body}`;
}

const contentOf = (outcome: Outcome) =>
  outcome.kind === "completed" ? JSON.parse(outcome.body).choices[0].message.content : outcome.kind;

describe("an answer that is sent twice", () => {
  it("is not the next tenant's, though that one asks before it comes", async () => {
    let first: Asked | undefined;
    onAsked = (one) => {
      // The second answer comes when the next request is under way.
      if (first !== undefined) first.socket.write(answer("second of team-a's"));
      one.socket.write(answer(`for ${one.callId}`));
      first ??= one;
    };
    expect(contentOf(await call("team-a", "a"))).toBe("for name-a.1");
    expect(contentOf(await call("team-b", "b"))).toBe("for name-b.1");
    expect(asked.map(({ connection }) => connection)).toEqual([0, 1]);
  });

  it("is not the same tenant's next one where it names its request", async () => {
    onAsked = (one) => {
      const other = asked[asked.length - 2] ?? one;
      one.socket.write(answer("private", { named: other.callId }));
    };
    expect(contentOf(await call("team-a", "a"))).toBe("private");
    expect(await call("team-a", "b")).toMatchObject({
      ...{ kind: "retry", reason: "foreign_answer", billed: "maybe" },
      message: expect.not.stringContaining("private"),
    });
    // Nothing more goes over that connection.
    onAsked = (one) => void one.socket.write(answer("mine", { named: one.callId.toUpperCase() }));
    expect(contentOf(await call("team-a", "c"))).toBe("mine");
    expect(asked.map(({ connection }) => connection)).toEqual([0, 0, 1]);
  });
});

describe("a connection in doubt is closed", () => {
  const good = (one: Asked) => void one.socket.write(answer("good"));

  it("after a time-out: what comes late comes to nobody", async () => {
    const late = Promise.withResolvers<Asked>();
    onAsked = late.resolve;
    const slow = call("team-a", "a", 5);
    const { socket } = await late.promise;
    const closed = once(socket, "close");
    clock.advance(5_000);
    expect(await slow).toMatchObject({ kind: "retry", reason: "call_timeout" });
    await closed;
    onAsked = good;
    expect(contentOf(await call("team-a", "b"))).toBe("good");
    expect(asked[1]?.connection).toBe(1);
  });

  it.each([408, 500, 503])("after a %i", async (status) => {
    onAsked = (one) => void one.socket.write(answer("broken", { status }));
    await call("team-a", "a");
    const [socket] = sockets;
    if (socket !== undefined && !socket.destroyed) await once(socket, "close");
    onAsked = good;
    expect(contentOf(await call("team-a", "b"))).toBe("good");
    expect(asked.map(({ connection }) => connection)).toEqual([0, 1]);
  });

  it("and after an answer that is none, but not after one that is", async () => {
    onAsked = good;
    await call("team-a", "a");
    onAsked = (one) => void one.socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    expect(await call("team-a", "b")).toMatchObject({ kind: "retry" });
    onAsked = good;
    await call("team-a", "c");
    expect(asked.map(({ connection }) => connection)).toEqual([0, 0, 1]);
  });
});

it("answers that a proxy swaps between two tenants are broken answers", async () => {
  const both = Promise.withResolvers<void>();
  onAsked = () => asked.length === 2 && both.resolve();
  const calls = [call("team-a", "a"), call("team-b", "b")];
  await both.promise;
  const [one, two] = asked;
  one?.socket.write(answer("two's", { named: two?.callId ?? "" }));
  two?.socket.write(answer("one's", { named: one?.callId ?? "" }));
  for (const outcome of await Promise.all(calls))
    expect(outcome).toMatchObject({ kind: "retry", reason: "foreign_answer" });
});

it("pools are bounded: with more tenants than that, the longest unused one's connection is closed", async () => {
  onAsked = (one) => void one.socket.write(answer("good"));
  await call("team-0", "a");
  const closed = once(sockets[0] as Socket, "close");
  for (let n = 1; n <= 512; n++) await call(`team-${n}`, "a");
  await closed;
  expect(sockets).toHaveLength(513);
});
