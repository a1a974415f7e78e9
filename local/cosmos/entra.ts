import { createRemoteJWKSet, jwtVerify } from "jose";
import { CosmosError } from "./cosmos-error.ts";
import type { Route } from "./route.ts";

/** Whose tokens are taken, as `type=aad&ver=1.0&sig=<token>`. */
export interface EntraOptions {
  readonly issuer: string;
  readonly audience: string;
  /** Where the issuer publishes its keys. */
  readonly jwksUri: string;
}

export type VerifyToken = (token: string) => Promise<void>;

/** Checks signature, issuer, audience and expiry of a token. @throws CosmosError 401 */
export function createEntra({ issuer, audience, jwksUri }: EntraOptions): VerifyToken {
  const keys = createRemoteJWKSet(new URL(jwksUri));
  return async (token) => {
    try {
      await jwtVerify(token, keys, { issuer, audience });
    } catch (thrown) {
      throw new CosmosError(
        401,
        `The token is not valid: ${thrown instanceof Error ? thrown.message : thrown}`,
      );
    }
  };
}

/** As in Azure, a token works with items and reads the rest: databases, containers and offers are infrastructure's. */
export function checkTokenMay({ verb, kind }: Route): void {
  if (kind === "items" || kind === "item" || kind === "purge" || (verb === "get" && kind !== "offers"))
    return;
  throw new CosmosError(
    403,
    "Request blocked by Auth: this request cannot be authorized by AAD token in data plane.",
    { substatus: 5300 },
  );
}
