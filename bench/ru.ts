import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, request as httpRequest, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { EMULATOR_KEY } from "../local/cosmos/authorization.ts";
import { cosmosResources } from "../local/cosmos/resources.ts";
import { startCosmos } from "../local/cosmos/server.ts";
import { cosmosPorts } from "../shared/azure/ports.ts";
import { systemClock as clock } from "../shared/clock.ts";
import { Secrets } from "../shared/control/secrets.ts";
import { awaitEnd } from "../shared/job/ending/await-end.ts";
import { submitJob } from "../shared/job/intake/submit.ts";
import type { Nudge } from "../shared/job/ports.ts";
import { runJob } from "../shared/job/run/run.ts";
import type { Log } from "../shared/log.ts";
import { parseCatalogue } from "../shared/model/catalogue.ts";
import { createModelClient } from "../shared/model/client.ts";
import { composeService, type Service } from "../shared/service.ts";
import { noTelemetry } from "../shared/telemetry/telemetry.ts";
import { parseTenants } from "../shared/tenant/tenants.ts";
import { ThreadChecks } from "../shared/validation/answer-checks.ts";
import type { DeliveryNudge } from "../shared/webhook/ports.ts";
import { createSender, systemResolve } from "../shared/webhook/send.ts";
import { head, row } from "./measure.ts";

/**
 * What kinds of jobs cost in request units of Cosmos DB, by operation. The service runs in this process, door and worker
 * as two instances, as on Azure. A proxy before the local Cosmos DB records each operation and its charge; that prices
 * by the table that Azure documents.
 */
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const nobody = () => {
  throw new Error("no identity here");
};

interface Operation {
  /** `create audit-000001`, `read job`, `query jobs` … */
  readonly name: string;
  readonly container: string;
  readonly bytes: number;
  readonly ru: number;
}

let recorded: Operation[] = [];

const textOf = async (stream: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

interface BatchOperation {
  readonly operationType: string;
  readonly id?: string;
  readonly resourceBody?: { readonly id: string };
}

function record(request: IncomingMessage, sent: Buffer, answer: IncomingMessage, received: Buffer): void {
  const [, , , , container = "", , id] = (request.url ?? "").split("/");
  const ru = Number(answer.headers["x-ms-request-charge"] ?? 0);
  if (ru === 0 || container === "") return;
  const told = (name: string, bytes: number, price = ru) =>
    recorded.push({ name, container, bytes, ru: price });
  const { headers, method } = request;
  if (headers["x-ms-cosmos-is-batch-request"] !== undefined) {
    const operations = JSON.parse(sent.toString()) as BatchOperation[];
    const results = JSON.parse(received.toString()) as { requestCharge: number; resourceBody?: object }[];
    for (const [at, { operationType, id, resourceBody }] of operations.entries()) {
      const body = resourceBody ?? results[at]?.resourceBody;
      const bytes = body === undefined ? 0 : Buffer.byteLength(JSON.stringify(body));
      told(`${operationType.toLowerCase()} ${resourceBody?.id ?? id}`, bytes, results[at]?.requestCharge);
    }
  } else if (headers["x-ms-cosmos-is-query-plan-request"] !== undefined) told("query plan", 0);
  else if (headers["x-ms-documentdb-isquery"] !== undefined) told("query", received.length);
  else if (method === "GET") told(`read ${id ?? ""}`, received.length);
  else {
    const item = JSON.parse(sent.toString()) as { readonly id?: string };
    told(`${method === "PUT" ? "replace" : "create"} ${item.id ?? id ?? ""}`, sent.length);
  }
}

/** Hands on what it is asked, and records it. */
async function recordingProxy(port: number): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    void textOf(request).then((sent) => {
      const { method, url, headers } = request;
      const onward = httpRequest({ port, method, path: url, headers }, (answer) => {
        void textOf(answer).then((received) => {
          record(request, sent, answer, received);
          // The account says where it is, and the SDK goes there.
          const seen = url === "/" ? received.toString().replaceAll(`:${port}/`, `:${own()}/`) : received;
          const length = { "content-length": String(Buffer.byteLength(seen)) };
          response.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...length }).end(seen);
        });
      });
      onward.end(sent);
    });
  });
  const own = () => (server.address() as AddressInfo).port;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: own() };
}

