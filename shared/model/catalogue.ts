import { z } from "zod";
import { MAX_CALL_SECONDS, MAX_MODEL_NAME_CHARS } from "../limits.ts";
import { CAPABILITIES } from "./capability.ts";
import { dialectSchema } from "./dialect.ts";
import { ENDPOINTS } from "./endpoint.ts";
import { priceSchema } from "./price.ts";
import { PROTOCOL_NAMES, protocolOf } from "./protocol/protocols.ts";

export { CAPABILITIES, type Capability } from "./capability.ts";

/** In which order a route's targets are tried; see strategy.ts. */
export const STRATEGIES = ["ordered", "weighted", "cheapest", "fastest"] as const;
export type Strategy = (typeof STRATEGIES)[number];

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.:/-]*$/, "letters, digits and _.:/- only")
  .max(MAX_MODEL_NAME_CHARS);
/** As labs name them: `@cf/meta/llama-3.1-8b-instruct`, `claude-sonnet-4@20250514`. */
const modelName = z
  .string()
  .regex(/^[A-Za-z0-9@][A-Za-z0-9_.:/@+-]*$/, "letters, digits and _.:/@+- only")
  .max(MAX_MODEL_NAME_CHARS);
const tokens = z.number().int().positive().max(1_000_000_000);

const auth = z
  .discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("entra"), scope: z.url().describe("Of the token.") }),
    z.strictObject({
      kind: z.literal("api_key"),
      setting: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
        .describe("The app setting that holds the key."),
    }),
    z.strictObject({ kind: z.literal("none") }),
  ])
  .describe("How it is told who calls.");

export const limitsSchema = z.strictObject({
  requests_per_minute: z.number().int().positive().optional().describe("Without it: no limit known."),
  tokens_per_minute: z
    .number()
    .int()
    .positive()
    .optional()
    .describe("Prompt and most output together, as Azure counts; without it: no limit known."),
  concurrency: z.number().int().positive().optional().describe("Calls at a time, over all instances."),
  window_seconds: z
    .number()
    .positive()
    .max(3600)
    .optional()
    .describe("Over how long the limits are enforced; without it that is learnt."),
  shape: z
    .enum(["bucket", "window"])
    .optional()
    .describe(
      "How they are enforced: flowing back steadily, or so much in each window; without it that is learnt.",
    ),
  pool: name
    .optional()
    .describe("Deployments that name the same pool share one quota, of the limits of the first of them."),
});

/** More calls at the same time than one instance runs at all would take the slots of every other deployment. */
export function overSlots({ concurrency = 0 }: { concurrency?: number | undefined }, maxCalls: number) {
  return concurrency > maxCalls ? `${concurrency} is over MAX_CALLS, which is ${maxCalls}` : undefined;
}

export const deploymentSchema = z.strictObject({
  name: name.describe("How it is called."),
  provider: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]*$/, "lower-case letters, digits, _ and - only")
    .describe("The lab that made its model."),
  model: modelName.describe("Its model, as clients and the lab name it."),
  protocol: z.enum(PROTOCOL_NAMES).default("openai").describe("How it is spoken with."),
  base_url: z.url({ protocol: /^https?$/ }).describe("Where it is, up to the endpoint's path."),
  auth,
  allow_http: z
    .boolean()
    .optional()
    .describe("Plain http to a host of one's own network, where others cannot listen."),
  endpoints: z.array(z.enum(ENDPOINTS)).min(1).describe("What it serves."),
  capabilities: z.array(z.enum(CAPABILITIES)).default([]).describe("What else a request may ask of it."),
  context_tokens: tokens
    .optional()
    .describe("Prompt and answer together. A request that is longer by the estimate goes elsewhere."),
  max_output_tokens: tokens
    .optional()
    .describe("The longest answer. A request that asks for a longer one goes elsewhere."),
  dialect: dialectSchema.optional().describe("What it wants said in other words."),
  limits: limitsSchema.default({}).describe("Its quota, as far as that is known."),
  price: priceSchema.describe("What its tokens cost."),
  timeout_seconds: z
    .number()
    .positive()
    .max(MAX_CALL_SECONDS)
    .optional()
    .describe(`A call is given up after so long; without it ${MAX_CALL_SECONDS}.`),
  idle_timeout_seconds: z
    .number()
    .positive()
    .max(MAX_CALL_SECONDS)
    .optional()
    .describe("A streamed call is given up when nothing came for so long, from the request on."),
  simulated: z.boolean().default(false).describe("Its answers are no lab's."),
});

