import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parseFaultPlan as parseCosmosFaultPlan } from "../cosmos/fault-plan.ts";
import type { RunningCosmos } from "../cosmos/server.ts";
import { isFromHere } from "../from-here.ts";
import type { ModelEndpoints } from "../model-endpoints/server.ts";
import { parseFaultPlan } from "../service-bus/fault-plan.ts";
import type { RunningServiceBus } from "../service-bus/server.ts";

/** The emulators that run; undefined where one is not wanted. */
export interface Emulators {
  readonly serviceBus: RunningServiceBus | undefined;
  readonly cosmos: RunningCosmos | undefined;
  readonly models: ModelEndpoints;
}

/** A fault plan is a page of rules. */
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * The emulators' control address, on loopback only. It shows what they did, and makes them fail:
 * `GET /` answers their counters, `POST /faults` takes `{"service_bus": plan, "cosmos": plan}`. The simulated models
 * have theirs at `/_control` of their own port.
 */
export async function startControl(emulators: Emulators): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    if (!isFromHere(request)) {
      answer(response, 403, { error: "not for browsers, nor by another name" });
      return;
    }
    handle(emulators, request).then(
      (body) => answer(response, 200, body),
      (thrown: unknown) =>
        answer(response, 400, { error: thrown instanceof Error ? thrown.message : String(thrown) }),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function handle(emulators: Emulators, request: IncomingMessage): Promise<object> {
  const route = `${request.method} ${request.url}`;
  if (route === "GET /") {
    return {
      service_bus: emulators.serviceBus?.counters() ?? null,
      cosmos: emulators.cosmos?.counters() ?? null,
      model_endpoints: emulators.models.counters(),
    };
  }
  if (route !== "POST /faults") throw new RangeError("There are GET / and POST /faults.");
  const plans = JSON.parse(await textOf(request)) as { service_bus?: unknown; cosmos?: unknown };
  const unknown = Object.keys(plans).filter((name) => name !== "service_bus" && name !== "cosmos");
  if (unknown.length > 0) throw new RangeError(`${unknown.join(", ")}: there are service_bus and cosmos.`);
  const serviceBus = plans.service_bus === undefined ? undefined : parseFaultPlan(plans.service_bus);
  const cosmos = plans.cosmos === undefined ? undefined : parseCosmosFaultPlan(plans.cosmos);
  if (serviceBus !== undefined) emulators.serviceBus?.setFaults(serviceBus);
  if (cosmos !== undefined) emulators.cosmos?.setFaults(cosmos);
  return { set: Object.keys(plans) };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_BODY_BYTES) throw new RangeError("The plan is too large.");
  }
  return text;
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}