type Reply = { readonly status: number; readonly text: string; readonly afterMs?: number };
const replies: Reply[] = [];
const answered = (chars: number, afterMs = 0): Reply => ({
  ...{ status: 200, afterMs },
  text: JSON.stringify({
    ...{
      id: "chatcmpl-B1x9",
      object: "chat.completion",
      created: 1_796_000_000,
      model: "gpt-5-mini-2025-08-07",
    },
    choices: [
      { index: 0, finish_reason: "stop", message: { role: "assistant", content: "x".repeat(chars) } },
    ],
    usage: {
      ...{ prompt_tokens: 19, completion_tokens: 10, total_tokens: 29 },
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
    },
  }),
});
const lab = createServer((request, response) => {
  request.resume();
  const { status, text, afterMs = 0 } = replies.shift() ?? answered(20);
  const headers = { "content-type": "application/json", ...(status === 429 ? { "retry-after": "1" } : {}) };
  setTimeout(() => response.writeHead(status, headers).end(text), afterMs);
});
await new Promise<void>((resolve) => lab.listen(0, "127.0.0.1", resolve));

const resources = JSON.parse(
  readFileSync(path.resolve(import.meta.dirname, "../infra/resources.json"), "utf8"),
) as Parameters<typeof cosmosResources>[0];
const cosmos = await startCosmos({
  ...{ port: 0, databaseFile: ":memory:", resources: cosmosResources(resources), clock },
});
const proxy = await recordingProxy(cosmos.port);
const { catalogue } = valid(
  parseCatalogue(
    {
      deployments: [
        {
          ...{ name: "gpt-5-mini", provider: "openai", model: "gpt-5-mini", auth: { kind: "none" } },
          base_url: `http://127.0.0.1:${(lab.address() as AddressInfo).port}/v1`,
          ...{ endpoints: ["/v1/chat/completions"], simulated: true },
          price: { currency: "USD", input_per_million: 0.25, output_per_million: 2 },
        },
      ],
    },
    { settings: {} },
  ),
);
const { tenants } = valid(parseTenants({ tenants: [{ id: "team-a" }] }, { local: true }));

/** What was parsed, which has no faults. */
function valid<T extends object>(parsed: T): Exclude<T, { readonly faults: unknown }> {
  if ("faults" in parsed) throw new Error(String(parsed.faults));
  return parsed as Exclude<T, { readonly faults: unknown }>;
}

interface Message {
  readonly nudge: Nudge;
  readonly atMs: number;
}
const messages: Message[] = [];
const deliveries: DeliveryNudge[] = [];
const sender = createSender({
  ...{ policy: { privateHosts: [], loopback: true }, resolve: systemResolve, clock },
});
const dispatches: Promise<void>[] = [];
const closing: (() => void)[] = [];
const settings = {
  ...{
    local: true,
    operatorKeySha256: undefined,
    leaseSeconds: 20,
    sweepSeconds: 5,
    maxAttempts: 5,
    defaultDeadlineSeconds: 86_400,
  },
  ...{ maxCalls: 512, bodyMemoryBytes: 2 ** 28 },
  ...{ maxDeadlineSeconds: 604_800, auditRetentionDays: 0, contentRetentionDays: 30 },
  files: { maxFileBytes: 2e8, maxFiles: 100, maxBytes: 1e9, bytesPerSecond: 1e9 },
  maxBatchLines: 100_000,
};

function instance(name: string): Service {
  const connectionString = `AccountEndpoint=http://127.0.0.1:${proxy.port}/;AccountKey=${EMULATOR_KEY}`;
  const connection = { kind: "connection_string", connectionString } as const;
  const { ports, dispose } = cosmosPorts(
    { ...settings, cosmos: connection },
    nobody,
    clock,
    silent,
    () => undefined,
  );
  const randomHex = (bytes: number) => randomBytes(bytes).toString("hex");
  const secrets = new Secrets({ trail: ports.trail, clock, log: silent, randomHex, actor: name });
  const models = createModelClient({
    ...{ settings: {}, credential: nobody, clock },
    jobName: (provider, jobId) => secrets.jobName(provider, jobId),
  });
  closing.push(dispose, () => void models.close());
  const send = async (nudge: Nudge, options: { atMs?: number } = {}) =>
    void messages.push({ nudge, atMs: options.atMs ?? 0 });
  const service: Service = composeService(
    {
      ...{ ...ports, models, secrets, telemetry: noTelemetry, clock, log: silent, random: Math.random },
      nudges: { send },
      releases: {
        send,
        release: async (jobs) => {
          for (const { key, grant } of jobs) await send({ v: 1, ...key, grant });
        },
        giveUp: async () => undefined,
        dispatch: async () => void dispatches.push(service.invocation(() => service.dispatcher.run())),
      },
      turns: { send: async () => undefined },
      ...{ newId: randomUUID, randomHex, sender, checks: new ThreadChecks(clock) },
      deliveryQueue: { send: async (nudge) => void deliveries.push(nudge) },
    },
    {
      settings: { ...settings, instance: name },
      ...{ catalogue: () => catalogue, tenants: () => tenants, watched: [], environment: {} },
    },
  );
  return service;
}

