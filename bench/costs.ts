import { readFileSync } from "node:fs";
import path from "node:path";
import { Agent, request } from "undici";
import { processLog } from "../functions/log.ts";
import { EMULATOR_KEY } from "../local/cosmos/authorization.ts";
import { JOBS_CONTAINER, openDatabase } from "../shared/azure/cosmos/client.ts";
import { CosmosContent } from "../shared/azure/cosmos/content.ts";
import { CosmosJobStore } from "../shared/azure/cosmos/job-store.ts";
import { StoredItems } from "../shared/azure/cosmos/stored-items.ts";
import { openServiceBus, ServiceBusNudges } from "../shared/azure/service-bus/nudges.ts";
import { systemClock } from "../shared/clock.ts";
import { acceptJob } from "../shared/job/intake/accept.ts";
import { draftOf, startAttempt } from "../shared/job/life-cycle.ts";
import type { Deployment } from "../shared/model/catalogue.ts";
import { createModelClient } from "../shared/model/client.ts";
import { describeMachine } from "./machine.ts";
import { head, row, timed } from "./measure.ts";
import { Stack } from "./stack.ts";

/**
 * What each step of a job costs: the app's own adapters run here, against a stack of `npm start`. CPU ms of this process
 * (the app's side of the step), of the emulators, and of the host for HTTP; each the best of some rounds, so that what
 * else the machine does counts little.
 */
const ROUNDS = 5;
const PER_ROUND = 1_000;
const IN_FLIGHT = 16;
const DAY_MS = 86_400_000;

await describeMachine();
const stack = await Stack.start({ env: { SWEEP_SECONDS: "60" } });
const { cosmos_port, service_bus_port } = stack.emulators();
const noIdentity = () => {
  throw new Error("connection strings need no identity");
};
const { database, dispose } = openDatabase(
  {
    kind: "connection_string",
    connectionString: `AccountEndpoint=http://127.0.0.1:${cosmos_port}/;AccountKey=${EMULATOR_KEY};`,
  },
  noIdentity,
);
const jobs = new StoredItems(database.container(JOBS_CONTAINER), processLog);
const contents = new CosmosContent(jobs, systemClock);
const store = new CosmosJobStore(jobs, { contentDays: 30, auditDays: 0 }, contents);
const nudges = new ServiceBusNudges(() =>
  openServiceBus(
    {
      kind: "connection_string",
      connectionString: `Endpoint=sb://127.0.0.1:${service_bus_port};SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true;`,
    },
    noIdentity,
  ),
);
const models = createModelClient({
  ...{ settings: {}, credential: noIdentity, clock: systemClock },
  jobName: async (_provider, jobId) => jobId,
});
const connections = new Agent({ connections: IN_FLIGHT });
const deployment = simulatedDeployment();

try {
  await measureAll();
} finally {
  await connections.close();
  await models.close();
  await nudges.close();
  dispose();
  await stack.stop();
}

