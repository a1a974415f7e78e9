import { createHmac, createSecretKey } from "node:crypto";
import type { TokenProvider } from "@azure/cosmos";

/**
 * Signs requests with the account's key, as the SDK does by itself, but with a key object that is made once: from a
 * bare buffer Node makes one for each signature, which costs six times the signature itself.
 * Source: https://learn.microsoft.com/rest/api/cosmos-db/access-control-on-cosmosdb-resources
 */
export function keySigner(key: string): TokenProvider {
  const secret = createSecretKey(Buffer.from(key, "base64"));
  // The account itself has neither resource type nor id, whatever the types say.
  return async ({ verb, resourceType, resourceId, headers }) => {
    const date = String(headers["x-ms-date"] ?? "").toLowerCase();
    const text = `${verb.toLowerCase()}\n${(resourceType ?? "").toLowerCase()}\n${resourceId ?? ""}\n${date}\n\n`;
    const signature = createHmac("sha256", secret).update(text).digest("base64");
    return `type=master&ver=1.0&sig=${signature}`;
  };
}
