import { Problem } from "../errors.ts";
import { sha256Hex } from "../sha256.ts";
import type { Operator, Tenant, TenantKey, Tenants } from "../tenant/tenants.ts";
import {
  createTokenVerifier,
  type EntraSettings,
  type KeysPatience,
  type VerifiedToken,
} from "./entra-token.ts";

/** Who calls. `actor` names them in audit records: the tenant, and which of its credentials. */
export type Caller =
  | {
      readonly kind: "tenant";
      readonly tenant: Tenant;
      /** Absent: the credential has no id. */
      readonly key?: TenantKey;
      readonly actor: string;
    }
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
   * The same of all that operators have set, tenants and keys too: operators are let in while the store is away.
   * @throws StoreUnavailable
   */
  readonly freshForTenants?: () => Promise<void>;
  /** Is told of a key with an id, each time it lets somebody in. */
  readonly used?: { note(tenantId: string, keyId: string): Promise<void> };
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
    recognise: (headers) => callerOfKey(deps.tenants(), sha256Hex(credentialOf(headers))),
    async authenticate(headers) {
      const credential = credentialOf(headers);
      await deps.fresh();
      const token = verify !== undefined && JWT.test(credential) ? await verify(credential) : undefined;
      const hash = sha256Hex(credential);
      const callerNow = () =>
        token === undefined ? callerOfKey(deps.tenants(), hash) : callerOfToken(deps.tenants(), token);
      let caller = callerNow();
      if (caller?.kind !== "operator") {
        await deps.freshForTenants?.();
        caller = callerNow();
      }
      if (caller === undefined) throw invalid(token === undefined ? NO_KEY : NO_TENANT);
      if (caller.kind === "tenant" && caller.key !== undefined) {
        const { id, expires_at: expiresAt = Infinity } = caller.key;
        if (deps.clock.now() >= expiresAt * 1000) throw invalid("The key has expired.");
        await deps.used?.note(caller.tenant.id, id);
      }
      return caller;
    },
  };
}

const NO_KEY = "The key is not known.";
const NO_TENANT = "The token's application is no tenant of this service.";

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

function callerOfKey(tenants: Tenants, hash: string): Caller | undefined {
  const principal = tenants.byKeyHash(hash);
  if (principal === undefined) return undefined;
  const by = `key:${hash.slice(0, 8)}`;
  return principal.kind === "tenant"
    ? { ...principal, actor: `${principal.tenant.id}/${by}` }
    : { ...principal, actor: `${principal.operator.id}/${by}` };
}

/** A user's token is his application's only where the tenants file names a scope for that. */
function callerOfToken(tenants: Tenants, { appId, roles, scopes }: VerifiedToken): Caller | undefined {
  const by = `app:${appId}`;
  const lets = (named: readonly string[]) => scopes === null || scopes.some((scope) => named.includes(scope));
  const operator = tenants.byRoles(roles);
  if (operator !== undefined && lets(operator.entra_scopes))
    return { kind: "operator", operator, actor: `${operator.id}/${by}` };
  const tenant = tenants.byAppId(appId);
  if (tenant === undefined) return undefined;
  if (!lets(tenant.entra_scopes))
    throw invalid("The token is a user's, and none of its scopes is named for it.");
  return { kind: "tenant", tenant, actor: `${tenant.id}/${by}` };
}