interface Kind {
  readonly name: string;
  readonly promptChars: number;
  readonly replies: readonly Reply[];
  /** Door and worker are one process, as locally: the worker need not read the job. */
  readonly isOne?: boolean;
  /** The client waits on its connection; else it asks once, after the end. */
  readonly isHeld?: boolean;
}

const door = instance("door");
const worker = instance("worker");

async function run({ promptChars, isOne = false, isHeld = false, ...kind }: Kind): Promise<void> {
  recorded = [];
  replies.push(...kind.replies);
  const nowMs = clock.now();
  const prompt = "x".repeat(promptChars);
  const { job } = await submitJob(
    { ...door.intake, log: silent },
    {
      ...{ endpoint: "/v1/chat/completions", model: "gpt-5-mini", priority: "standard", metadata: {} },
      bodyText: JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: prompt }] }),
      ...{ notBeforeMs: null, deadlineMs: nowMs + 86_400_000, envelopeSha256: "e".repeat(64) },
    },
    { tenantId: "team-a", actor: "team-a/key:1f2e3d4c", idempotencyKey: null },
  );
  const held = isHeld ? awaitEnd(door.intake, job.value, 60) : undefined;
  const runner = isOne ? door : worker;
  for (let isEnded = false; !isEnded; ) {
    const next = messages.shift();
    if (next !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next.atMs - clock.now())));
      await runner.invocation(() => runJob({ ...runner.run, log: silent }, next.nudge));
    } else await new Promise((resolve) => setTimeout(resolve, 20));
    isEnded = messages.length === 0 && recorded.some(({ name }) => name === "create response");
  }
  await (held ?? awaitEnd(door.intake, job.value, 0));
  await Promise.all(dispatches.splice(0));
}

const refused = (status: number): Reply => ({ status, text: '{"error": {"message": "later"}}' });
const KINDS: readonly Kind[] = [
  { name: "queued, small; its client asks once", promptChars: 20, replies: [answered(20)] },
  { name: "the same, door and worker in one process", promptChars: 20, replies: [answered(20)], isOne: true },
  { name: "held for 2 s", promptChars: 20, replies: [answered(20, 2_000)], isHeld: true },
  { name: "2 KB prompt, 2 KB answer", promptChars: 2_048, replies: [answered(2_048)] },
  { name: "32 KB prompt, 8 KB answer", promptChars: 32_768, replies: [answered(8_192)] },
  { name: "503, then a back-off", promptChars: 20, replies: [refused(503), answered(20)] },
  { name: "429, then the line", promptChars: 20, replies: [refused(429), answered(20)] },
];

/** A door looks for the end of a held call when such jobs have ended lately. */
const HELD_BEFORE = 5;

const sum = (of: readonly Operation[]) => of.reduce((total, { ru }) => total + ru, 0);
const isWrite = ({ name }: Operation) => !/^(read|query)/.test(name);
const rows: (string | number)[][] = [];
let first: Operation[] = [];
for (const kind of KINDS) {
  // Before: connections, what an instance learns at its first job, and how long such jobs take.
  for (let n = 0; n < (kind.isHeld === true ? HELD_BEFORE : 1); n++) await run(kind);
  await run(kind);
  const [jobs, control] = ["jobs", "control"].map((name) =>
    recorded.filter((each) => each.container === name),
  );
  if (first.length === 0) first = jobs ?? [];
  const writes = (jobs ?? []).filter(isWrite);
  const reads = (jobs ?? []).filter((each) => !isWrite(each));
  rows.push([kind.name, sum(writes).toFixed(1), sum(reads).toFixed(1), sum(control ?? []).toFixed(1)]);
}
head("job", "writes of it, RU", "reads of it, RU", "what instances share, RU");
for (const cells of rows) row(...cells);
console.log("\nThe first, by operation:\n");
head("operation", "bytes", "RU");
for (const { name, bytes, ru } of first) row(name, bytes, ru.toFixed(2));

for (const close of closing) close();
proxy.server.closeAllConnections();
proxy.server.close();
lab.closeAllConnections();
lab.close();
await cosmos.close();