export const routeSchema = z.strictObject({
  model: modelName.describe("The name that clients ask for."),
  strategy: z.enum(STRATEGIES).describe("In which order its targets are tried."),
  targets: z
    .array(
      z.strictObject({
        deployment: z.string().describe("Its name."),
        weight: z.number().positive().default(1).describe("Its share, where the strategy is `weighted`."),
      }),
    )
    .min(1)
    .describe("The deployments that serve it."),
});

/** The file named by MODELS_FILE. */
export const catalogueSchema = z.strictObject({
  deployments: z.array(deploymentSchema).min(1).describe("In the order in which those of a model are tried."),
  routes: z.array(routeSchema).default([]).describe("Names that several deployments serve."),
});

export type Deployment = Readonly<z.infer<typeof deploymentSchema>>;
export type Route = Readonly<z.infer<typeof routeSchema>>;

/** A deployment as a model's, with its share where the strategy is `weighted`. */
export interface Target {
  readonly deployment: Deployment;
  readonly weight: number;
  /** The switch that keeps new calls from it; absent: it is on. */
  readonly off?: SwitchedOff;
}

/** An operator has switched it off: jobs whose turn it is wait for it, or pass it over. */
export interface SwitchedOff {
  readonly mode: "park" | "fail_over";
  /** The switch by name: `provider xai`, `deployment grok-eastus2`, `route any-lab`. */
  readonly by: string;
}

/** A name clients can ask for, and the deployments behind it in the order of the file. */
export interface Model {
  readonly id: string;
  readonly strategy: Strategy;
  readonly targets: readonly Target[];
}

export interface Catalogue {
  readonly deployments: readonly Deployment[];
  readonly routes: readonly Route[];
  readonly models: readonly Model[];
  /** The revision of what operators have set over the file; 0: nothing. */
  readonly revision: number;
  model(id: string): Model | undefined;
  deployment(name: string): Deployment | undefined;
  /** A model's deployments in the order of the file; none for an unknown name. */
  targets(model: string): readonly Deployment[];
}

type Settings = Readonly<Record<string, string | undefined>>;

/** @param options.settings the app settings, where keys named by `auth.setting` must be found */
export function parseCatalogue(
  json: unknown,
  options: { readonly settings: Settings },
): { catalogue: Catalogue } | { faults: string[] } {
  const parsed = catalogueSchema.safeParse(json);
  if (!parsed.success) {
    return { faults: parsed.error.issues.map((issue) => `/${issue.path.join("/")}: ${issue.message}`) };
  }
  const { deployments, routes } = parsed.data;
  const faults = catalogueFaults(deployments, routes, options.settings);
  return faults.length > 0 ? { faults } : { catalogue: catalogueOf(deployments, routes) };
}

/** What is wrong with deployments and routes together, each with where it is. */
export function catalogueFaults(
  deployments: readonly Deployment[],
  routes: readonly Route[],
  settings: Settings,
): string[] {
  return [
    ...duplicates(deployments.map((d) => d.name)).map((n) => `/deployments: the name ${n} is used twice`),
    ...duplicates(routes.map((r) => r.model)).map((n) => `/routes: the model ${n} is used twice`),
    ...deployments.flatMap((d, index) =>
      deploymentFaults(d, settings).map((f) => `/deployments/${index}: ${f}`),
    ),
    ...routes.flatMap((r, index) => routeFaults(r, deployments).map((f) => `/routes/${index}: ${f}`)),
  ];
}

