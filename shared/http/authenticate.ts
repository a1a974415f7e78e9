import { Problem } from "../errors.ts";
import { sha256Hex } from "../sha256.ts";
import type { Operator, Tenant, Tenants } from "../tenant/tenants.ts";
import {
  createTokenVerifier,
  type EntraSettings,
  type KeysPatience,
  type VerifiedToken,
} from "./entra-token.ts";

/** Who calls. `actor` names them in audit records: the tenant, and which of its credentials. */
export type Caller =
  | { readonly kind: "tenant"; readonly tenant: Tenant; readonly actor: string }
  | { readonly kind: "operator"; readonly operator: Operator; readonly actor: string };

export interface Authenticator {
  /**
   * Who calls, as far as that is known at once: a key that was known when it was last looked. Undefined: it must be asked.
   * @throws Problem missing_credential, invalid_credential
   */
  recognise(headers: { get(name: string): string | null }): Caller | undefined;
  /** @throws Problem missing_credential, invalid_credential, issuer_unavailable; StoreUnavailable */
  authenticate(headers: { get(name: string): string | null }): Promise<Caller>;
}

export interface AuthenticatorDeps {
  /** Resolves once `tenants` is of now: a key that was taken out must not come in. @throws StoreUnavailable */
  readonly fresh: () => Promise<void>;
  /**
   * The same of all that operators have set, for a tenant's request: operators are let in while the store is away.
   * @throws StoreUnavailable
   */
  readonly freshForTenants?: () => Promise<void>;
  readonly tenants: () => Tenants;
  /** Undefined: API keys only. */
  readonly entra: EntraSettings | undefined;
  readonly clock: { now(): number };
  /** How long an issuer's keys are believed; undefined: as entra-token.ts says. */
  readonly keysPatience?: KeysPatience;
}

/** header.payload.signature, each base64url: no API key of ours looks like that by chance. */
const JWT = /^[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*$/;
/** Longer than any key or token: not even hashed. */
const MAX_CREDENTIAL_CHARS = 16_384;

/** `Authorization: Bearer …` (a key or an Entra token) or `api-key: …`. Headers of App Service's are never looked at. */
export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const verify =
    deps.entra === undefined ? undefined : createTokenVerifier(deps.entra, deps.clock, deps.keysPatience);
  return {
    recognise: (headers) => callerOfKey(deps.tenants(), credentialOf(headers)),
    async authenticate(headers) {
      const credential = credentialOf(headers);
      await deps.fresh();
      const isToken = verify !== undefined && JWT.test(credential);
      const caller = isToken
        ? callerOfToken(deps.tenants(), await verify(credential))
        : callerOfKey(deps.tenants(), credential);
      if (caller === undefined) throw invalid("The key is not known.");
      if (caller.kind === "tenant") await deps.freshForTenants?.();
      return caller;
    },
  };
}

function credentialOf(headers: { get(name: string): string | null }): string {
  const key = headers.get("api-key");
  const authorization = headers.get("authorization");
  if (key === null && authorization === null) {
    throw new Problem("missing_credential", "Neither `Authorization` nor `api-key` was sent.");
  }
  const bearer = authorization === null ? null : /^bearer +(\S+)$/i.exec(authorization.trim())?.[1];
  if (bearer === undefined) throw invalid("`Authorization` must be `Bearer` and one credential.");
  if (key !== null && bearer !== null && key !== bearer)
    throw invalid("Two different credentials were sent.");
  const credential = bearer ?? key ?? "";
  if (credential === "" || credential.length > MAX_CREDENTIAL_CHARS)
    throw invalid("The credential is not valid.");
  return credential;
}

function invalid(detail: string): Problem {
  return new Problem("invalid_credential", detail);
}

function callerOfKey(tenants: Tenants, key: string): Caller | undefined {
  const hash = sha256Hex(key);
  const principal = tenants.byKeyHash(hash);
  if (principal === undefined) return undefined;
  const by = `key:${hash.slice(0, 8)}`;
  return principal.kind === "tenant"
    ? { kind: "tenant", tenant: principal.tenant, actor: `${principal.tenant.id}/${by}` }
    : { kind: "operator", operator: principal.operator, actor: `${principal.operator.id}/${by}` };
}

/** A user's token is his application's only where the tenants file names a scope for that. */
function callerOfToken(tenants: Tenants, { appId, roles, scopes }: VerifiedToken): Caller {
  const by = `app:${appId}`;
  const lets = (named: readonly string[]) => scopes === null || scopes.some((scope) => named.includes(scope));
  const operator = tenants.byRoles(roles);
  if (operator !== undefined && lets(operator.entra_scopes))
    return { kind: "operator", operator, actor: `${operator.id}/${by}` };
  const tenant = tenants.byAppId(appId);
  if (tenant === undefined) throw invalid("The token's application is no tenant of this service.");
  if (!lets(tenant.entra_scopes))
    throw invalid("The token is a user's, and none of its scopes is named for it.");
  return { kind: "tenant", tenant, actor: `${tenant.id}/${by}` };
}
