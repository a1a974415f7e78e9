import { once } from "node:events";
import { Agent, createServer, request, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Relay } from "../../../local/stack/relay.ts";

interface FakeInstance {
  readonly name: string;
  port: number;
  isTaken: boolean;
  woken: number;
  wake(): void;
  server: Server;
}

let relay: Relay;
let port: number;
let agent: Agent;
let instances: FakeInstance[];
/** Whose turn it is; undefined: none is there yet. */
let next: FakeInstance | undefined;
let waiting: ((instance: FakeInstance) => void)[];
let open: number;

beforeEach(async () => {
  [instances, waiting, open, next] = [[], [], 0, undefined];
  relay = new Relay({
    next: async () => next ?? new Promise((resolve) => waiting.push(resolve)),
    onOpen: (change) => {
      open += change;
    },
  });
  port = await relay.listen(0);
  agent = new Agent({ keepAlive: true, maxSockets: 1 });
});
afterEach(() => {
  agent.destroy();
  relay.close();
  relay.closeAll();
  for (const { server } of instances) server.close().closeAllConnections();
});

/** A host that answers its name; `/never` gets no answer, `/half` the half of one. */
async function instance(name: string): Promise<FakeInstance> {
  const server = createServer((asked, response) => {
    if (asked.url === "/never") return;
    if (asked.url === "/half") response.writeHead(200, { "content-length": 100 }).write(name);
    else response.end(name);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const made: FakeInstance = {
    ...{ name, server, woken: 0, isTaken: false, port: (server.address() as AddressInfo).port },
    wake() {
      made.woken += 1;
    },
  };
  instances.push(made);
  return made;
}

/** The answer's body; the error's code when the connection breaks. */
function ask(path = "/"): Promise<string> {
  return new Promise((resolve) => {
    const asked = request({ host: "127.0.0.1", port, path, agent }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
      response.on("error", (error: NodeJS.ErrnoException) => resolve(`${text} ${error.code}`));
    });
    asked.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "error"));
    asked.end();
  });
}

it("wakes an instance with every request of a connection, and counts those that wait", async () => {
  const a = await instance("a");
  next = a;
  expect(await ask()).toBe("a");
  expect(a.woken).toBe(1);
  expect(await ask()).toBe("a");
  expect(a.woken).toBe(2);
  const waits = ask("/never");
  while (open === 0) await new Promise((resolve) => setImmediate(resolve));
  // It says that it is frozen while a request is on its way to it.
  const before = a.woken;
  relay.wakeFor(a);
  expect(a.woken).toBe(before + 1);
  a.server.closeAllConnections();
  expect(await waits).toBe("ECONNRESET");
  while (open !== 0) await new Promise((resolve) => setImmediate(resolve));
  relay.wakeFor(a);
  expect(a.woken).toBe(before + 1);
});

it("holds a request until an instance is there", async () => {
  const asked = ask();
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  expect(open).toBe(1);
  const late = await instance("late");
  for (const resolve of waiting) resolve(late);
  expect(await asked).toBe("late");
  expect(open).toBe(0);
});

it("keeps a client's connection while its instance is taken away, and goes on with another", async () => {
  const a = await instance("a");
  next = a;
  expect(await ask()).toBe("a");
  const [[socket] = []] = Object.values(agent.freeSockets);
  next = await instance("b");
  a.isTaken = true;
  a.server.closeIdleConnections();
  expect(await ask()).toBe("b");
  expect(Object.values(agent.freeSockets)[0]?.[0]).toBe(socket);
  // It need not have closed its connection yet: nothing more goes there.
  const b = next;
  next = await instance("c");
  b.isTaken = true;
  expect(await ask()).toBe("c");
});

it("tries another instance when one is gone before it was reached", async () => {
  const gone = await instance("gone");
  gone.server.close();
  await once(gone.server, "close");
  const asked = ask();
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const other = await instance("other");
  waiting.shift()?.(gone);
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  waiting.shift()?.(other);
  expect(await asked).toBe("other");
});

it("breaks off a connection whose instance dies in the middle, before or after the answer began", async () => {
  const a = await instance("a");
  next = a;
  for (const [path, what] of [
    ["/never", "ECONNRESET"],
    ["/half", "a ECONNRESET"],
  ] as const) {
    const asked = ask(path);
    if (path === "/half") await once(a.server, "request");
    else while (open === 0) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    a.server.closeAllConnections();
    expect(await asked).toBe(what);
  }
});

it("closes for a client that wants its connection closed, and hears of one that goes", async () => {
  next = await instance("a");
  const socket = connect(port, "127.0.0.1");
  socket.write("GET / HTTP/1.0\r\n\r\n");
  let text = "";
  for await (const chunk of socket) text += chunk;
  expect(text).toMatch(/a$/);
  const leaving = connect(port, "127.0.0.1");
  leaving.write("GET /never HTTP/1.1\r\nhost: a\r\n\r\n");
  const [asked] = await once(next.server, "request");
  leaving.destroy();
  asked.on("error", () => undefined);
  await new Promise((resolve) => asked.once("close", resolve));
  while (open !== 0) await new Promise((resolve) => setImmediate(resolve));
});