function duplicates(names: readonly string[]): string[] {
  return [...new Set(names.filter((n, index) => names.indexOf(n) !== index))];
}

function deploymentFaults(d: Deployment, settings: Settings): string[] {
  const faults: string[] = [];
  const url = new URL(d.base_url);
  const mayBeHttp = isLoopback(url.hostname) || (d.allow_http === true && isPrivate(url.hostname));
  if (url.protocol === "http:" && !mayBeHttp) {
    const rule = "http to this machine, or to a private host with allow_http";
    faults.push(`base_url must be https, ${rule}: prompts and keys would travel in the clear`);
  }
  if (url.username !== "" || url.search !== "" || url.hash !== "") {
    faults.push("base_url must not hold a user name, a query or a fragment");
  }
  if (d.auth.kind === "api_key" && !settings[d.auth.setting]) {
    faults.push(`the setting ${d.auth.setting}, which should hold its key, is missing`);
  }
  if (d.dialect !== undefined) faults.push(...protocolOf(d).dialectFaults(d.dialect));
  return faults;
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** A host that only one's own network reaches, by its address or its name. */
function isPrivate(hostname: string): boolean {
  if (/^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)[\d.]+$/.test(hostname)) return true;
  return /^\[f[cd][0-9a-f:]*\]$/.test(hostname) || /^[a-z0-9-]+$|\.(local|internal)$/.test(hostname);
}

function routeFaults(r: Route, deployments: readonly Deployment[]): string[] {
  const byName = new Map(deployments.map((d) => [d.name, d]));
  const faults = r.targets
    .filter((target) => !byName.has(target.deployment))
    .map((target) => `there is no deployment ${target.deployment}`);
  faults.push(...duplicates(r.targets.map((t) => t.deployment)).map((n) => `the target ${n} is named twice`));
  if (deployments.some((d) => d.model === r.model)) {
    faults.push(`${r.model} is a deployment's model as well: a client could not tell which it gets`);
  }
  const currencies = new Set(r.targets.map((t) => byName.get(t.deployment)?.price.currency).filter(Boolean));
  if (currencies.size > 1)
    faults.push(`its targets have prices in ${[...currencies].join(" and ")}: a job has one`);
  return faults;
}

/** Deployments of the same model serve it together, in the order of the file. */
export function catalogueOf(deployments: readonly Deployment[], routes: readonly Route[]): Catalogue {
  const models = new Map<string, Model>();
  for (const d of deployments) {
    const before = models.get(d.model)?.targets ?? [];
    const targets = [...before, { deployment: d, weight: 1 }];
    models.set(d.model, { id: d.model, strategy: "ordered", targets });
  }
  const byName = new Map(deployments.map((d) => [d.name, d]));
  for (const r of routes) {
    const targets = r.targets.flatMap(({ deployment: named, weight }) => {
      const found = byName.get(named);
      return found === undefined ? [] : [{ deployment: found, weight }];
    });
    models.set(r.model, { id: r.model, strategy: r.strategy, targets });
  }
  return catalogueFrom(deployments, routes, [...models.values()]);
}

/** @param models what clients can ask for; their targets are of `deployments` */
export function catalogueFrom(
  deployments: readonly Deployment[],
  routes: readonly Route[],
  models: readonly Model[],
  revision = 0,
): Catalogue {
  const byId = new Map(models.map((each) => [each.id, each]));
  const named = new Map(deployments.map((each) => [each.name, each]));
  return {
    deployments,
    routes,
    models,
    revision,
    model: (id) => byId.get(id),
    deployment: (name) => named.get(name),
    targets: (id) => (byId.get(id)?.targets ?? []).map((target) => target.deployment),
  };
}
