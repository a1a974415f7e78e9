import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "../clock.ts";
import { ApiError } from "./api-error.ts";
import { type CallCounters, Calls } from "./calls.ts";
import { control } from "./control.ts";
import { send } from "./fault-answer.ts";
import { FaultRules } from "./fault-rules.ts";
import type { LimitOrder } from "./limit-order.ts";
import { ModelCalls } from "./model-calls.ts";
import { ENDPOINT_PATHS, type LabProfile, PROFILES, withLimits } from "./profiles.ts";
import { DEFAULT_SEED } from "./settings.ts";

export interface ModelEndpointsOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Where calls are counted, or `:memory:`. */
  readonly databaseFile: string;
  readonly seed?: string | number;
  readonly clock?: Clock;
  /** Told of faults of the simulation itself. */
  readonly log?: (event: { readonly event: string; readonly reason: string }) => void;
  /** 1: as slow as the real thing, 0: no delay. */
  readonly latencyScale?: number;
  /** The labs; those of profiles.ts if left out, which have no rate limits at a latencyScale of 0. */
  readonly profiles?: readonly LabProfile[];
  /** Rate limits instead of the profiles' own. */
  readonly limits?: readonly LimitOrder[];
}

export interface ModelEndpoints {
  readonly port: number;
  counters(): CallCounters & { readonly in_flight: number };
  close(): Promise<void>;
}

/** Longer than clients keep an idle connection, so that none is closed just as a call goes out on it. */
const KEEP_ALIVE_MS = 120_000;

/**
 * Simulated deployments of four labs on 127.0.0.1, as Azure AI Foundry's /openai/v1 shows them:
 * `/<openai|xai|deepseek>/v1/{chat/completions, responses, embeddings, models}`, `/anthropic/v1/messages`, and `/_control` (control.ts). What a
 * prompt can ask of the simulation stands in directives.ts. Every answer has the header `x-simulated: true`.
 * Rejects when the port is taken or the file cannot be used.
 */
export async function startModelEndpoints(options: ModelEndpointsOptions): Promise<ModelEndpoints> {
  const { clock = systemClock, latencyScale = 1, log = () => undefined } = options;
  const seed = String(options.seed ?? DEFAULT_SEED);
  const labs = options.profiles ?? (latencyScale === 0 ? withLimits(PROFILES) : PROFILES);
  const calls = new Calls(options.databaseFile);
  const rules = new FaultRules(seed);
  const modelCalls = new ModelCalls({ labs, calls, rules, clock, seed, latencyScale });
  for (const order of options.limits ?? []) modelCalls.limit(order);
  const inFlight = new Set<Promise<void>>();

  const server = createServer((req, res) => {
    const handled = handle(req, res).catch((thrown: unknown) => fail(res, thrown, log));
    inFlight.add(handled);
    handled.finally(() => inFlight.delete(handled));
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [path = "/"] = (req.url ?? "/").split("?", 1);
    if (path.startsWith("/_control")) {
      return control(req, res, new URL(req.url ?? "/", "http://127.0.0.1"), calls, rules, modelCalls);
    }
    const slash = path.indexOf("/", 1);
    const lab = labs.find((each) => each.name === path.slice(1, slash));
    const rest = path.slice(slash);
    if (lab === undefined) throw notFound();
    if (rest === "/v1/models" && req.method === "GET") {
      return send(res, 200, SIMULATED, JSON.stringify(modelList(lab)));
    }
    const endpoint = ENDPOINT_PATHS.find((each) => each === rest);
    if (endpoint === undefined) throw notFound();
    if (req.method !== "POST") {
      throw new ApiError(405, {
        message: `Not allowed to ${req.method} on ${rest}.`,
        type: "invalid_request_error",
      });
    }
    await modelCalls.answer(req, res, lab, endpoint);
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", resolve);
  }).catch((thrown: unknown) => {
    calls.close();
    throw thrown;
  });

  let closing: Promise<void> | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    counters: () => ({ ...calls.counters(), in_flight: inFlight.size }),
    close() {
      closing ??= (async () => {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        server.closeAllConnections();
        await closed;
        await Promise.all(inFlight);
        calls.close();
      })();
      return closing;
    },
  };
}

const SIMULATED = { "x-simulated": "true" };

const notFound = (): ApiError => new ApiError(404, { message: "Resource not found", code: "404" });

function modelList(lab: LabProfile): object {
  return {
    object: "list",
    data: lab.models.map((model) => ({ id: model.name, object: "model", created: 0, owned_by: lab.name })),
  };
}

function fail(res: ServerResponse, thrown: unknown, log: NonNullable<ModelEndpointsOptions["log"]>): void {
  if (thrown instanceof ApiError) {
    if (!res.headersSent) send(res, thrown.status, SIMULATED, thrown.body);
    return;
  }
  // The caller is gone: no one is left to be told.
  if (res.destroyed) return;
  log({
    event: "model_endpoints_failed",
    reason: thrown instanceof Error ? (thrown.stack ?? "") : String(thrown),
  });
  if (res.headersSent) res.destroy();
  else
    send(
      res,
      500,
      SIMULATED,
      new ApiError(500, { message: "The simulation failed.", type: "server_error" }).body,
    );
}
