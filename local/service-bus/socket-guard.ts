import type { Socket } from "node:net";
import type { Connection } from "rhea";
import { MAX_FRAME_BYTES, OPEN_TIMEOUT_MS } from "./limits.ts";
import { insideConnection } from "./rhea-inside.ts";

/**
 * AMQP's heartbeat. The SDK leaves Nagle's algorithm on: what it sends after a frame that needs no answer (a flow)
 * waits for TCP's acknowledgement of that, which the kernel holds back for 40 ms unless something is written.
 */
const EMPTY_FRAME = Buffer.from([0, 0, 0, 8, 2, 0, 0, 0]);

/**
 * Keeps one peer from harming the rest: bytes that are no AMQP, frames that are too large, connections that never
 * open end the socket and are logged. Also gathers what is written in one turn into one write.
 */
export function guardSocket(
  socket: Socket,
  connection: Connection,
  log: (line: string) => void,
  onGone: () => void,
): void {
  const inside = insideConnection(connection);
  const peer = `${socket.remoteAddress}:${socket.remotePort}`;
  const drop = (why: string) => {
    if (socket.destroyed) return;
    log(`${peer} is disconnected: ${why}`);
    socket.destroy();
  };
  const writes = gatherWrites(socket);
  let isOpen = false;
  const acknowledge = () => {
    if (writes.owed && isOpen && socket.writable) socket.write(EMPTY_FRAME);
  };

  const input = inside.input.bind(connection);
  inside.input = (bytes: Buffer) => {
    if (socket.destroyed) return;
    if (!writes.owed) {
      writes.owed = true;
      // This comes after the turn's commit, whose answers acknowledge as well.
      input(bytes);
      setImmediate(acknowledge);
    } else {
      input(bytes);
    }
    const { frame_size } = inside;
    if (frame_size !== undefined && frame_size > MAX_FRAME_BYTES) {
      drop(`a frame of ${frame_size} bytes; ${MAX_FRAME_BYTES} are allowed`);
    }
  };

  const onBroken = (error: unknown) =>
    drop(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  connection.on("protocol_error" as never, onBroken as never);
  connection.on("error" as never, onBroken as never);
  const opening = setTimeout(() => drop(`no AMQP connection within ${OPEN_TIMEOUT_MS} ms`), OPEN_TIMEOUT_MS);
  opening.unref();
  connection.on(
    "connection_open" as never,
    (() => {
      clearTimeout(opening);
      isOpen = true;
    }) as never,
  );
  connection.on("connection_close" as never, onGone as never);
  connection.on("disconnected" as never, onGone as never);
  socket.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "ECONNRESET" && error.code !== "EPIPE") log(`${peer}: ${error.message}`);
  });
  socket.once("close", () => {
    clearTimeout(opening);
    // rhea hears of a socket's end, but not of its being destroyed: its timers would live on.
    inside._disconnected();
    onGone();
  });
}

/** One system call a turn, not one a frame. `owed` is cleared by every write. */
function gatherWrites(socket: Socket): { owed: boolean } {
  const state = { owed: false };
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  let corked = false;
  socket.write = ((...args: unknown[]) => {
    state.owed = false;
    if (!corked) {
      corked = true;
      socket.cork();
      process.nextTick(() => {
        corked = false;
        socket.uncork();
      });
    }
    return write(...args);
  }) as typeof socket.write;
  return state;
}
