import { connect } from "node:net";
import type { Env } from "./settings.ts";

/** An account of the user's own that does not answer; the message names its setting. */
export class NotReached extends Error {
  override readonly name = "NotReached";
}

const PATIENCE_MS = 5_000;

/** Where the accounts are that the settings name themselves; one that cannot be read is for the app to refuse. */
export function ownAccounts(env: Env): { setting: string; host: string; port: number }[] {
  const { COSMOS, SERVICEBUS } = env;
  const endpoint = (text: string | undefined, name: string) =>
    new RegExp(`(?:^|;)${name}=([^;]+)`, "i").exec(text ?? "")?.[1];
  const busPort = /UseDevelopmentEmulator=true/i.test(SERVICEBUS ?? "") ? "5672" : "5671";
  const namespace = env.SERVICEBUS__fullyQualifiedNamespace;
  const named = [
    ["COSMOS", endpoint(COSMOS, "AccountEndpoint"), "443"],
    ["COSMOS__accountEndpoint", env.COSMOS__accountEndpoint, "443"],
    // Of a scheme that URL knows nothing of it tells the host as it is written.
    ["SERVICEBUS", endpoint(SERVICEBUS, "Endpoint"), busPort],
    ["SERVICEBUS__fullyQualifiedNamespace", namespace && `sb://${namespace}`, busPort],
  ] as const;
  return named.flatMap(([setting, text, usual]) => {
    const url = text === undefined ? null : URL.parse(text);
    if (url === null || url.hostname === "") return [];
    const port = url.port || (url.protocol === "http:" ? "80" : usual);
    return [{ setting, host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(port) }];
  });
}

/** Says it in one sentence before any process is started that would say it many times a second. @throws NotReached */
export async function reachOwnAccounts(env: Env): Promise<void> {
  await Promise.all(
    ownAccounts(env).map(async ({ setting, host, port }) => {
      const why = await refusalOf(host, port);
      if (why === undefined) return;
      const local = setting.startsWith("COSMOS") ? "Cosmos DB" : "Service Bus";
      throw new NotReached(
        `${setting} names ${host}:${port}, which cannot be reached (${why}): start it or correct the setting, ` +
          `or leave it out for the local ${local}.`,
      );
    }),
  );
}

/** Why no connection can be made; undefined: one can. */
function refusalOf(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PATIENCE_MS });
    const end = (why: string | undefined) => {
      socket.destroy();
      resolve(why);
    };
    socket.once("connect", () => end(undefined));
    socket.once("timeout", () => end(`no answer within ${PATIENCE_MS / 1000} s`));
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
