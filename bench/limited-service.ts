import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Agent, request } from "undici";
import { LAYOUT } from "./layout.ts";

/** The service with limited deployments, as `npm start` runs it: two host processes (with --split, of each group), free ports, a folder of its own. */
export interface LimitedService {
  readonly child: ChildProcess;
  readonly url: string;
  readonly folder: string;
  /** Where the emulators tell what they have counted. */
  readonly control: string;
  /** The simulated models' control door. */
  readonly models: string;
}

export const INSTANCES = 2;
export const IN_FLIGHT = 64;
export const CALL_MS = 300;
const root = path.resolve(import.meta.dirname, "..");
export const connections = new Agent({ connections: IN_FLIGHT });

export interface LimitedDeployment {
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  /** What else the catalogue says of its limits. */
  readonly says?: { readonly window_seconds?: number; readonly shape?: "bucket" | "window" } | undefined;
}

/** Model names, and the deployments that serve each, in order. */
export type Routes = Readonly<Record<string, readonly string[]>>;

function catalogueOf(deployments: readonly LimitedDeployment[], routes: Routes): object {
  return {
    deployments: deployments.map(({ name, provider, model, requestsPerMinute, tokensPerMinute, says }) => ({
      ...{ name, provider, model, base_url: `http://127.0.0.1:7072/${provider}/v1` },
      ...{ auth: { kind: "none" }, endpoints: ["/v1/chat/completions"], simulated: true },
      limits: { requests_per_minute: requestsPerMinute, tokens_per_minute: tokensPerMinute, ...says },
      price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
    })),
    routes: Object.entries(routes).map(([model, names]) => ({
      ...{ model, strategy: "ordered" },
      targets: names.map((deployment) => ({ deployment })),
    })),
  };
}

/** @param tenantsFile a tenants file's content; absent: the local one */
export async function startLimited(
  deployments: readonly LimitedDeployment[],
  routes: Routes,
  tenantsFile?: object,
): Promise<LimitedService> {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-quota-"));
  const file = path.join(folder, "catalogue.json");
  writeFileSync(file, JSON.stringify(catalogueOf(deployments, routes)));
  const tenants = path.join(folder, "tenants.json");
  if (tenantsFile !== undefined) writeFileSync(tenants, JSON.stringify(tenantsFile));
  const child = spawn(
    process.execPath,
    [path.join(root, "dist/local/start.js"), "--instances", String(INSTANCES), ...LAYOUT],
    {
      cwd: root,
      env: {
        ...process.env,
        ...{ PORT: "0", SERVICEBUS_PORT: "0", COSMOS_PORT: "0", MODEL_ENDPOINTS_PORT: "0" },
        ...{ DATA_DIR: folder, MODELS_FILE: file },
        ...(tenantsFile === undefined ? {} : { TENANTS_FILE: tenants }),
      },
      stdio: ["ignore", "pipe", process.env.STACK_LOG === "1" ? "inherit" : "ignore"],
    },
  );
  const url = await new Promise<string>((resolve, reject) => {
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      output += output.length < 100_000 ? chunk.toString() : "";
      if (process.env.STACK_LOG === "1") process.stderr.write(chunk);
      const ready = /^ready (\S+)$/m.exec(output)?.[1];
      if (ready !== undefined) resolve(ready);
    });
    child.once("exit", (code) => reject(new Error(`the service ended with ${code}: ${output}`)));
  });
  const emulators = JSON.parse(readFileSync(path.join(folder, "emulators.json"), "utf8")) as {
    control: string;
    model_endpoints_port: number;
  };
  const models = `http://127.0.0.1:${emulators.model_endpoints_port}/_control`;
  return { child, url, folder, control: emulators.control, models };
}

export async function stopLimited({ child, folder }: LimitedService): Promise<void> {
  child.kill("SIGTERM");
  await once(child, "exit");
  if (process.env.KEEP === "1") console.error(folder);
  else rmSync(folder, { recursive: true });
}

/** Orders for the simulated models: limits, faults. */
export async function order({ models }: LimitedService, body: object): Promise<void> {
  const answer = await fetch(models, { method: "POST", body: JSON.stringify(body) });
  if (answer.status !== 200)
    throw new Error(`${models} was answered ${answer.status}: ${await answer.text()}`);
}

/** Submits a job whose call counts so many tokens and takes CALL_MS; answers its id. */
export async function submitTo(
  { url }: LimitedService,
  job: { n: number; tokens: number; key: string; model?: string },
): Promise<string> {
  const body = {
    model: job.model ?? "limited",
    max_tokens: 1,
    messages: [{ role: "user", content: `Say the number ${job.n}. [[sim:latency_ms=${CALL_MS}]]` }],
  };
  // The deployments count a quarter of the body's bytes and max_tokens.
  const prompt = Math.ceil((JSON.stringify(body).length + 10) / 4);
  body.max_tokens = Math.max(1, job.tokens - prompt);
  const answer = await request(`${url}/api/jobs`, {
    method: "POST",
    headers: { authorization: `Bearer ${job.key}`, "content-type": "application/json" },
    body: JSON.stringify({ body }),
    dispatcher: connections,
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 202) throw new Error(`submit was answered ${answer.statusCode}: ${text}`);
  return (JSON.parse(text) as { id: string }).id;
}

/** A call as the simulated models have counted it. */
export interface CountedCall {
  readonly seq: number;
  readonly profile: string;
  readonly received_at_ms: number;
  readonly job: string | null;
  readonly status: number | null;
}

/** The calls since a number that were answered with 200, in the order in which they came. */
export async function answeredSince({ models }: LimitedService, since: number): Promise<CountedCall[]> {
  const found: CountedCall[] = [];
  for (let from = since; ; ) {
    const answer = await fetch(`${models}/calls?since=${from}&limit=1000`);
    const page = (await answer.json()) as { data: CountedCall[]; last_seq: number; has_more: boolean };
    found.push(...page.data.filter(({ status }) => status === 200));
    if (!page.has_more) return found;
    from = page.last_seq;
  }
}
