import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import { CosmosError } from "./cosmos-error.ts";
import { checkTokenMay, type VerifyToken } from "./entra.ts";
import type { Route } from "./route.ts";

/** The key of Microsoft's own emulator, published in its documentation. */
export const EMULATOR_KEY =
  "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==";

/** Signatures seen to be good and kept: all batches of a container in one second carry the same one. */
const MAX_KNOWN = 100;

/** A promise if a token must be verified; a key is checked at once. @throws CosmosError 401, 403 */
export type Authorize = (
  route: Route,
  authorization: string | undefined,
  date: string,
) => Promise<void> | undefined;

/**
 * Checks the signature of a request: HMAC-SHA256 with the account's key over verb, resource and date; or an Entra
 * token, where those are configured.
 */
export function createAuthorization(key: string, verifyToken?: VerifyToken): Authorize {
  // A key object, because a bare buffer is made into one at each use, which costs more than the hash.
  const secret = createSecretKey(Buffer.from(key, "base64"));
  const known = new Map<string, string>();
  return (route, authorization = "", date) => {
    const { verb, resourceType, resourceLink } = route;
    const signed = `${verb}\n${resourceType}\n${resourceLink}\n${date.toLowerCase()}\n\n`;
    if (known.get(authorization) === signed) return undefined;
    const { type, sig } = tokenOf(authorization);
    if (type === "aad") return byToken(route, sig, verifyToken);
    const signature = Buffer.from(sig, "base64");
    const expected = createHmac("sha256", secret).update(signed).digest();
    const same = signature.length === expected.length && timingSafeEqual(signature, expected);
    if (type !== "master" || !same) {
      throw new CosmosError(
        401,
        "The input authorization token can't serve the request. The wrong key is being used or the expected payload is not built as per the protocol.",
      );
    }
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(authorization, signed);
    return undefined;
  };
}

/** `type=master&ver=1.0&sig=…`, URL-encoded as a whole; a signature's own `=` and `+` belong to it. */
function tokenOf(authorization: string): { type: string | undefined; sig: string } {
  if (authorization === "") throw new CosmosError(401, "Required Header authorization is missing.");
  const fields = new Map<string, string>();
  for (const field of decoded(authorization).split("&")) {
    const end = field.indexOf("=");
    fields.set(field.slice(0, end), field.slice(end + 1));
  }
  return { type: fields.get("type"), sig: fields.get("sig") ?? "" };
}

function decoded(authorization: string): string {
  try {
    return decodeURIComponent(authorization);
  } catch {
    throw new CosmosError(401, "The authorization header is not URL-encoded.");
  }
}

async function byToken(route: Route, token: string, verify: VerifyToken | undefined): Promise<void> {
  if (verify === undefined) throw new CosmosError(401, "Entra tokens are not configured for this emulator.");
  await verify(token);
  checkTokenMay(route);
}
