import { z } from "zod";
import { sha256Hex } from "../sha256.ts";
import { budgetSchema } from "./budget.ts";

const id = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, "1 to 64 letters, digits and _.- only");
const keyHash = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in 64 lower-case hex digits");

const scope = z.string().regex(/^[^ ]+$/, "the name of one scope");

const submitLimits = z
  .strictObject({
    submits_per_second: z
      .number("a number of submits a second is needed, with a burst or without")
      .positive()
      .max(1_000_000)
      .describe("On average."),
    burst: z.int().min(1).max(1_000_000).optional().describe("At once, after a pause."),
  })
  .describe("What a tenant may submit. Held by each instance for itself.");

/** A key with a name and an end; operators make such keys while the service runs. */
export const tenantKeySchema = z.strictObject({
  id: z
    .string()
    .regex(/^key_[0-9a-f]{24}$/, "key_ and 24 hex digits")
    .describe("How it is called."),
  sha256: keyHash.describe("Of the key, in hex."),
  prefix: z.string().max(32).optional().describe("How the key begins, to tell it by."),
  name: z.string().min(1).max(100).optional().describe("To tell it by."),
  created_at: z.int().optional().describe("Unix time, seconds."),
  expires_at: z.int().optional().describe("From then on it is refused. Unix time, seconds."),
});

/** With one of these, users' tokens of its applications are let in too; without, only applications' own. */
const scopes = z
  .array(scope)
  .default([])
  .describe("Scopes that let users' tokens in, not applications' alone.");

export const tenantSchema = z.strictObject({
  id: id.describe("How it is called."),
  key_sha256: z.array(keyHash).default([]).describe("SHA-256 of each of its keys, in hex."),
  keys: z.array(tenantKeySchema).optional().describe("Keys with a name and an end."),
  entra_app_ids: z.array(z.guid()).default([]).describe("Its applications in Entra."),
  entra_scopes: scopes,
  weight: z.number().positive().max(1000).default(1).describe("Its share of quota beside others'."),
  allow_models: z
    .array(z.string().min(1))
    .default(["*"])
    .describe("Models it may ask for; `gpt-*`: all that begin so; `[]`: none."),
  deny_providers: z.array(z.string().min(1)).default([]).describe("Labs that never see its prompts."),
  limits: submitLimits.optional(),
  budget: budgetSchema.optional().describe("The most that its calls may cost."),
});
const operator = z.strictObject({
  id: id.describe("How it is called."),
  key_sha256: z.array(keyHash).default([]).describe("SHA-256 of each of its keys, in hex."),
  entra_roles: z.array(z.string().min(1)).default([]).describe("Roles in Entra that make one an operator."),
  /** As for tenants: users in one of the roles. */
  entra_scopes: scopes,
});

/** The file named by TENANTS_FILE. */
export const tenantsSchema = z.strictObject({
  tenants: z.array(tenantSchema).min(1).describe("Who submits jobs."),
  operators: z.array(operator).default([]).describe("Who runs the service."),
});

export type SubmitLimits = Readonly<z.infer<typeof submitLimits>>;
export type Tenant = Readonly<z.infer<typeof tenantSchema>>;
export type TenantKey = Readonly<z.infer<typeof tenantKeySchema>>;
export type Operator = Readonly<z.infer<typeof operator>>;
export type Principal =
  | { readonly kind: "tenant"; readonly tenant: Tenant; readonly key?: TenantKey }
  | { readonly kind: "operator"; readonly operator: Operator };

export interface Tenants {
  /** Whose key has this SHA-256 (hex). How long the look takes tells of the hash, which nobody can choose, not of the key. */
  byKeyHash(sha256: string): Principal | undefined;
  /** The tenant of an Entra application. */
  byAppId(appId: string): Tenant | undefined;
  /** The operator that one of these Entra roles belongs to. */
  byRoles(roles: readonly string[]): Operator | undefined;
  get(id: string): Tenant | undefined;
  /** Those with a budget. */
  readonly budgeted: readonly Tenant[];
  /** Operators left out. */
  readonly all: readonly Tenant[];
  readonly operators: readonly Operator[];
  /** How many there are, operators left out. */
  readonly count: number;
}

