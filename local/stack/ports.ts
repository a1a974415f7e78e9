/** A port is taken; the message names the setting to change. */
export class PortTaken extends Error {
  override readonly name = "PortTaken";
}

/** Starts something that listens on `port`, which `setting` names. Throws PortTaken. */
export async function onPort<T>(
  setting: string,
  port: number,
  start: (port: number) => Promise<T>,
): Promise<T> {
  try {
    return await start(port);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EADDRINUSE") throw thrown;
    throw new PortTaken(
      `Port ${port} of 127.0.0.1 is taken: set ${setting} to another one (0 takes a free one).`,
    );
  }
}
