import type { HttpClient } from "@azure/core-rest-pipeline";
import { Agent, type Dispatcher } from "undici";
import { exchange } from "../../exchange.ts";
import { AnswerHeaders } from "./answer-headers.ts";

/** Connections to one endpoint: a store that is slow is not made slower by hundreds at once. */
const MAX_CONNECTIONS = 128;

/** Hears what a request to a container, or to none, was charged: in request units. */
export type Charged = (container: string, requestUnits: number, isThrottled: boolean) => void;

/**
 * The HTTP client of the Cosmos SDK on undici: about half the CPU of the SDK's own on node:http, and at several
 * operations a job the store's client is most of what a job costs.
 */
export function undiciHttpClient(charged: Charged = () => undefined): {
  httpClient: HttpClient;
  close: () => Promise<void>;
} {
  const agent = new Agent({ connections: MAX_CONNECTIONS, pipelining: 1 });
  const httpClient: HttpClient = {
    async sendRequest(request) {
      const answer = await exchange(
        agent,
        {
          ...targetOf(request.url),
          method: request.method as Dispatcher.HttpMethod,
          headers: request.headers.toJSON(),
          body: (request.body as string | Uint8Array | undefined) ?? null,
        },
        { signal: request.abortSignal as AbortSignal | undefined },
      );
      const charge = Number(answer.headers["x-ms-request-charge"]);
      if (charge > 0) charged(request.url.split("/")[6] ?? "", charge, answer.status === 429);
      return {
        request,
        status: answer.status,
        headers: new AnswerHeaders(answer.headers),
        bodyAsText: answer.text,
      };
    },
  };
  return { httpClient, close: () => agent.close() };
}

function targetOf(url: string): { origin: string; path: string } {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  return start < 0 ? { origin: url, path: "/" } : { origin: url.slice(0, start), path: url.slice(start) };
}