/** The local stack's keys stand in its documentation: a deployed service must not know them. */
export const LOCAL_KEYS = ["local-team-a", "local-team-b", "local-operator"] as const;
const LOCAL_KEY_HASHES = new Set(LOCAL_KEYS.map(sha256Hex));

export interface TenantsOptions {
  /** Whether this is the local stack, where its well-known keys are fine. */
  readonly local: boolean;
  /** Hash of the key of `first-operator`, an operator that the file need not name. */
  readonly operatorKeySha256?: string | undefined;
}

export function parseTenants(
  json: unknown,
  options: TenantsOptions,
): { tenants: Tenants } | { faults: string[] } {
  const parsed = tenantsSchema.safeParse(json);
  if (!parsed.success) {
    return { faults: parsed.error.issues.map((issue) => `/${issue.path.join("/")}: ${issue.message}`) };
  }
  const { tenants } = parsed.data;
  const operators = [...parsed.data.operators, ...firstOperator(options.operatorKeySha256)];
  const faults = tenantsFaults(tenants, operators, options.local);
  return faults.length > 0 ? { faults } : { tenants: indexTenants(tenants, operators) };
}

/** What is wrong with tenants and operators together. */
export function tenantsFaults(
  tenants: readonly Tenant[],
  operators: readonly Operator[],
  local: boolean,
): string[] {
  const all = [...tenants, ...operators];
  const keys = tenants.flatMap((each) => each.keys ?? []);
  const hashes = [...all.flatMap((each) => each.key_sha256), ...keys.map(({ sha256 }) => sha256)];
  const faults = [
    ...repeated(all.map((each) => each.id)).map((each) => `the id ${each} is used twice`),
    ...repeated(hashes).map((each) => `the key with SHA-256 ${each.slice(0, 8)}… is used twice`),
    ...repeated(tenants.flatMap((t) => t.entra_app_ids.map((app) => app.toLowerCase()))).map(
      (each) => `the application ${each} is used twice`,
    ),
  ];
  if (!local && hashes.some((hash) => LOCAL_KEY_HASHES.has(hash))) {
    faults.push("it holds a key of the local stack, which anybody can read: use keys of your own");
  }
  return faults;
}

function firstOperator(keySha256: string | undefined): Operator[] {
  return keySha256 === undefined
    ? []
    : [{ id: "first-operator", key_sha256: [keySha256], entra_roles: [], entra_scopes: [] }];
}

function repeated(values: readonly string[]): string[] {
  const seen = new Set<string>();
  const again = new Set<string>();
  for (const value of values) (seen.has(value) ? again : seen).add(value);
  return [...again];
}

/** Of a credential that two have, it is the operator's, then the first tenant's. */
export function indexTenants(tenants: readonly Tenant[], operators: readonly Operator[]): Tenants {
  const keys = new Map<string, Principal>();
  const add = (hashes: readonly string[], principal: Principal) => {
    for (const hash of hashes) if (!keys.has(hash)) keys.set(hash, principal);
  };
  for (const each of operators) add(each.key_sha256, { kind: "operator", operator: each });
  for (const each of tenants) {
    add(each.key_sha256, { kind: "tenant", tenant: each });
    for (const key of each.keys ?? []) add([key.sha256], { kind: "tenant", tenant: each, key });
  }
  const byId = new Map(tenants.map((each) => [each.id, each]));
  const byApp = new Map(
    tenants
      .toReversed()
      .flatMap((each) => each.entra_app_ids.map((app) => [app.toLowerCase(), each] as const)),
  );
  return {
    byKeyHash: (sha256) => keys.get(sha256),
    byAppId: (appId) => byApp.get(appId.toLowerCase()),
    byRoles: (roles) => operators.find((each) => each.entra_roles.some((role) => roles.includes(role))),
    get: (tenantId) => byId.get(tenantId),
    budgeted: tenants.filter((each) => each.budget !== undefined),
    all: tenants,
    operators,
    count: tenants.length,
  };
}
