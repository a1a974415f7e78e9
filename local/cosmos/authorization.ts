import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import { CosmosError } from "./cosmos-error.ts";

/** The key of Microsoft's own emulator, published in its documentation. */
export const EMULATOR_KEY =
  "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==";

export interface SignedRequest {
  readonly verb: string;
  /** `docs`, `colls`, `dbs`; empty for the account. */
  readonly resourceType: string;
  readonly resourceLink: string;
  readonly date: string;
  readonly authorization: string | undefined;
}

/** Signatures seen to be good and kept: all batches of a container in one second carry the same one. */
const MAX_KNOWN = 100;

/**
 * Checks the signature of a request: HMAC-SHA256 with the account's key over verb, resource and date.
 * @throws CosmosError 401
 */
export function createAuthorization(key: string): (request: SignedRequest) => void {
  // A key object, for a bare buffer is made into one at each use, which costs more than the hash.
  const secret = createSecretKey(Buffer.from(key, "base64"));
  const known = new Map<string, string>();
  return ({ verb, resourceType, resourceLink, date, authorization = "" }) => {
    const signed = `${verb}\n${resourceType}\n${resourceLink}\n${date.toLowerCase()}\n\n`;
    if (known.get(authorization) === signed) return;
    const token = new URLSearchParams(decodeURIComponent(authorization).replaceAll("+", "%2B"));
    const signature = Buffer.from(token.get("sig") ?? "", "base64");
    const expected = createHmac("sha256", secret).update(signed).digest();
    if (
      token.get("type") === "master" &&
      signature.length === expected.length &&
      timingSafeEqual(signature, expected)
    ) {
      if (known.size >= MAX_KNOWN) known.clear();
      known.set(authorization, signed);
      return;
    }
    throw new CosmosError(
      401,
      "The input authorization token can't serve the request. The wrong key is being used or the expected payload is not built as per the protocol.",
    );
  };
}
