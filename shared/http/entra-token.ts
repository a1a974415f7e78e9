import { createRemoteJWKSet, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import { z } from "zod";
import { Problem } from "../errors.ts";
import { MAX_WAITING_FOR_ISSUER } from "../limits.ts";

export interface EntraSettings {
  /** As tokens name it in `iss`; its configuration is at `<issuer>/.well-known/openid-configuration`. */
  readonly issuer: string;
  readonly audience: string;
}

export interface VerifiedToken {
  readonly appId: string;
  readonly roles: readonly string[];
  /** What a user has let the application do in his name; null: the application acts for itself. */
  readonly scopes: readonly string[] | null;
}

/** Signatures with public keys only: never `none`, never a shared secret. */
const ALGORITHMS = ["RS256", "PS256", "ES256"];
/** Clocks of issuer and host may differ this much. */
const CLOCK_TOLERANCE_SECONDS = 60;
const ISSUER_TIMEOUT_MS = 5_000;
/**
 * After a key id was not found, the keys are not fetched again for this long, whatever token asks. A key that the
 * issuer has just begun to sign with is refused no longer than that, and forged key ids cost the issuer no more.
 */
const COOL_DOWN_MS = 5_000;
/** A key the issuer has withdrawn is believed for so long at most. */
const KEYS_MAX_AGE_MS = 5 * 60_000;
const RETRY_AFTER_SECONDS = 5;

const configurationSchema = z.object({ issuer: z.string(), jwks_uri: z.url() });

/**
 * Verifies access tokens against the issuer's published keys, fetched when first needed and kept.
 * @throws Problem invalid_credential; issuer_unavailable when the keys cannot be fetched
 */
export function createTokenVerifier(
  entra: EntraSettings,
  clock: { now(): number },
  patience: KeysPatience = { coolDownMs: COOL_DOWN_MS, maxAgeMs: KEYS_MAX_AGE_MS },
): (token: string) => Promise<VerifiedToken> {
  let keys: Promise<ReturnType<typeof createRemoteJWKSet>> | undefined;
  const keySet = () => {
    keys ??= openKeySet(entra.issuer, patience).catch((thrown: unknown) => {
      keys = undefined; // the next request tries again
      throw thrown;
    });
    return keys;
  };
  let waiting = 0;
  return async (token) => {
    let isWaiting = false;
    try {
      if (!isSignedWithKnown(await Promise.race([keys, undefined]), token)) {
        if (waiting >= MAX_WAITING_FOR_ISSUER) throw busy(waiting);
        waiting++;
        isWaiting = true;
      }
      const { payload } = await jwtVerify(token, await keySet(), {
        issuer: entra.issuer,
        audience: entra.audience,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(clock.now()),
        requiredClaims: ["exp"],
      });
      return claimsOf(payload);
    } catch (thrown) {
      throw problemOf(thrown);
    } finally {
      if (isWaiting) waiting--;
    }
  };
}

/** Whether the issuer need not be asked: its keys are here and not old, and the token names one of them. */
function isSignedWithKnown(keys: ReturnType<typeof createRemoteJWKSet> | undefined, token: string): boolean {
  if (keys?.fresh !== true) return false;
  try {
    const { kid } = decodeProtectedHeader(token);
    return keys.jwks()?.keys.some((key) => key.kid === kid) === true;
  } catch {
    return true; // not a token at all: that is found out at once
  }
}

function busy(waiting: number): Problem {
  return new Problem("issuer_unavailable", `${waiting} tokens wait for the issuer's keys already.`, {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

/** How long the issuer's keys are believed, and how soon they are fetched again for a key id that is not among them. */
export interface KeysPatience {
  readonly coolDownMs: number;
  readonly maxAgeMs: number;
}

async function openKeySet(
  issuer: string,
  patience: KeysPatience,
): Promise<ReturnType<typeof createRemoteJWKSet>> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const response = await fetch(url, { signal: AbortSignal.timeout(ISSUER_TIMEOUT_MS), redirect: "error" });
  if (!response.ok) throw new IssuerFault(`${url} answered ${response.status}`);
  const configuration = configurationSchema.parse(await response.json());
  if (configuration.issuer !== issuer) throw new IssuerFault(`${url} is the configuration of another issuer`);
  const keysUrl = new URL(configuration.jwks_uri);
  if (keysUrl.protocol !== "https:" && keysUrl.origin !== new URL(issuer).origin) {
    throw new IssuerFault("the issuer's keys are neither on https nor on its own origin");
  }
  return createRemoteJWKSet(keysUrl, {
    timeoutDuration: ISSUER_TIMEOUT_MS,
    cooldownDuration: patience.coolDownMs,
    cacheMaxAge: patience.maxAgeMs,
  });
}

class IssuerFault extends Error {
  override readonly name = "IssuerFault";
}

/** Version 1 tokens of Entra name the application in `appid`, version 2 tokens in `azp`. */
function claimsOf(payload: JWTPayload): VerifiedToken {
  const appId = payload.azp ?? payload.appid;
  if (typeof appId !== "string") throw new Problem("invalid_credential", "The token names no application.");
  const roles = Array.isArray(payload.roles) ? payload.roles.filter((role) => typeof role === "string") : [];
  return { appId, roles, scopes: scopesOf(payload) };
}

/**
 * Entra puts `scp` into tokens of users alone, and `idtyp: app` into those of applications where the API asks for that
 * optional claim. A token that says it is a user's is one, with scopes or without.
 */
function scopesOf({ scp, idtyp }: JWTPayload): readonly string[] | null {
  if (scp === undefined && (idtyp === undefined || idtyp === "app")) return null;
  return typeof scp === "string" ? scp.split(" ").filter((scope) => scope !== "") : [];
}

/** What is wrong with a token is said by kind, never by its content. */
const TOKEN_FAULTS: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: "The token has expired.",
  ERR_JWKS_NO_MATCHING_KEY: "The token is signed with a key its issuer does not publish.",
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: "The token's signature does not hold.",
  ERR_JOSE_ALG_NOT_ALLOWED: "The token's algorithm is not allowed.",
};

function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  const unreachable =
    !(thrown instanceof errors.JOSEError) ||
    thrown instanceof errors.JWKSTimeout ||
    thrown instanceof errors.JWKSInvalid ||
    thrown.code === "ERR_JOSE_GENERIC"; // jose's code for a key set that was not answered with 200
  if (unreachable) {
    return new Problem("issuer_unavailable", "The issuer's keys cannot be fetched; try again.", {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
      cause: thrown,
    });
  }
  if (thrown instanceof errors.JWTClaimValidationFailed) {
    return new Problem(
      "invalid_credential",
      `The token's claim \`${thrown.claim}\` does not fit this service.`,
    );
  }
  return new Problem("invalid_credential", TOKEN_FAULTS[thrown.code] ?? "The token is not valid.");
}
