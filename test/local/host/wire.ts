import { connect } from "node:net";

/** Sends bytes as they are to 127.0.0.1 and returns all that comes back until the connection ends. */
export function exchange(port: number, ...parts: (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      for (const part of parts) socket.write(part);
    });
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    // The server closes while the client still writes: what has come by then is the answer.
    socket.on("error", (error: NodeJS.ErrnoException) =>
      error.code === "ECONNRESET" || error.code === "EPIPE" ? undefined : reject(error),
    );
    socket.on("close", () => resolve(answer));
  });
}
