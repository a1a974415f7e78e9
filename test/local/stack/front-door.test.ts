import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FrontDoor } from "../../../local/stack/front-door.ts";

let folder: string;
let door: FrontDoor;
let port: number;
let hosts: ChildProcess[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "door-"));
  hosts = [];
  door = new FrontDoor();
  port = await door.listen(0);
});
afterEach(() => {
  door.close();
  for (const host of hosts) host.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** A process that does `with` each connection it is handed, once it is known to run. */
async function host(does: string): Promise<ChildProcess> {
  const file = join(folder, `host-${hosts.length}.mjs`);
  writeFileSync(
    file,
    `process.on("message", ({ connection }, socket) => { ${does} });
     process.send({ ready: true });`,
  );
  const child = fork(file, [], { execArgv: [] });
  hosts.push(child);
  await once(child, "message");
  return child;
}

const TAKES = "process.send({ taken: connection }); socket.end(String(process.pid));";

/** All that a connection brings until it ends; the error's code when it is broken. */
function end(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "error"));
    socket.on("close", () => resolve(text));
  });
}

it("hands connections to its processes in turn, and keeps those that come before any", async () => {
  const early = end(connect(port, "127.0.0.1"));
  const [a, b] = [await host(TAKES), await host(TAKES)];
  door.open(a);
  expect(await early).toBe(String(a.pid));
  door.open(b);
  const turns = [];
  for (let i = 0; i < 4; i++) turns.push(await end(connect(port, "127.0.0.1")));
  expect(turns.map(Number).sort()).toEqual([a.pid, a.pid, b.pid, b.pid].sort());
});

it("resets a connection whose process dies before it says that it has it", async () => {
  // It has the socket, reads the request, and is killed in that moment.
  const dying = await host('socket.on("data", () => process.kill(process.pid, "SIGKILL"));');
  door.open(dying);
  const socket = connect(port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\n\r\n");
  expect(await end(socket)).toBe("ECONNRESET");
  // Whoever comes next waits for a process that lives.
  const next = end(connect(port, "127.0.0.1"));
  const other = await host(TAKES);
  door.open(other);
  expect(await next).toBe(String(other.pid));
});

it("resets the one connection of a frozen process that is killed, and gives it no second", async () => {
  const frozen = await host(TAKES);
  process.kill(frozen.pid ?? 0, "SIGSTOP");
  door.open(frozen);
  const first = connect(port, "127.0.0.1");
  const ended = end(first);
  await once(first, "connect");
  const second = end(connect(port, "127.0.0.1"));
  const other = await host(TAKES);
  door.open(other);
  expect(await second).toBe(String(other.pid));
  process.kill(frozen.pid ?? 0, "SIGKILL");
  expect(await ended).toBe("ECONNRESET");
});

it("hands a connection on that a process refuses, whole", async () => {
  door.open(await host("process.send({ refused: connection }); socket.destroy();"));
  const socket = connect(port, "127.0.0.1");
  socket.write("hello");
  const ended = end(socket);
  const echo = await host(
    'process.send({ taken: connection }); socket.on("data", (data) => socket.end(data));',
  );
  door.open(echo);
  expect(await ended).toBe("hello");
});
