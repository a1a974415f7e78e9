import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { app } from "@azure/functions";
import { credentialsOf } from "../shared/azure/identity.ts";
import { cosmosPorts } from "../shared/azure/ports.ts";
import { ServiceBusBatchTurns } from "../shared/azure/service-bus/batch-turns.ts";
import { ServiceBusDeliveries } from "../shared/azure/service-bus/deliveries.ts";
import { openServiceBus, ServiceBusNudges } from "../shared/azure/service-bus/nudges.ts";
import { ServiceBusReleases } from "../shared/azure/service-bus/releases.ts";
import { systemClock as clock } from "../shared/clock.ts";
import { loadConfiguration, tenantsOf } from "../shared/configuration.ts";
import { Secrets } from "../shared/control/secrets.ts";
import { createAuthenticator } from "../shared/http/authenticate.ts";
import { readSite, type Site } from "../shared/http/console/site.ts";
import { readJson } from "../shared/http/json-text.ts";
import { failureOf } from "../shared/http/openai/failure.ts";
import { createThrottle } from "../shared/http/throttle.ts";
import { createModelClient } from "../shared/model/client.ts";
import { composeService, type Service } from "../shared/service.ts";
import { startTelemetry } from "../shared/telemetry/start.ts";
import { watchTenants } from "../shared/tenant/watched-tenants.ts";
import { ThreadChecks } from "../shared/validation/answer-checks.ts";
import { createSender, systemResolve } from "../shared/webhook/send.ts";
import { registerDeadLetter } from "./dead-letter.ts";
import { registerDeliver } from "./deliver.ts";
import { registerEnding } from "./ending.ts";
import { processLog as log, logAs } from "./log.ts";
import { malformedRequest, registerRoutes } from "./register.ts";
import { guardRequests } from "./request-guard.ts";
import { RUN_JOB, registerRunJob } from "./run-job.ts";
import { registerSeal } from "./seal.ts";
import { registerSweep } from "./sweep.ts";
import { registerTakeBatchTurn } from "./take-batch-turn.ts";

/**
 * The composition root: the one place that reads the environment, opens clients and registers functions. A fault in
 * settings, catalogue or tenants is thrown here, and the host does not start.
 */
const randomHex = (bytes: number) => randomBytes(bytes).toString("hex");
const configuration = loadConfiguration(
  process.env,
  (file) => readFileSync(file, "utf8"),
  () => randomHex(4),
);
const { settings } = configuration;
logAs(settings.instance);
const { tenantsFile } = settings;
const tenants = watchTenants(
  { tenants: configuration.tenants, text: configuration.tenantsText },
  {
    readText: (signal) => readFile(tenantsFile, { encoding: "utf8", signal }),
    parse: (text) => tenantsOf(tenantsFile, text, settings),
    ...{ clock, log },
  },
);
const credentials = credentialsOf(process.env.AZURE_CLIENT_ID);
const serviceBus = () => openServiceBus(settings.serviceBus, credentials);
const nudges = new ServiceBusNudges(serviceBus);
const telemetry = await startTelemetry(settings.telemetry, {
  ...{ instance: settings.instance, random: Math.random, randomHex },
  deployment: (name) => service.catalogue().deployment(name),
});
const { ports } = cosmosPorts(settings, credentials, clock, log, telemetry.charged);
const secrets = new Secrets({
  ...{ trail: ports.trail, clock, log, randomHex },
  actor: `instance:${settings.instance}`,
});
const service: Service = composeService(
  {
    ...{ ...ports, secrets },
    nudges,
    turns: new ServiceBusBatchTurns(serviceBus),
    releases: new ServiceBusReleases(serviceBus),
    checks: new ThreadChecks(clock),
    deliveryQueue: new ServiceBusDeliveries(serviceBus),
    sender: createSender({
      policy: { privateHosts: settings.webhookPrivateHosts, loopback: settings.local },
      ...{ resolve: systemResolve, clock },
    }),
    models: createModelClient({
      ...{ settings: process.env, credential: () => credentials(undefined), clock },
      jobName: (provider, jobId) => secrets.jobName(provider, jobId),
    }),
    ...{ telemetry, clock, log, randomHex },
    random: Math.random,
    newId: randomUUID,
  },
  {
    ...{ settings, environment: process.env, catalogue: () => configuration.catalogue },
    ...{ tenants: tenants.current, watched: [tenants] },
  },
);
let site: Site | undefined;
// Bodies of requests arrive as they are sent, those without a length too, and answers leave as they are written.
app.setup({ enableHttpStream: true });
registerRoutes({
  ...service,
  authenticator: createAuthenticator({
    ...service,
    // Operators stand in the file alone.
    fresh: tenants.fresh,
    freshForTenants: service.fresh,
    used: service.keyUsed,
    entra: settings.entra,
  }),
  throttle: createThrottle({
    ...settings,
    maxInFlight: settings.maxRequestsInFlight,
    maxHeld: settings.maxHeldCalls,
    maxBodyBytes: settings.bodyMemoryBytes,
    clock,
  }),
  site: () => {
    site ??= readSite(path.resolve(import.meta.dirname, "../console"));
    return site;
  },
  local: settings.local,
  entra: settings.entra,
  consoleClientId: settings.consoleClientId,
  dependencies: [
    { name: "cosmos", check: () => service.store.read({ tenant_id: "health", job_id: "health" }) },
    { name: "service_bus", check: (patienceMs) => nudges.check(patienceMs) },
  ],
});
registerRunJob({ ...service.run, invocation: service.invocation, dispatcher: service.dispatcher });
registerTakeBatchTurn({ ...service.batchTurn, readText: readJson, failureOf }, service);
registerSweep({
  sweepSeconds: settings.sweepSeconds,
  parts: service.sweep,
  invocation: service.invocation,
});
registerDeliver(service);
registerDeadLetter(service);
registerSeal(service);
registerEnding(service);
guardRequests({
  lookMs: 1_000,
  malformed: malformedRequest,
  withoutMetadata: new Set(Object.values(RUN_JOB)),
});
