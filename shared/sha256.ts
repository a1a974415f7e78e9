import { hash } from "node:crypto";

/** Lower-case hex SHA-256 of bytes, or of a text's UTF-8 bytes. In one call, which costs half of making a Hash object. */
export function sha256Hex(of: string | Uint8Array): string {
  return hash("sha256", of, "hex");
}
