import { z } from "zod";
import { sha256Hex } from "../sha256.ts";
import { budgetSchema } from "./budget.ts";

const id = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, "1 to 64 letters, digits and _.- only");
const keyHash = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in 64 lower-case hex digits");

const scope = z.string().regex(/^[^ ]+$/, "the name of one scope");

/** What a tenant may submit: on average, and at once after a pause. Held by each instance for itself. */
const submitLimits = z.strictObject({
  submits_per_second: z.number().positive().max(1_000_000),
  burst: z.int().min(1).max(1_000_000).optional(),
});

const tenant = z.strictObject({
  id,
  key_sha256: z.array(keyHash).default([]),
  entra_app_ids: z.array(z.guid()).default([]),
  /** With one of these, users' tokens of its applications are the tenant's too; without, only applications' own. */
  entra_scopes: z.array(scope).default([]),
  weight: z.number().positive().max(1000).default(1),
  allow_models: z.array(z.string().min(1)).default(["*"]),
  deny_providers: z.array(z.string().min(1)).default([]),
  limits: submitLimits.optional(),
  budget: budgetSchema.optional(),
});
const operator = z.strictObject({
  id,
  key_sha256: z.array(keyHash).default([]),
  entra_roles: z.array(z.string().min(1)).default([]),
  /** As for tenants: users in one of the roles. */
  entra_scopes: z.array(scope).default([]),
});

/** The file named by TENANTS_FILE. */
export const tenantsSchema = z.strictObject({
  tenants: z.array(tenant).min(1),
  operators: z.array(operator).default([]),
});

export type SubmitLimits = Readonly<z.infer<typeof submitLimits>>;
export type Tenant = Readonly<z.infer<typeof tenant>>;
export type Operator = Readonly<z.infer<typeof operator>>;
export type Principal =
  | { readonly kind: "tenant"; readonly tenant: Tenant }
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
  const all = [...tenants, ...operators];
  const hashes = all.flatMap((each) => each.key_sha256);
  const faults = [
    ...repeated(all.map((each) => each.id)).map((each) => `the id ${each} is used twice`),
    ...repeated(hashes).map((each) => `the key with SHA-256 ${each.slice(0, 8)}… is used twice`),
    ...repeated(tenants.flatMap((t) => t.entra_app_ids.map((app) => app.toLowerCase()))).map(
      (each) => `the application ${each} is used twice`,
    ),
  ];
  if (!options.local && hashes.some((hash) => LOCAL_KEY_HASHES.has(hash))) {
    faults.push("it holds a key of the local stack, which anybody can read: use keys of your own");
  }
  return faults.length > 0 ? { faults } : { tenants: index(tenants, operators) };
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

function index(tenants: readonly Tenant[], operators: readonly Operator[]): Tenants {
  const keys = new Map<string, Principal>();
  const add = (hashes: readonly string[], principal: Principal) => {
    for (const hash of hashes) keys.set(hash, principal);
  };
  for (const each of tenants) add(each.key_sha256, { kind: "tenant", tenant: each });
  for (const each of operators) add(each.key_sha256, { kind: "operator", operator: each });
  const byId = new Map(tenants.map((each) => [each.id, each]));
  const byApp = new Map(
    tenants.flatMap((each) => each.entra_app_ids.map((app) => [app.toLowerCase(), each])),
  );
  return {
    byKeyHash: (sha256) => keys.get(sha256),
    byAppId: (appId) => byApp.get(appId.toLowerCase()),
    byRoles: (roles) => operators.find((each) => each.entra_roles.some((role) => roles.includes(role))),
    get: (tenantId) => byId.get(tenantId),
    budgeted: tenants.filter((each) => each.budget !== undefined),
    all: tenants,
    count: tenants.length,
  };
}
