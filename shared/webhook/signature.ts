import { createHmac } from "node:crypto";

/** Standard Webhooks 1.0.0: `whsec_` and the base64 of 32 random bytes, which every verifier reads the same way. */
const PREFIX = "whsec_";
export const SECRET_BYTES = 32;

/** @param hex 32 random bytes */
export const secretOf = (hex: string): string => PREFIX + Buffer.from(hex, "hex").toString("base64");

/** What may be shown of a secret. */
export const hintOf = (secret: string): string => `${PREFIX}...${secret.slice(-4)}`;

export interface Signed {
  /** The same at every try. */
  readonly id: string;
  /** Of this try: one that comes late must be signed anew. Unix seconds. */
  readonly timestamp: number;
  /** What is sent, byte for byte. */
  readonly body: string;
}

/** The headers of a try. @param secrets each signs, while one takes the place of another */
export function signedHeaders(
  { id, timestamp, body }: Signed,
  secrets: readonly string[],
): Record<"webhook-id" | "webhook-timestamp" | "webhook-signature", string> {
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(PREFIX.length), "base64");
    return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
  });
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": signatures.join(" "),
  };
}