async function measureAll(): Promise<void> {
  const etags = new Map<number, string>();
  head("step", "a second", "app's side", "emulators", "host");
  await step("decide: accept a job, with its audit record", async (n) => accepted(n));
  await step("store: create job, request and record (one batch)", async (n) => {
    const created = await store.create(accepted(n), Date.now());
    if (created.kind === "written") etags.set(n, created.etag);
  });
  await step("store: claim (replace job, create record)", (n) =>
    store.write(claimed(n), etags.get(n) ?? "", Date.now()),
  );
  await step("store: read job and request", (n) => store.readWithRequest(accepted(n).job));
  await step("store: read job", (n) => store.read(accepted(n).job));
  await step("call a deployment (simulated, 0 ms)", async (n) => {
    const { job, request: stored } = accepted(n);
    const { signal } = new AbortController();
    const { tenant_id: tenantId, job_id: jobId, endpoint } = job;
    const call = { deployment, endpoint, body: stored.body, tenantId, jobId, attempt: 1 };
    const outcome = await models.call({ ...call, signal });
    if (outcome.kind !== "completed") throw new Error(JSON.stringify(outcome));
  });
  const inAnHourMs = Date.now() + 3_600_000;
  await step("send a nudge (for later)", (n) =>
    nudges.send({ v: 1, tenant_id: "bench", job_id: accepted(n).job.job_id }, { atMs: inAnHourMs }),
  );
  await step("HTTP: a path that is not served", () => http("/api/none", 404));
  await step("HTTP: an invocation (GET, refused by its id)", () => http("/api/jobs/none", 404));
  await step("HTTP: an invocation (POST, refused by its envelope)", () => http("/api/jobs", 400, "{}"));
  await step("HTTP: a submit (for later: create, send, 202)", (n) => {
    const messages = [{ role: "user", content: `Say the number ${n}.` }];
    const envelope = { not_before: inAnHourMs / 1000, body: { model: "gpt-sim", messages } };
    return http("/api/jobs", 202, JSON.stringify(envelope));
  });
}

async function step(name: string, work: (n: number) => Promise<unknown>): Promise<void> {
  const best = [0, 0, 0].map(() => Number.POSITIVE_INFINITY);
  let perSecond = 0;
  // The first round is the warm-up.
  for (let round = 0; round <= ROUNDS; round++) {
    const [own, others] = [process.cpuUsage(), stack.cpu()];
    const seconds = await timed(PER_ROUND, IN_FLIGHT, (n) => work(round * PER_ROUND + n));
    if (round === 0) continue;
    const { user, system } = process.cpuUsage(own);
    const now = stack.cpu();
    const spent = [(user + system) / 1000, now.emulators - others.emulators, now.app - others.app];
    for (const [at, ms] of spent.entries()) best[at] = Math.min(best[at] ?? ms, ms / PER_ROUND);
    perSecond = Math.max(perSecond, PER_ROUND / seconds);
  }
  row(name, Math.round(perSecond), ...best.map((ms) => ms.toFixed(2)));
}

function accepted(n: number) {
  const nowMs = Date.now();
  return acceptJob(
    {
      endpoint: "/v1/chat/completions",
      model: "gpt-sim",
      bodyText: `{"model":"gpt-sim","messages":[{"role":"user","content":"Say the number ${n}."}]}`,
      priority: "standard",
      metadata: {},
      notBeforeMs: null,
      deadlineMs: nowMs + DAY_MS,
      envelopeSha256: "a".repeat(64),
    },
    {
      ...{
        tenantId: "bench",
        actor: "bench/key:0",
        nowMs,
        nudgeGraceMs: DAY_MS,
        retention: { contentDays: 30, auditDays: 0 },
      },
      jobId: `job_${String(n).padStart(32, "0")}`,
    },
  );
}

function claimed(n: number) {
  return startAttempt(draftOf(accepted(n).job), {
    claimId: `claim-${n}`,
    deployment,
    requestSha256: "b".repeat(64),
    leaseSeconds: 20,
    nowMs: Date.now(),
    actor: "worker:bench",
    reason: null,
  });
}

async function http(target: string, expected: number, body?: string): Promise<void> {
  const answer = await request(`${stack.url}${target}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: "Bearer local-team-a", "content-type": "application/json" },
    body: body ?? null,
    dispatcher: connections,
  });
  const text = await answer.body.text();
  if (answer.statusCode !== expected) throw new Error(`${target} was answered ${answer.statusCode}: ${text}`);
}

/** The catalogue's own, with the port the model endpoints have in this stack. */
function simulatedDeployment(): Deployment {
  const file = path.join(stack.folder, "models.json");
  const { deployments } = JSON.parse(readFileSync(file, "utf8")) as { deployments: Deployment[] };
  const found = deployments.find(({ model }) => model === "gpt-sim");
  if (found === undefined) throw new Error(`${file} has no gpt-sim`);
  return found;
}
