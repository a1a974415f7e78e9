import type { ServerResponse } from "node:http";
import type { Env } from "./app-settings.ts";

/** Answers `/` where no function does. */
export type HomePage = (response: ServerResponse) => void;

const PAGE =
  "<!doctype html><title>Functions</title><p>This function app is running; none of its functions answers here.\n";

/** A page that says that the host runs; with `AzureWebJobsDisableHomepage=true` nothing (204), as in the cloud. */
export function homePageOf({ AzureWebJobsDisableHomepage: disabled }: Env): HomePage {
  if (disabled?.toLowerCase() === "true") return (response) => void response.writeHead(204).end();
  return (response) => {
    response
      .writeHead(200, { "content-type": "text/html", "content-length": Buffer.byteLength(PAGE) })
      .end(PAGE);
  };
}

/** The status of paths that belong to the cloud's host, never to a function: it asks for a key that no one has here. */
export function hostsOwnAnswer(path: string): 401 | undefined {
  return /^\/(admin(\/|$)|runtime\/webhooks\/[^/])/i.test(path) ? 401 : undefined;
}
